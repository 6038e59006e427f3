"""Anthropic's errors: classify an answer, read its reset headers, render our own faults.

Knows: error types, `anthropic-ratelimit-*` headers, the envelope. Refuses to know: what is done about a
fault.
Sources: spec 2.3, 2.4, 3.10; Anthropic API reference, "Errors" and "Rate limits".
"""

from collections.abc import Iterable, Mapping

import msgspec

from headgate.core.dialects.auth_codes import auth_code
from headgate.core.dialects.contract import CooldownHint
from headgate.core.dialects.reset_times import future, number, reset_ms, retry_after
from headgate.core.dialects.upstream_answers import answer_fault, kind_of_status
from headgate.core.faults import Blame, Fault, FaultKind

_KIND_BY_TYPE: Mapping[str, FaultKind] = {
    "invalid_request_error": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "request_too_large": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "authentication_error": FaultKind.UPSTREAM_AUTH,
    "billing_error": FaultKind.UPSTREAM_PAYMENT,
    "permission_error": FaultKind.UPSTREAM_FORBIDDEN,
    "not_found_error": FaultKind.UPSTREAM_NOT_FOUND,
    "rate_limit_error": FaultKind.UPSTREAM_RATE_LIMITED,
    "overloaded_error": FaultKind.UPSTREAM_OVERLOADED,
}

_TYPE_BY_KIND: Mapping[FaultKind, str] = {
    FaultKind.KEY_MISSING: "authentication_error",
    FaultKind.KEY_INVALID: "authentication_error",
    FaultKind.KEY_DISABLED: "authentication_error",
    FaultKind.USER_INACTIVE: "authentication_error",
    FaultKind.KEY_EXPIRED: "permission_error",
    FaultKind.KEY_IP_DENIED: "permission_error",
    FaultKind.KEY_WITHOUT_GROUP: "permission_error",
    FaultKind.GROUP_INACTIVE: "permission_error",
    FaultKind.BALANCE_INSUFFICIENT: "permission_error",
    FaultKind.SUBSCRIPTION_REQUIRED: "permission_error",
    FaultKind.SUBSCRIPTION_INVALID: "permission_error",
    FaultKind.SUBSCRIPTION_LIMIT: "rate_limit_error",
    FaultKind.BUDGET_ENDED: "permission_error",
    FaultKind.KEY_QUOTA_EXHAUSTED: "rate_limit_error",
    FaultKind.KEY_WINDOW_EXHAUSTED: "rate_limit_error",
    FaultKind.RATE_LIMITED: "rate_limit_error",
    FaultKind.QUEUE_FULL: "rate_limit_error",
    FaultKind.QUEUE_TIMEOUT: "rate_limit_error",
    FaultKind.UPSTREAM_RATE_LIMITED: "rate_limit_error",
    FaultKind.REQUEST_TOO_LARGE: "request_too_large",
    FaultKind.NOT_FOUND: "not_found_error",
    FaultKind.MODEL_NOT_FOUND: "not_found_error",
    FaultKind.UPSTREAM_NOT_FOUND: "not_found_error",
    FaultKind.UPSTREAM_OVERLOADED: "overloaded_error",
    FaultKind.UPSTREAM_TIMEOUT: "timeout_error",
}

_WINDOWS = ("7d", "5h")  # the longer one first: when both are exceeded it decides
_BUCKETS = ("requests", "tokens", "input-tokens", "output-tokens")


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: _Error | None = None


_BODY = msgspec.json.Decoder(_Body)


def fault_of_type(error_type: str) -> FaultKind:
    """The kind of an in-band error by Anthropic's type."""
    return _KIND_BY_TYPE.get(error_type, FaultKind.UPSTREAM_ERROR)


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """By status; the body decides where Anthropic reports an account's trouble as 400, or an overload as
    5xx."""
    kind, error = kind_of_status(status), _error(body)
    if kind is FaultKind.UPSTREAM_REQUEST_REJECTED and status == 400:
        message = error.message.lower()
        if "organization has been disabled" in message:
            kind = FaultKind.UPSTREAM_FORBIDDEN
        elif "credit balance is too low" in message:
            kind = FaultKind.UPSTREAM_PAYMENT
    elif kind is FaultKind.UPSTREAM_ERROR and error.type == "overloaded_error":
        kind = FaultKind.UPSTREAM_OVERLOADED
    return answer_fault(kind, status=status, headers=headers, body=body)


