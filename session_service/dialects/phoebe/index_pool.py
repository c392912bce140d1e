"""The index pool of the Phoebe API; for admins."""

from collections import Counter
from typing import Any

import schemas.phoebe as words
from session_service.core.index_pool import IndexPool
from session_service.dialects.dialect import Dialect
from session_service.dialects.phoebe.envelope import (
    ADMINS,
    INDEX_POOL,
    check_admin,
    checked_id,
    id_parameter,
    or_nothing,
)
from session_service.dialects.times import iso_time
from session_service.errors import Conflict, NotFound
from session_service.models import PoolIndex

ID, USER_ID = id_parameter("number"), id_parameter("user_id")
FAILING = (*ADMINS, NotFound(code="no_such_index"), Conflict(code="index_assigned"))
ASKED = {"indexId": "m71tmd04g9", "categoryId": "cate_xxx", "indexName": "index 1"}
INDEX = {
    "id": 1,
    **ASKED,
    "status": "ASSIGNED",
    "userId": 2,
    "assignedAt": "2026-01-09T02:00:00.000Z",
    "createdAt": "2026-01-09T02:00:00.000Z",
    "updatedAt": "2026-01-09T02:00:00.000Z",
}
BATCH_DONE = "Batch add completed"
ASSIGNED, RELEASED = "Index assigned successfully", "Index released successfully"
DISABLED, ENABLED = "Index disabled successfully", "Index enabled successfully"
DELETED = "Index deleted successfully"


def add_pool_routes(dialect: Dialect, pool: IndexPool) -> None:
    @dialect.post(INDEX_POOL)
    @dialect.arguments(words.NewIndex(), example=ASKED)
    @dialect.answers(
        200,
        words.BailianIndexPool(),
        example=INDEX | {"status": "AVAILABLE", "userId": None, "assignedAt": None},
        failures=(*ADMINS, Conflict(code="index_taken")),
    )
    def add_index(body: dict[str, Any]) -> dict[str, Any]:
        """添加索引 · Put an index into the pool; 400 where its indexId is in it."""
        check_admin()
        return show_index(pool.add(body["index_id"], body["category_id"], body["index_name"]))

    @dialect.post(f"{INDEX_POOL}/batch")
    @dialect.arguments(words.NewIndex(many=True), example=[ASKED])
    @dialect.answers(
        200,
        words.AddedIndexes(),
        example={"requested": 10, "added": 10, "message": BATCH_DONE},
        failures=ADMINS,
    )
    def add_indexes(body: list[dict[str, Any]]) -> dict[str, Any]:
        """批量添加 · Put many into the pool; those that are in it are left out."""
        check_admin()
        added = sum(
            pool.ensure(each["index_id"], each["category_id"], each["index_name"]) for each in body
        )
        return {"requested": len(body), "added": added, "message": BATCH_DONE}

    @dialect.get(INDEX_POOL)
    @dialect.answers(200, words.BailianIndexPool(many=True), example=[INDEX], failures=ADMINS)
    def list_indexes() -> list[dict[str, Any]]:
        """全部索引 · All indexes of the pool."""
        check_admin()
        return [show_index(each) for each in pool.all()]

    @dialect.get(f"{INDEX_POOL}/stats")
    @dialect.answers(
        200,
        words.PoolStats(),
        example={"total": 10, "available": 5, "assigned": 4, "disabled": 1},
        failures=ADMINS,
    )
    def pool_stats() -> dict[str, int]:
        """索引池统计 · How many indexes there are."""
        check_admin()
        statuses = Counter[str](each.status for each in pool.all())
        counted = {each.lower(): statuses[each] for each in words.INDEX_STATUSES}
        return {"total": statuses.total(), **counted}

    @dialect.get(f"{INDEX_POOL}/available")
    @dialect.answers(200, words.BailianIndexPool(many=True), example=[INDEX], failures=ADMINS)
    def available_indexes() -> list[dict[str, Any]]:
        """可用索引 · Those that are available."""
        check_admin()
        return [show_index(each) for each in pool.all("AVAILABLE")]

    @dialect.get(f"{INDEX_POOL}/assigned")
    @dialect.answers(200, words.BailianIndexPool(many=True), example=[INDEX], failures=ADMINS)
    def assigned_indexes() -> list[dict[str, Any]]:
        """已分配索引 · Those that are assigned."""
        check_admin()
        return [show_index(each) for each in pool.all("ASSIGNED")]


