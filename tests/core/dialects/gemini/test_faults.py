"""Google's errors, quota resets and envelopes."""

import json
from typing import Any

import pytest

from headgate.core.dialects.contract import StreamFraming
from headgate.core.dialects.gemini import HANDLER
from headgate.core.dialects.gemini.faults import read_error
from headgate.core.faults import Fault, FaultKind

NOW = 1_750_000_000_000  # 8:06:40 in Los Angeles
UNTIL_MIDNIGHT_S = 57_200
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"


def body(message: str = "x", status: str = "", code: int = 400, details: Any = ()) -> bytes:
    return json.dumps(
        {"error": {"code": code, "message": message, "status": status, "details": list(details)}}
    ).encode()


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (400, body(), FaultKind.UPSTREAM_REQUEST_REJECTED),
        (400, body("API key not valid. Please pass a valid API key."), FaultKind.UPSTREAM_AUTH),
        (400, body(details=[{"reason": "API_KEY_INVALID"}]), FaultKind.UPSTREAM_AUTH),
        (400, body("User location is not supported", "FAILED_PRECONDITION"), FaultKind.UPSTREAM_FORBIDDEN),
        (400, body("Something else", "FAILED_PRECONDITION"), FaultKind.UPSTREAM_REQUEST_REJECTED),
        (503, body("busy", "UNAVAILABLE"), FaultKind.UPSTREAM_OVERLOADED),
        (503, b"[" + body("The model is overloaded") + b"]", FaultKind.UPSTREAM_OVERLOADED),
        (503, b"<html>", FaultKind.UPSTREAM_ERROR),
        (429, body(), FaultKind.UPSTREAM_RATE_LIMITED),
        (404, body(), FaultKind.UPSTREAM_NOT_FOUND),
    ],
)
def test_classification(status: int, answer: bytes, kind: FaultKind) -> None:
    assert HANDLER.classify(status, {}, answer).kind is kind


def test_errors_are_read_in_every_wrapping() -> None:
    assert read_error(b"[]") is None
    assert read_error(b"oops") is None
    assert read_error(b'{"error":3}') is None
    assert read_error(b'{"error":null,"x":1}') is None
    odd = read_error(b'{"error":{"status":"UNAVAILABLE","details":"odd"}}')
    assert odd is not None
    assert odd.status == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("answer", "headers", "expected"),
    [
        (b"", {}, None),
        (body("Quota exceeded: requests per day"), {}, (UNTIL_MIDNIGHT_S, "daily quota")),
        (
            body(
                details=[
                    {"@type": QUOTA_FAILURE, "violations": [{"quotaId": "RequestsPerDayPerProject-Free"}]},
                    {"@type": RETRY_INFO, "retryDelay": "34s"},
                ]
            ),
            {},
            (UNTIL_MIDNIGHT_S, "daily quota"),
        ),
        (
            body(
                "Quota exceeded. See daily limits",
                details=[
                    {"@type": QUOTA_FAILURE, "violations": [{"quotaId": "RequestsPerMinutePerProject"}]},
                    {"@type": RETRY_INFO, "retryDelay": "34.5s"},
                ],
            ),
            {"retry-after": "9"},
            (34, "error.details.retryDelay"),
        ),
        (
            body(details=[{"metadata": {"quotaResetDelay": "1h2m3s", "x": 1}}]),
            {},
            (3723, "error.details.metadata.quotaResetDelay"),
        ),
        (body(details=[{"metadata": {"quotaResetDelay": 7}}]), {}, None),
        (body("Please retry in 12.5s."), {}, (12, "error.message")),
        (body(), {"retry-after": "9"}, (9, "retry-after")),
    ],
)
def test_cooldown_after_a_429(
    answer: bytes, headers: dict[str, str], expected: tuple[int, str] | None
) -> None:
    fault = HANDLER.classify(429, headers, answer)
    found = HANDLER.cooldown(fault, headers, answer, now_ms=NOW)
    assert (None if found is None else ((found.until_ms - NOW) // 1000, found.evidence)) == expected


def test_cooldown_of_other_kinds() -> None:
    overloaded = Fault(kind=FaultKind.UPSTREAM_OVERLOADED, message="")
    hint = HANDLER.cooldown(overloaded, {"retry-after": "3"}, b"", now_ms=NOW)
    assert hint is not None
    assert hint.reason == "overloaded"
    assert HANDLER.cooldown(overloaded, {}, b"", now_ms=NOW) is None
    failed = Fault(kind=FaultKind.UPSTREAM_ERROR, message="")
    assert HANDLER.cooldown(failed, {"retry-after": "3"}, b"", now_ms=NOW) is None


def rendered(kind: FaultKind, **more: Any) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(
        HANDLER.render_fault(Fault(kind=kind, message="why", **more), request_id="r")
    )
    assert envelope["error"]["message"] == "why"
    error: dict[str, Any] = envelope["error"]
    return error


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        (FaultKind.REQUEST_INVALID, 400, "INVALID_ARGUMENT"),
        (FaultKind.KEY_INVALID, 401, "UNAUTHENTICATED"),
        (FaultKind.KEY_EXPIRED, 403, "PERMISSION_DENIED"),
        (FaultKind.MODEL_NOT_FOUND, 404, "NOT_FOUND"),
        (FaultKind.QUEUE_FULL, 429, "RESOURCE_EXHAUSTED"),
        (FaultKind.NO_ACCOUNT, 503, "INTERNAL"),
        (FaultKind.REQUEST_TOO_LARGE, 413, "UNKNOWN"),
    ],
)
def test_statuses(kind: FaultKind, code: int, status: str) -> None:
    error = rendered(kind)
    assert (error["code"], error["status"]) == (code, status)


def test_stable_code_is_the_reason_of_the_details() -> None:
    assert rendered(FaultKind.KEY_INVALID)["details"][0]["reason"] == "INVALID_API_KEY"
    assert "details" not in rendered(FaultKind.NO_ACCOUNT)


def test_every_kind_can_be_rendered() -> None:
    for kind in FaultKind:
        rendered(kind)


def test_providers_own_error_passes_verbatim() -> None:
    fault = HANDLER.classify(400, {}, body("no"))
    assert HANDLER.render_fault(fault, request_id="r") == body("no")


def test_fault_inside_a_stream_is_a_data_line_or_the_last_element() -> None:
    fault = Fault(kind=FaultKind.UPSTREAM_CUT, message="why")
    envelope = HANDLER.render_fault(fault, request_id="r")
    sse = HANDLER.render_fault_event(fault, request_id="r", framing=StreamFraming.SSE)
    assert sse == b"data: " + envelope + b"\r\n\r\n"
    array = HANDLER.render_fault_event(fault, request_id="r", framing=StreamFraming.JSON_ARRAY)
    assert array == b",\r\n" + envelope + b"\r\n]"


def test_gemini_streams_are_never_pinged() -> None:
    assert HANDLER.ping is None
    assert not HANDLER.request_headers & {"authorization", "x-api-key", "x-goog-api-key", "cookie", "host"}
