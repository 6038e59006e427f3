"""The error event of Responses streams, and that the handler delegates the rest."""

import json

from headgate.core.dialects.contract import StreamFraming
from headgate.core.dialects.openai_responses import HANDLER
from headgate.core.faults import Fault, FaultKind


def test_fault_inside_a_stream_is_flat_and_carries_an_error_object() -> None:
    fault = Fault(kind=FaultKind.UPSTREAM_OVERLOADED, message="why")
    event = HANDLER.render_fault_event(fault, request_id="r", framing=StreamFraming.SSE)
    assert event.startswith(b"event: error\ndata: ")
    assert event.endswith(b"\n\n")
    data = json.loads(event.removeprefix(b"event: error\ndata: "))
    assert (data["type"], data["code"], data["message"], data["param"]) == (
        "error", "server_is_overloaded", "why", None,
    )  # fmt: skip
    assert data["error"] == {
        "message": "why",
        "type": "api_error",
        "param": None,
        "code": "server_is_overloaded",
    }


def test_handler_classifies_cools_down_and_renders() -> None:
    fault = HANDLER.classify(429, {}, b"")
    hint = HANDLER.cooldown(fault, {"retry-after": "3"}, b"", now_ms=1000)
    assert hint is not None
    assert hint.until_ms == 4000
    assert b"rate_limit_error" in HANDLER.render_fault(fault, request_id="r")
    assert HANDLER.ping == b": keepalive\n\n"