def add_assigning_routes(dialect: Dialect, pool: IndexPool) -> None:
    @dialect.get(f"{INDEX_POOL}/user/<user_id>", parameters=[USER_ID])
    @dialect.alt_response(404, description="the user has no index", success=False)
    @dialect.answers(200, words.BailianIndexPool(), example=INDEX, failures=ADMINS)
    def index_of_user(user_id: str) -> Any:
        """用户的索引 · A user's index; 404 without a body where it has none."""
        check_admin()
        number = checked_id(user_id, "userId")
        return or_nothing(lambda: show_index(pool.of_user(number)))

    @dialect.post(f"{INDEX_POOL}/assign/<user_id>", parameters=[USER_ID])
    @dialect.answers(
        200,
        words.AssignedIndex(),
        example={
            "userId": 2,
            "indexId": "m71tmd04g9",
            "categoryId": "cate_xxx",
            "message": ASSIGNED,
        },
        failures=(*ADMINS, Conflict(code="pool_empty")),
    )
    def assign_index(user_id: str) -> dict[str, Any]:
        """分配索引 · Give a user an index; one that has one keeps it. 400 when none is left."""
        check_admin()
        number = checked_id(user_id, "userId")
        index = pool.assign(number)
        told = {"indexId": index.index_id, "categoryId": index.category_id}
        return {"userId": number, **told, "message": ASSIGNED}

    @dialect.post(f"{INDEX_POOL}/release/<user_id>", parameters=[USER_ID])
    @dialect.answers(
        200,
        words.Done(),
        example={"message": RELEASED},
        failures=(*ADMINS, Conflict(code="no_index")),
    )
    def release_index(user_id: str) -> dict[str, str]:
        """释放索引 · Take a user's index back; 400 where it has none."""
        check_admin()
        if not pool.release(checked_id(user_id, "userId")):
            raise Conflict("this user has no index", code="no_index")
        return {"message": RELEASED}

    @dialect.post(f"{INDEX_POOL}/<number>/disable", parameters=[ID])
    @dialect.answers(200, words.Done(), example={"message": DISABLED}, failures=FAILING)
    def disable_index(number: str) -> dict[str, str]:
        """停用索引 · Keep an index from being assigned; 400 where it is."""
        check_admin()
        pool.disable(checked_id(number))
        return {"message": DISABLED}

    @dialect.post(f"{INDEX_POOL}/<number>/enable", parameters=[ID])
    @dialect.answers(200, words.Done(), example={"message": ENABLED}, failures=FAILING)
    def enable_index(number: str) -> dict[str, str]:
        """启用索引 · Make a disabled index available."""
        check_admin()
        pool.enable(checked_id(number))
        return {"message": ENABLED}

    @dialect.delete(f"{INDEX_POOL}/<number>", parameters=[ID])
    @dialect.answers(200, words.Done(), example={"message": DELETED}, failures=FAILING)
    def delete_index(number: str) -> dict[str, str]:
        """删除索引 · Take an index out of the pool; 400 where it is assigned."""
        check_admin()
        pool.delete(checked_id(number))
        return {"message": DELETED}


def show_index(index: PoolIndex) -> dict[str, Any]:
    assigned = index.assigned_at
    return {
        "id": index.id,
        "indexId": index.index_id,
        "categoryId": index.category_id,
        "indexName": index.name,
        "status": index.status,
        "userId": index.user_id,
        "assignedAt": None if assigned is None else iso_time(assigned),
        "createdAt": iso_time(index.created_at),
        "updatedAt": iso_time(index.updated_at),
    }
