"""Anthropic's errors, reset headers and envelopes."""

import json
from typing import Any

import pytest

from headgate.core.dialects.anthropic_messages import HANDLER
from headgate.core.dialects.contract import CooldownHint, StreamFraming
from headgate.core.faults import Fault, FaultKind

NOW = 1_750_000_000_000
FIVE, SEVEN = "anthropic-ratelimit-unified-5h", "anthropic-ratelimit-unified-7d"


def body(error_type: str, message: str = "x") -> bytes:
    return json.dumps({"type": "error", "error": {"type": error_type, "message": message}}).encode()


def hint(kind: FaultKind, **headers: str) -> CooldownHint | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HANDLER.cooldown(Fault(kind=kind, message=""), named, b"", now_ms=NOW)


def limited(headers: dict[str, str]) -> tuple[int, str] | None:
    found = HANDLER.cooldown(
        Fault(kind=FaultKind.UPSTREAM_RATE_LIMITED, message=""), headers, b"", now_ms=NOW
    )
    return None if found is None else ((found.until_ms - NOW) // 1000, found.evidence)


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (400, body("invalid_request_error"), FaultKind.UPSTREAM_REQUEST_REJECTED),
        (
            400,
            body("invalid_request_error", "This organization has been disabled."),
            FaultKind.UPSTREAM_FORBIDDEN,
        ),
        (400, body("invalid_request_error", "Your credit balance is too low"), FaultKind.UPSTREAM_PAYMENT),
        (413, body("request_too_large", "credit balance is too low"), FaultKind.UPSTREAM_REQUEST_REJECTED),
        (529, b"", FaultKind.UPSTREAM_OVERLOADED),
        (503, body("overloaded_error"), FaultKind.UPSTREAM_OVERLOADED),
        (500, body("api_error"), FaultKind.UPSTREAM_ERROR),
        (503, b"<html>", FaultKind.UPSTREAM_ERROR),
    ],
)
def test_classification(status: int, answer: bytes, kind: FaultKind) -> None:
    assert HANDLER.classify(status, {}, answer).kind is kind


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        (
            {
                f"{FIVE}-surpassed-threshold": "true",
                f"{FIVE}-reset": "1750000060",
                f"{SEVEN}-reset": "1750000030",
            },
            (60, f"{FIVE}-reset"),
        ),
        (
            {
                f"{FIVE}-utilization": "1.02",
                f"{FIVE}-reset": "1750000060",
                f"{SEVEN}-utilization": "1",
                f"{SEVEN}-reset": "1750090000000",
                "retry-after": "5",
            },
            (90_000, f"{SEVEN}-reset"),
        ),
        (
            {f"{FIVE}-utilization": "0.4", f"{FIVE}-reset": "1750000060", "retry-after": "5"},
            (5, "retry-after"),
        ),
        ({f"{FIVE}-reset": "1750000060", f"{SEVEN}-reset": "1750000090"}, (60, f"{FIVE}-reset")),
        ({"anthropic-ratelimit-unified-reset": "1750000045"}, (45, "anthropic-ratelimit-unified-reset")),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2025-06-15T15:06:50Z",
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2025-06-15T15:07:40Z",
                "anthropic-ratelimit-input-tokens-reset": "2025-06-15T15:09:40Z",
            },
            (60, "anthropic-ratelimit-tokens-reset"),
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-reset": "2025-06-15T15:07:00Z",
                "anthropic-ratelimit-tokens-reset": "2025-06-15T15:06:00Z",
            },
            (20, "anthropic-ratelimit-input-tokens-reset"),
        ),
        ({f"{FIVE}-surpassed-threshold": "true", f"{FIVE}-reset": "1740000000"}, None),
    ],
)
def test_cooldown_after_a_429(headers: dict[str, str], expected: tuple[int, str] | None) -> None:
    assert limited(headers) == expected


def test_cooldown_of_other_kinds() -> None:
    assert hint(FaultKind.UPSTREAM_OVERLOADED) is None
    assert hint(FaultKind.UPSTREAM_OVERLOADED, retry_after="9") == CooldownHint(
        until_ms=NOW + 9000, reason="overloaded", evidence="retry-after"
    )
    assert hint(FaultKind.UPSTREAM_ERROR, retry_after="9") is None


def rendered(kind: FaultKind, **more: Any) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(
        HANDLER.render_fault(Fault(kind=kind, message="why", **more), request_id="req_1")
    )
    assert envelope["type"] == "error"
    assert envelope["request_id"] == "req_1"
    assert envelope["error"]["message"] == "why"
    return envelope


@pytest.mark.parametrize(
    ("kind", "error_type"),
    [
        (FaultKind.REQUEST_INVALID, "invalid_request_error"),
        (FaultKind.KEY_IN_QUERY, "invalid_request_error"),
        (FaultKind.KEY_INVALID, "authentication_error"),
        (FaultKind.KEY_EXPIRED, "permission_error"),
        (FaultKind.MODEL_NOT_FOUND, "not_found_error"),
        (FaultKind.REQUEST_TOO_LARGE, "request_too_large"),
        (FaultKind.QUEUE_FULL, "rate_limit_error"),
        (FaultKind.UPSTREAM_OVERLOADED, "overloaded_error"),
        (FaultKind.UPSTREAM_TIMEOUT, "timeout_error"),
        (FaultKind.NO_ACCOUNT, "api_error"),
        (FaultKind.UPSTREAM_AUTH, "api_error"),
    ],
)
def test_error_types(kind: FaultKind, error_type: str) -> None:
    assert rendered(kind)["error"]["type"] == error_type


def test_auth_errors_carry_their_code_inside_and_flat() -> None:
    envelope = rendered(FaultKind.KEY_INVALID)
    assert envelope["error"]["code"] == envelope["code"] == "INVALID_API_KEY"
    assert envelope["message"] == "why"
    assert rendered(FaultKind.KEY_INVALID, code="OTHER")["code"] == "OTHER"


def test_other_errors_are_not_flat() -> None:
    envelope = rendered(FaultKind.NO_ACCOUNT, code="x")
    assert envelope["error"]["code"] == "x"
    assert not {"code", "message"} & envelope.keys()
    assert "code" not in rendered(FaultKind.NO_ACCOUNT)["error"]


def test_every_kind_can_be_rendered() -> None:
    for kind in FaultKind:
        rendered(kind)


def test_providers_own_error_passes_verbatim() -> None:
    fault = HANDLER.classify(400, {}, body("invalid_request_error", "no"))
    assert HANDLER.render_fault(fault, request_id="r") == body("invalid_request_error", "no")


def test_fault_inside_a_stream_is_an_error_event_of_one_line() -> None:
    fault = Fault(kind=FaultKind.UPSTREAM_REQUEST_REJECTED, message="x", upstream_body=b'{\n "type":"error"}')
    event = HANDLER.render_fault_event(fault, request_id="r", framing=StreamFraming.SSE)
    assert event == b'event: error\ndata: { "type":"error"}\n\n'


def test_ping_is_an_event_and_auth_headers_are_never_forwarded() -> None:
    assert HANDLER.ping == b'event: ping\ndata: {"type": "ping"}\n\n'
    assert not HANDLER.request_headers & {"authorization", "x-api-key", "x-goog-api-key", "cookie", "host"}
    assert all(name == name.lower() for name in HANDLER.request_headers)
