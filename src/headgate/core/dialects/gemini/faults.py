"""Google's errors: classify an answer, read when a quota returns, render our own faults.

Knows: statuses, `google.rpc` details, the envelope. Refuses to know: what is done about a fault.
Sources: spec 2.2 B, 2.3, 2.13, 3.10; https://google.aip.dev/193.
"""

import re
from collections.abc import Mapping

import msgspec

from headgate.core.dialects.auth_codes import auth_code
from headgate.core.dialects.contract import CooldownHint, StreamFraming
from headgate.core.dialects.reset_times import duration_ms, future, next_pacific_midnight_ms, retry_after
from headgate.core.dialects.upstream_answers import answer_fault, event_fault, kind_of_status
from headgate.core.faults import Fault, FaultKind

_STATUS_BY_HTTP: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
}
_KIND_BY_STATUS: Mapping[str, FaultKind] = {
    "INVALID_ARGUMENT": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "FAILED_PRECONDITION": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "OUT_OF_RANGE": FaultKind.UPSTREAM_REQUEST_REJECTED,
    "UNAUTHENTICATED": FaultKind.UPSTREAM_AUTH,
    "PERMISSION_DENIED": FaultKind.UPSTREAM_FORBIDDEN,
    "NOT_FOUND": FaultKind.UPSTREAM_NOT_FOUND,
    "RESOURCE_EXHAUSTED": FaultKind.UPSTREAM_RATE_LIMITED,
    "UNAVAILABLE": FaultKind.UPSTREAM_OVERLOADED,
}
_BAD_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
_BAD_KEY = re.compile(r"api key (?:not valid|expired|not found)", re.IGNORECASE)
_BAD_PLACE = re.compile(r"user location is not supported|billing", re.IGNORECASE)
_DAILY = re.compile(r"per\s?day|daily", re.IGNORECASE)
_RETRY_IN = re.compile(r"retry in (\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h))", re.IGNORECASE)


_RPC = "type.googleapis.com/google.rpc."


class _Violation(msgspec.Struct, rename="camel"):
    quota_id: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    reason: str = ""
    retry_delay: str | None = None
    metadata: dict[str, msgspec.Raw] = {}
    violations: list[_Violation] = []


class ErrorObject(msgspec.Struct):
    code: int | None = None
    message: str = ""
    status: str = ""
    details: list[_Detail] = []


class _Body(msgspec.Struct):
    error: ErrorObject | None = None


class _BareBody(msgspec.Struct):
    """Where the details have another shape, the rest is still worth reading."""

    error: "_BareError | None" = None


class _BareError(msgspec.Struct):
    code: int | None = None
    message: str = ""
    status: str = ""


_BODY: "msgspec.json.Decoder[_Body | list[_Body]]" = msgspec.json.Decoder(_Body | list[_Body])
_BARE_BODY = msgspec.json.Decoder(_BareBody)
_STRING = msgspec.json.Decoder(str)


def read_error(body: bytes) -> ErrorObject | None:
    """The error of a body; streams without `alt=sse` wrap it in an array."""
    try:
        read = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_bare(body)
    if isinstance(read, list):
        return read[0].error if read else None
    return read.error


def _read_bare(body: bytes) -> ErrorObject | None:
    try:
        bare = _BARE_BODY.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if bare is None else ErrorObject(code=bare.code, message=bare.message, status=bare.status)


def fault_of_error(error: ErrorObject, *, envelope: bytes) -> Fault:
    """An error inside a 2xx answer, by Google's status, else by the numeric code."""
    kind = _KIND_BY_STATUS.get(error.status) or kind_of_status(error.code or 500)
    return event_fault(kind, envelope=envelope)


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """By status; the body decides where Google reports a bad key as 400 and an overload as 503."""
    kind, error = kind_of_status(status), read_error(body) or ErrorObject()
    if status == 400 and _is_bad_key(error):
        kind = FaultKind.UPSTREAM_AUTH
    elif status == 400 and error.status == "FAILED_PRECONDITION" and _BAD_PLACE.search(error.message):
        kind = FaultKind.UPSTREAM_FORBIDDEN
    elif status == 503 and (error.status == "UNAVAILABLE" or "overloaded" in error.message.lower()):
        kind = FaultKind.UPSTREAM_OVERLOADED
    return answer_fault(kind, status=status, headers=headers, body=body)


