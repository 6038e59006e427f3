"""The error event of chat streams, and that the handler delegates the rest."""

from headgate.core.dialects.contract import StreamFraming
from headgate.core.dialects.openai_chat import HANDLER
from headgate.core.faults import Fault, FaultKind


def test_fault_inside_a_stream_is_an_error_event_with_the_usual_envelope() -> None:
    fault = Fault(kind=FaultKind.UPSTREAM_CUT, message="why")
    event = HANDLER.render_fault_event(fault, request_id="r", framing=StreamFraming.SSE)
    assert event == b"event: error\ndata: " + HANDLER.render_fault(fault, request_id="r") + b"\n\n"


def test_handler_classifies_and_cools_down() -> None:
    fault = HANDLER.classify(429, {}, b"")
    assert fault.kind is FaultKind.UPSTREAM_RATE_LIMITED
    hint = HANDLER.cooldown(fault, {"retry-after": "3"}, b"", now_ms=1000)
    assert hint is not None
    assert hint.until_ms == 4000


def test_ping_is_a_comment_and_auth_headers_are_never_forwarded() -> None:
    assert HANDLER.ping == b": keepalive\n\n"
    assert not HANDLER.request_headers & {
        "authorization",
        "x-api-key",
        "openai-organization",
        "cookie",
        "host",
    }