def cooldown(fault: Fault, headers: Mapping[str, str], *, now_ms: int) -> CooldownHint | None:
    """Subscription windows first, then `retry-after`, then the buckets of API keys. None: Anthropic said
    nothing."""
    if fault.kind is FaultKind.UPSTREAM_OVERLOADED:
        return _first([retry_after(headers, now_ms)], "overloaded", now_ms)
    if fault.kind is not FaultKind.UPSTREAM_RATE_LIMITED:
        return None
    exceeded = [window for window in _WINDOWS if _is_exceeded(headers, window)]
    found = [
        *(
            _header_instant(headers, f"anthropic-ratelimit-unified-{window}-reset", now_ms)
            for window in exceeded
        ),
        retry_after(headers, now_ms),
        _soonest(headers, (f"anthropic-ratelimit-unified-{window}-reset" for window in _WINDOWS), now_ms),
        _header_instant(headers, "anthropic-ratelimit-unified-reset", now_ms),
        _emptied_bucket(headers, now_ms),
        _soonest(headers, (f"anthropic-ratelimit-{bucket}-reset" for bucket in _BUCKETS), now_ms),
    ]
    return _first(found, "rate_limited", now_ms)


def _is_exceeded(headers: Mapping[str, str], window: str) -> bool:
    prefix = f"anthropic-ratelimit-unified-{window}"
    utilization = number(headers.get(f"{prefix}-utilization"))
    return headers.get(f"{prefix}-surpassed-threshold", "").lower() == "true" or (utilization or 0) >= 1


def _header_instant(headers: Mapping[str, str], name: str, now_ms: int) -> tuple[int, str] | None:
    instant = reset_ms(headers.get(name), now_ms)
    return None if instant is None else (instant, name)


def _soonest(headers: Mapping[str, str], names: Iterable[str], now_ms: int) -> tuple[int, str] | None:
    found = [
        known
        for name in names
        if (known := _header_instant(headers, name, now_ms)) and future(known[0], now_ms)
    ]
    return min(found, default=None)


def _emptied_bucket(headers: Mapping[str, str], now_ms: int) -> tuple[int, str] | None:
    """The last reset among the buckets that are empty: only then all of them admit again."""
    empty = [b for b in _BUCKETS if number(headers.get(f"anthropic-ratelimit-{b}-remaining")) == 0]
    found = [
        known
        for b in empty
        if (known := _header_instant(headers, f"anthropic-ratelimit-{b}-reset", now_ms)) is not None
    ]
    return max(found, default=None)


def _first(found: Iterable[tuple[int, str] | None], reason: str, now_ms: int) -> CooldownHint | None:
    for known in found:
        if known is not None and (until := future(known[0], now_ms)) is not None:
            return CooldownHint(until_ms=until, reason=reason, evidence=known[1])
    return None


def render_fault(fault: Fault, *, request_id: str) -> bytes:
    """The provider's own body where it may pass, else our envelope; auth errors carry `code` and `message`
    flat as well."""
    if fault.passed_body is not None:
        return fault.passed_body
    code = auth_code(fault) or fault.code
    kind = _error_type(fault.kind) if fault.shown is None else "upstream_error"
    error = {"type": kind, "message": fault.shown_message} | ({"code": code} if code else {})
    envelope: dict[str, object] = {"type": "error", "error": error, "request_id": request_id}
    if auth_code(fault) is not None:
        envelope |= {"code": code, "message": fault.message}
    return msgspec.json.encode(envelope)


def render_fault_event(fault: Fault, *, request_id: str) -> bytes:
    body = render_fault(fault, request_id=request_id)
    return b"event: error\ndata: " + b"".join(body.splitlines()) + b"\n\n"


def _error_type(kind: FaultKind) -> str:
    default = "invalid_request_error" if kind.blame is Blame.CLIENT else "api_error"
    return _TYPE_BY_KIND.get(kind, default)


def _error(body: bytes) -> _Error:
    try:
        return _BODY.decode(body).error or _Error()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
