"""OpenAI's errors, alike for Chat Completions and Responses: classify, reset times, our own faults in their
envelope.

Knows: error types and codes, `x-ratelimit-*` and `x-codex-*` headers, the envelope. Refuses to know: streams,
operations.
Sources: spec 2.3, 2.8, 3.10; OpenAI API reference, "Errors" and "Rate limits".
"""

from collections.abc import Iterable, Mapping

import msgspec

from headgate.core.dialects.auth_codes import auth_code
from headgate.core.dialects.contract import CooldownHint
from headgate.core.dialects.reset_times import future, instant_ms, number, reset_ms, retry_after
from headgate.core.dialects.upstream_answers import answer_fault, event_fault, kind_of_status
from headgate.core.faults import Blame, Fault, FaultKind

_OVERLOADED = frozenset(
    {
        "server_is_overloaded",
        "engine_overloaded",
        "engine_overloaded_error",
        "overloaded_error",
        "slow_down",
        "overloaded",
    }
)
_KIND_BY_CODE: Mapping[str, FaultKind] = {
    **dict.fromkeys(_OVERLOADED, FaultKind.UPSTREAM_OVERLOADED),
    "rate_limit_exceeded": FaultKind.UPSTREAM_RATE_LIMITED,
    "rate_limit_error": FaultKind.UPSTREAM_RATE_LIMITED,
    "usage_limit_reached": FaultKind.UPSTREAM_RATE_LIMITED,
    "insufficient_quota": FaultKind.UPSTREAM_RATE_LIMITED,
    "requests": FaultKind.UPSTREAM_RATE_LIMITED,
    "tokens": FaultKind.UPSTREAM_RATE_LIMITED,
    "invalid_api_key": FaultKind.UPSTREAM_AUTH,
    "authentication_error": FaultKind.UPSTREAM_AUTH,
    "billing_not_active": FaultKind.UPSTREAM_PAYMENT,
    "permission_error": FaultKind.UPSTREAM_FORBIDDEN,
    "model_not_found": FaultKind.UPSTREAM_NOT_FOUND,
    "not_found_error": FaultKind.UPSTREAM_NOT_FOUND,
    "server_error": FaultKind.UPSTREAM_ERROR,
    "invalid_request_error": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "context_length_exceeded": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "content_filter": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "invalid_prompt": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "data_residency_mismatch": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "bio_policy": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "cyber_policy": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "misalignment_policy_violation": FaultKind.UPSTREAM_REQUEST_REJECTED,
}
_IMAGE_CODES = ("invalid_image", "invalid_base64_image", "image_", "unsupported_image")
_TRANSIENT_400 = "an error occurred while processing your request"

_TYPE_BY_KIND: Mapping[FaultKind, str] = {
    FaultKind.KEY_MISSING: "authentication_error",
    FaultKind.KEY_INVALID: "authentication_error",
    FaultKind.KEY_DISABLED: "authentication_error",
    FaultKind.USER_INACTIVE: "authentication_error",
    FaultKind.KEY_EXPIRED: "permission_error",
    FaultKind.KEY_IP_DENIED: "permission_error",
    FaultKind.KEY_WITHOUT_GROUP: "permission_error",
    FaultKind.GROUP_INACTIVE: "permission_error",
    FaultKind.SUBSCRIPTION_REQUIRED: "permission_error",
    FaultKind.SUBSCRIPTION_INVALID: "permission_error",
    FaultKind.SUBSCRIPTION_LIMIT: "insufficient_quota",
    FaultKind.BUDGET_ENDED: "insufficient_quota",
    FaultKind.BALANCE_INSUFFICIENT: "insufficient_quota",
    FaultKind.KEY_QUOTA_EXHAUSTED: "insufficient_quota",
    FaultKind.KEY_WINDOW_EXHAUSTED: "insufficient_quota",
    FaultKind.RATE_LIMITED: "rate_limit_error",
    FaultKind.QUEUE_FULL: "rate_limit_error",
    FaultKind.QUEUE_TIMEOUT: "rate_limit_error",
    FaultKind.UPSTREAM_RATE_LIMITED: "rate_limit_error",
    FaultKind.NOT_FOUND: "not_found_error",
    FaultKind.UPSTREAM_NOT_FOUND: "not_found_error",
}
_CODE_BY_KIND: Mapping[FaultKind, str] = {
    FaultKind.MODEL_NOT_FOUND: "model_not_found",
    FaultKind.RATE_LIMITED: "rate_limit_exceeded",
    FaultKind.QUEUE_FULL: "rate_limit_exceeded",
    FaultKind.QUEUE_TIMEOUT: "rate_limit_exceeded",
    FaultKind.UPSTREAM_RATE_LIMITED: "rate_limit_exceeded",
    FaultKind.UPSTREAM_OVERLOADED: "server_is_overloaded",
}


class ErrorObject(msgspec.Struct):
    """OpenAI's error; compatible providers send numbers as code."""

    type: str | int | None = None
    code: str | int | None = None
    message: str | None = None
    resets_at: int | float | None = None
    resets_in_seconds: int | float | None = None


class _Body(msgspec.Struct):
    error: ErrorObject | None = None


_BODY = msgspec.json.Decoder(_Body)


