"""The names in an endpoint's answers that may be told: any other could be a key or a word."""

from collections.abc import Mapping
from typing import Any

_OPENAI = """
    account_deactivated api_error authentication_error billing_hard_limit_reached
    billing_not_active content_filter content_policy_violation context_length_exceeded
    engine_overloaded insufficient_quota integer_above_max_value integer_below_min_value
    internal_error internal_server_error invalid_api_key invalid_organization invalid_prompt
    invalid_request_error invalid_type invalid_value ip_not_authorized
    missing_required_parameter model_not_found model_overloaded not_found not_found_error
    overloaded overloaded_error permission_denied permission_error rate_limit_error
    rate_limit_exceeded request_timeout request_too_large requests server_error
    service_unavailable string_above_max_length timeout timeout_error tokens unknown_parameter
    unknown_url unsupported_country_region_territory unsupported_parameter unsupported_value
"""
_AZURE = "AuthenticationTypeDisabled DeploymentNotFound OperationNotSupported PermissionDenied"
_DASHSCOPE = """
    AccessDenied AccessDenied.Unpurchased AllocationQuota.FreeTierOnly Arrearage
    DataInspectionFailed InternalError InvalidApiKey InvalidParameter ModelNotFound Throttling
    Throttling.AllocationQuota Throttling.RateQuota data_inspection_failed
    invalid_parameter_error limit_burst_rate limit_requests model_not_supported
"""
_VLLM = """
    AuthenticationError BadRequestError InternalServerError NotFoundError RateLimitError
    ServiceUnavailableError
"""
_CODES = frozenset(f"{_OPENAI} {_AZURE} {_DASHSCOPE} {_VLLM}".split())
_REASONS = frozenset(["stop", "length", "tool_calls", "function_call"])
_KINDS = frozenset(
    ["application/json", "application/xml", "text/event-stream", "text/html", "text/plain"]
)


def code_of(error: object) -> str:
    """The well-known name that an endpoint gives its error, in brackets after a blank, if any."""
    told: Mapping[Any, Any] = error if isinstance(error, dict) else {}
    names = (_among(_CODES, told.get(key)) for key in ("code", "type"))
    return next((f" ({name})" for name in names if name), "")


def reason_of(value: object) -> str:
    """Why a model ended its answer."""
    return _among(_REASONS, value) or "another reason"


def kind_of(value: object) -> str:
    """A media type without its parameters."""
    return _among(_KINDS, value) or "something else"


def _among(names: frozenset[str], value: object) -> str:
    return value if isinstance(value, str) and value in names else ""
