"""What every dialect does alike with a provider's non-2xx answer: kind by status, our message, what may pass
verbatim.

Knows: statuses and the messages of spec 2.3. Refuses to know: any vendor's codes (each dialect) and
envelopes.
Invariants: our messages never quote the provider (it may echo a prompt or a key); a body passes verbatim only
for 400, 404, 413 and 422, only when it is JSON of at most 64 KB, and with secrets taken out.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import msgspec

from headgate.core.dialects.lenient import decode_leniently
from headgate.core.dialects.reset_times import retry_after_s
from headgate.core.faults import Fault, FaultKind

S = TypeVar("S", bound=msgspec.Struct)

PASSED_BODY_BYTES = 64 * 1024
_CREDENTIAL_CHARS = 8
"""Shorter ones are words of test set-ups, which would make holes in any text."""

MESSAGES: Mapping[FaultKind, str] = {
    FaultKind.UPSTREAM_AUTH: "Upstream authentication failed, please contact administrator",
    FaultKind.UPSTREAM_PAYMENT: "Upstream payment required: insufficient balance or billing issue",
    FaultKind.UPSTREAM_FORBIDDEN: "Upstream access forbidden, please contact administrator",
    FaultKind.UPSTREAM_RATE_LIMITED: "Upstream rate limit exceeded, please retry later",
    FaultKind.UPSTREAM_OVERLOADED: "Upstream service overloaded, please retry later",
    FaultKind.UPSTREAM_ERROR: "Upstream service temporarily unavailable",
    FaultKind.UPSTREAM_REQUEST_REJECTED: "Upstream rejected the request",
    FaultKind.UPSTREAM_NOT_FOUND: "Upstream does not know this model or object",
}
_KIND_BY_STATUS = {
    400: FaultKind.UPSTREAM_REQUEST_REJECTED,
    401: FaultKind.UPSTREAM_AUTH,
    402: FaultKind.UPSTREAM_PAYMENT,
    403: FaultKind.UPSTREAM_FORBIDDEN,
    404: FaultKind.UPSTREAM_NOT_FOUND,
    413: FaultKind.UPSTREAM_REQUEST_REJECTED,
    422: FaultKind.UPSTREAM_REQUEST_REJECTED,
    429: FaultKind.UPSTREAM_RATE_LIMITED,
    529: FaultKind.UPSTREAM_OVERLOADED,
}
_NAMED_5XX = frozenset({500, 502, 503, 504})
_PASSED = frozenset({FaultKind.UPSTREAM_REQUEST_REJECTED, FaultKind.UPSTREAM_NOT_FOUND})
_WAITING = frozenset({FaultKind.UPSTREAM_RATE_LIMITED, FaultKind.UPSTREAM_OVERLOADED})

_QUERY_SECRET = re.compile(
    rb"((?:[?&]|\\u0026)(?:key|client_secret|access_token|refresh_token)=)[^&\s\"'\\<>]+"
)
_KEY_SHAPE = re.compile(rb"\b(?:sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{16,})")


def redact(body: bytes) -> bytes:
    """The body without credentials: secret query parameters (spec 2.3) and anything shaped like a provider's
    key."""
    return _KEY_SHAPE.sub(b"***", _QUERY_SECRET.sub(rb"\1***", body))


def without_credential(fault: Fault, credential: str) -> Fault:
    """The fault with the account's own credential taken out of the body that passes: keys of compatible
    providers have any shape, so `redact` does not know them all."""
    if fault.upstream_body is None or len(credential) < _CREDENTIAL_CHARS:
        return fault
    escaped = msgspec.json.encode(credential)[1:-1]
    body = fault.upstream_body.replace(escaped, b"***").replace(credential.encode(), b"***")
    return replace(fault, upstream_body=body)


def excerpt(body: bytes, credential: str, most_chars: int) -> str:
    """The beginning of an answer for operators, on one line and without credentials."""
    clean = redact(body[:PASSED_BODY_BYTES])
    if len(credential) >= _CREDENTIAL_CHARS:
        clean = clean.replace(credential.encode(), b"***")
    return " ".join(clean.decode("utf-8", "replace").replace("\x00", "").split())[:most_chars]


def kind_of_status(status: int) -> FaultKind:
    return _KIND_BY_STATUS.get(status, FaultKind.UPSTREAM_ERROR)


def answer_fault(kind: FaultKind, *, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
    """The fault of a non-2xx answer whose kind is known."""
    message = MESSAGES[kind]
    if kind is FaultKind.UPSTREAM_ERROR and status not in _NAMED_5XX:
        message = "Upstream request failed"
    passed = redact(body) if kind in _PASSED and is_passable(body) else None
    return Fault(
        kind=kind,
        message=message,
        retry_after_s=retry_after_s(headers) if kind in _WAITING else None,
        upstream_status=status,
        upstream_body=passed,
        upstream_content_type=headers.get("content-type") if passed is not None else None,
    )


def event_fault(kind: FaultKind, *, envelope: bytes) -> Fault:
    """The fault of an error inside a 2xx answer; `envelope` is the error as this dialect's error body."""
    passed = redact(envelope) if kind in _PASSED and is_passable(envelope) else None
    return Fault(
        kind=kind,
        message=MESSAGES[kind],
        upstream_body=passed,
        upstream_content_type="application/json" if passed is not None else None,
    )


def malformed() -> Fault:
    return Fault(
        kind=FaultKind.UPSTREAM_MALFORMED, message="The upstream sent an answer that is not valid JSON"
    )


def decode_answer(decoder: "msgspec.json.Decoder[S]", body: bytes) -> S | Fault:
    """A whole 2xx answer as a partial struct, members of other types than ours left out; a fault when it is
    no JSON object."""
    read = decode_event(decoder, body)
    return malformed() if read is None else read


def decode_event(decoder: "msgspec.json.Decoder[S]", data: bytes) -> S | None:
    """The same for one event of a stream; None when it is no JSON object."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        return decode_leniently(decoder.type, data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_passable(body: bytes) -> bool:
    """A JSON object or array of bearable size."""
    if not body or len(body) > PASSED_BODY_BYTES:
        return False
    try:
        return isinstance(msgspec.json.decode(body), dict | list)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