def _is_bad_key(error: ErrorObject) -> bool:
    return any(d.reason in _BAD_KEY_REASONS for d in error.details) or bool(_BAD_KEY.search(error.message))


def cooldown(fault: Fault, headers: Mapping[str, str], body: bytes, *, now_ms: int) -> CooldownHint | None:
    """A spent daily quota returns at midnight Pacific; otherwise what details, text or header say. None:
    nothing."""
    if fault.kind is FaultKind.UPSTREAM_OVERLOADED:
        return _hint(retry_after(headers, now_ms), "overloaded", now_ms)
    if fault.kind is not FaultKind.UPSTREAM_RATE_LIMITED:
        return None
    error = read_error(body) or ErrorObject()
    if _is_daily(error):
        known: tuple[int, str] | None = (next_pacific_midnight_ms(now_ms), "daily quota")
    else:
        known = _said_delay(error, now_ms) or retry_after(headers, now_ms)
    return _hint(known, "rate_limited", now_ms)


def _is_daily(error: ErrorObject) -> bool:
    """Quota ids name their period (`...PerDayPerProject...`); the text decides only where there are none."""
    ids = [
        violation.quota_id
        for detail in error.details
        for violation in detail.violations
        if violation.quota_id
    ]
    return bool(_DAILY.search(" ".join(ids) if ids else error.message))


def _said_delay(error: ErrorObject, now_ms: int) -> tuple[int, str] | None:
    for detail in error.details:
        for value, evidence in (
            (_metadata(detail, "quotaResetDelay"), "error.details.metadata.quotaResetDelay"),
            (detail.retry_delay, "error.details.retryDelay"),
        ):
            if (delay := duration_ms(value)) is not None:
                return now_ms + delay, evidence
    found = _RETRY_IN.search(error.message)
    delay = duration_ms(found[1].lower()) if found else None
    return None if delay is None else (now_ms + delay, "error.message")


def _metadata(detail: _Detail, name: str) -> str | None:
    try:
        return _STRING.decode(detail.metadata[name])
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _hint(known: tuple[int, str] | None, reason: str, now_ms: int) -> CooldownHint | None:
    until = future(known[0], now_ms) if known is not None else None
    return (
        None
        if known is None or until is None
        else CooldownHint(until_ms=until, reason=reason, evidence=known[1])
    )


def render_fault(fault: Fault) -> bytes:
    """The provider's own body where it may pass, else Google's envelope with the stable code as reason and
    how long to wait."""
    if fault.passed_body is not None:
        return fault.passed_body
    status = fault.shown_status
    name = "INTERNAL" if status >= 500 else _STATUS_BY_HTTP.get(status, "UNKNOWN")
    error: dict[str, object] = {"code": status, "message": fault.shown_message, "status": name}
    if details := _details(fault):
        error["details"] = details
    return msgspec.json.encode({"error": error})


def _details(fault: Fault) -> list[dict[str, str]]:
    details = []
    if (reason := auth_code(fault) or fault.code) is not None:
        details.append({"@type": f"{_RPC}ErrorInfo", "reason": reason, "domain": "headgate"})
    if fault.retry_after_s is not None:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{fault.retry_after_s}s"})
    return details


def render_fault_event(fault: Fault, *, framing: StreamFraming) -> bytes:
    """In a JSON array: one more element, and the end of the array, so that the whole stays valid JSON."""
    body = b"".join(render_fault(fault).splitlines())
    if framing is StreamFraming.JSON_ARRAY:
        return b",\r\n" + body + b"\r\n]"
    return b"data: " + body + b"\r\n\r\n"
