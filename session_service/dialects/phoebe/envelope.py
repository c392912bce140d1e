"""What all answers of the Phoebe API look like."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, g

import schemas.phoebe as words
from session_service.core.user_ids import LARGEST, as_integer, integer_id
from session_service.dialects.dialect import Dialect
from session_service.errors import Forbidden, Invalid, NotFound, ServiceError
from session_service.models import ADMIN

USERS, NOTES, INDEX_POOL = "/api/v1/users", "/api/v1/notes", "/api/admin/index-pool"
PREFIXES = (USERS, NOTES, INDEX_POOL)
MESSAGES: Mapping[str, str] = {
    "no_token": "未提供认证令牌",
    "bad_token": "认证令牌无效或已过期",
    "wrong_login": "用户名或密码错误",
    "too_many": "登录尝试过多，请稍后再试",
    "forbidden": "无权访问",
    "no_integer_id": "此处用户 ID 必须为整数",
    "admins_only": "需要管理员权限",
    "no_registration": "注册已关闭",
    "username_taken": "用户名已存在",
    "email_taken": "邮箱已存在",
    "last_admin": "不能停用或删除最后一个管理员",
    "changed_meanwhile": "已被他人修改，请重试",
    "no_such_account": "用户不存在",
    "index_taken": "索引已在池中",
    "index_assigned": "索引已分配",
    "no_such_index": "索引不存在",
    "no_index": "用户没有分配索引",
    "pool_empty": "没有可用的索引",
    "no_such_note": "笔记不存在",
    "no_such_path": "路径不存在",
    "method_not_allowed": "方法不允许",
    "key_reused": "幂等键已用于另一条消息",
    "unavailable": "数据库暂不可用，请稍后再试",
    "storage_full": "磁盘已满，无法保存",
}
# How these calls may fail, beyond what any call may.
NO_INTEGER_ID = (Forbidden(code="no_integer_id"),)
OWN = (Forbidden(),)
ADMINS = (Forbidden(code="admins_only"),)


def phoebe_dialect(
    name: str,
    *,
    prefixes: tuple[str, ...] = (),
    description: str,
    authenticate: Callable[[], None] | None = None,
) -> Dialect:
    """A dialect of this API, still without routes; one of them has the prefixes of all."""
    return Dialect(
        name,
        prefixes=prefixes,
        description=description,
        authenticate=authenticate,
        failure=failure,
        failure_schema=words.PhoebeFailure,
        invalid_schema=words.PhoebeInvalid,
    )


def failure(error: ServiceError, status: int, reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    """The body of whatever did not go well."""
    if isinstance(error, Invalid) and reasons:
        details = {field: " ".join(why) for field, why in reasons.items()}
        return {"error": "Validation failed", "details": details}
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return {"error": "Internal server error", "message": g.request_id}
    return {"error": MESSAGES.get(error.code) or HTTPStatus(status).phrase}


def or_nothing(find: Callable[[], Any]) -> Any:
    """What is found; where nothing is, a 404 without a body."""
    try:
        return find()
    except NotFound:
        return Response(status=HTTPStatus.NOT_FOUND)


def checked_id(text: str, name: str = "id") -> int:
    """The integer that stands in a path; Invalid where it is none."""
    number = as_integer(text)
    if number is None:
        why = f"Must be a whole number from 1 to {LARGEST}."
        raise Invalid(errors={name: [why]}, where="path")
    return number


def check_admin() -> None:
    """Forbidden for all but admins."""
    integer_id(g.user)
    if g.user.role != ADMIN:
        raise Forbidden("admins only", code="admins_only")


def id_parameter(name: str) -> dict[str, Any]:
    """The documentation of an id in a path."""
    schema = {"type": "integer", "minimum": 1, "maximum": LARGEST, "example": 2}
    return {"in": "path", "name": name, "schema": schema}