def fault_of_error(error: ErrorObject | str, *, envelope: bytes) -> Fault:
    """An error inside a 2xx answer, by code, then by type, then by a numeric code that is a status."""
    if isinstance(error, str):
        return event_fault(FaultKind.UPSTREAM_ERROR, envelope=envelope)
    for name in (error.code, error.type):
        if isinstance(name, int):
            return event_fault(kind_of_status(name), envelope=envelope)
        if name is not None and (kind := _kind_of_code(name)) is not None:
            return event_fault(kind, envelope=envelope)
    return event_fault(FaultKind.UPSTREAM_ERROR, envelope=envelope)


def _kind_of_code(name: str) -> FaultKind | None:
    if name.startswith(_IMAGE_CODES):
        return FaultKind.UPSTREAM_REQUEST_REJECTED
    return _KIND_BY_CODE.get(name)


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """By status; the body decides where a 400 is the provider's own hiccup (spec 2.8), or a 5xx an
    overload."""
    kind, error = kind_of_status(status), _error(body)
    message = (error.message or "").lower()
    if status == 400 and _TRANSIENT_400 in message:
        kind = FaultKind.UPSTREAM_ERROR
    elif kind is FaultKind.UPSTREAM_ERROR and (
        error.code in _OVERLOADED or error.type in _OVERLOADED or (status == 503 and "overloaded" in message)
    ):
        kind = FaultKind.UPSTREAM_OVERLOADED
    return answer_fault(kind, status=status, headers=headers, body=body)


def cooldown(fault: Fault, headers: Mapping[str, str], body: bytes, *, now_ms: int) -> CooldownHint | None:
    """Subscription windows, the body's own reset, `retry-after`, then the emptied buckets. None: nothing was
    said."""
    if fault.kind is FaultKind.UPSTREAM_OVERLOADED:
        return _first([retry_after(headers, now_ms)], "overloaded", now_ms)
    if fault.kind is not FaultKind.UPSTREAM_RATE_LIMITED:
        return None
    found = [_codex_window(headers, now_ms), *_body_resets(body, now_ms), retry_after(headers, now_ms)]
    return _first([*found, _bucket_reset(headers, now_ms)], "rate_limited", now_ms)


def _codex_window(headers: Mapping[str, str], now_ms: int) -> tuple[int, str] | None:
    """Of the ChatGPT windows the longest full one; where none is full, the later reset (spec 3.10)."""
    windows = []
    for name in ("primary", "secondary"):
        reset = _codex_reset(headers, name, now_ms)
        if reset is not None:
            is_full = (number(headers.get(f"x-codex-{name}-used-percent")) or 0) >= 100
            length = number(headers.get(f"x-codex-{name}-window-minutes")) or 0
            windows.append((is_full, length if is_full else 0, *reset))
    return max(windows)[2:] if windows else None


def _codex_reset(headers: Mapping[str, str], name: str, now_ms: int) -> tuple[int, str] | None:
    after = f"x-codex-{name}-reset-after-seconds"
    if (seconds := number(headers.get(after))) is not None:
        return now_ms + int(seconds * 1000), after
    at = f"x-codex-{name}-reset-at"
    instant = instant_ms(headers.get(at))
    return None if instant is None else (instant, at)


def _body_resets(body: bytes, now_ms: int) -> list[tuple[int, str] | None]:
    error = _error(body)
    found: list[tuple[int, str] | None] = []
    if error.resets_at is not None:
        instant = instant_ms(str(error.resets_at))
        found.append(None if instant is None else (instant, "error.resets_at"))
    if error.resets_in_seconds is not None and 0 <= error.resets_in_seconds < 1e9:
        found.append((now_ms + int(error.resets_in_seconds * 1000), "error.resets_in_seconds"))
    return found


def _bucket_reset(headers: Mapping[str, str], now_ms: int) -> tuple[int, str] | None:
    """The later reset of the emptied buckets; where none is empty, the sooner reset."""
    empty: list[tuple[int, str]] = []
    filled: list[tuple[int, str]] = []
    for bucket in ("requests", "tokens"):
        name = f"x-ratelimit-reset-{bucket}"
        instant = future(reset_ms(headers.get(name), now_ms), now_ms)
        if instant is not None:
            is_empty = number(headers.get(f"x-ratelimit-remaining-{bucket}")) == 0
            (empty if is_empty else filled).append((instant, name))
    return max(empty, default=None) or min(filled, default=None)


def _first(found: Iterable[tuple[int, str] | None], reason: str, now_ms: int) -> CooldownHint | None:
    for known in found:
        if known is not None and (until := future(known[0], now_ms)) is not None:
            return CooldownHint(until_ms=until, reason=reason, evidence=known[1])
    return None


def error_object(fault: Fault) -> dict[str, str | None]:
    default = "invalid_request_error" if fault.kind.blame is Blame.CLIENT else "api_error"
    return {
        "message": fault.shown_message,
        "type": _TYPE_BY_KIND.get(fault.kind, default) if fault.shown is None else "upstream_error",
        "param": None,
        "code": auth_code(fault) or fault.code or _CODE_BY_KIND.get(fault.kind),
    }


def render_fault(fault: Fault) -> bytes:
    """The provider's own body where it may pass, else ours; auth errors carry `code` and `message` flat as
    well."""
    if fault.passed_body is not None:
        return fault.passed_body
    error = error_object(fault)
    envelope: dict[str, object] = {"error": error}
    if auth_code(fault) is not None:
        envelope |= {"code": error["code"], "message": fault.message}
    return msgspec.json.encode(envelope)


def _error(body: bytes) -> ErrorObject:
    try:
        return _BODY.decode(body).error or ErrorObject()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorObject()
