"""Messages streams and answers: errors, estimates, renames."""

import json

import pytest

from headgate.core.dialects.anthropic_messages import HANDLER
from headgate.core.dialects.contract import Operation, Peek, Reading
from headgate.core.faults import Fault, FaultKind
from headgate.core.usage import TokenUsage, UsageSource
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import open_stream, target

MESSAGES = Dialect.ANTHROPIC_MESSAGES
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"claude-x",'
    b'"usage":{"input_tokens":10,"output_tokens":1,"service_tier":"priority"}}}\n\n'
)
TEXT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"hello"}}\n\n'
)
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
OVERLOADED = (
    b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
)


def read(
    body: bytes, operation: Operation = Operation.GENERATE, *, upstream: str = "m"
) -> tuple[bytes, Reading] | Fault:
    peek = Peek(model="m", input_tokens_estimate=100)
    return HANDLER.read_answer(
        target(MESSAGES, operation), peek, body, client_model="m", upstream_model=upstream
    )


def test_overload_as_first_event_is_a_fault_before_the_commit_point() -> None:
    stream = open_stream(MESSAGES)
    assert stream.feed(PING + OVERLOADED) == b""
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_OVERLOADED
    assert stream.reading() == Reading()


def test_error_in_mid_stream_is_shown_and_usage_is_partial() -> None:
    stream = open_stream(MESSAGES)
    assert stream.feed(START + TEXT) + stream.feed(OVERLOADED * 2) == START + TEXT + OVERLOADED * 2
    stream.close()
    assert stream.fault is not None
    assert (stream.fault.kind, stream.fault_shown) == (FaultKind.UPSTREAM_OVERLOADED, True)
    reading = stream.reading()
    assert (reading.usage, reading.source) == (TokenUsage(input=10, output=1), UsageSource.PARTIAL)
    assert (reading.served_model, reading.response_id, reading.service_tier) == (
        "claude-x",
        "msg_1",
        "priority",
    )


def test_invalid_request_inside_a_stream_keeps_the_providers_error() -> None:
    stream = open_stream(MESSAGES)
    data = b'{"type":"error","error":{"type":"invalid_request_error","message":"too long"}}'
    stream.feed(b"event: error\ndata: " + data + b"\n\n")
    assert stream.fault is not None
    assert stream.fault.upstream_body == data


@pytest.mark.parametrize("first", [b"data: <html>\n\n", b"data: [1]\n\n", b"data: {\n\n"])
def test_first_event_that_is_no_object_is_malformed(first: bytes) -> None:
    stream = open_stream(MESSAGES)
    assert stream.feed(first) == b""
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_MALFORMED


def test_garbage_after_the_commit_point_passes_without_harm() -> None:
    stream = open_stream(MESSAGES, upstream_model="other")
    junk = b'data: "message_start" junk\n\n'
    assert stream.feed(TEXT + junk + STOP) == TEXT + junk + STOP
    assert stream.finished


def test_message_start_without_a_message_passes_unedited() -> None:
    stream = open_stream(MESSAGES, upstream_model="other")
    event = b'data: {"type":"message_start"}\n\n'
    assert stream.feed(event) == event


def test_event_name_alone_tells_the_type() -> None:
    stream = open_stream(MESSAGES)
    stream.feed(START + b'event: message_stop\ndata: {"x":"message_stop","y":"message_stop"}\n\n')
    assert stream.finished


def test_output_without_any_report_is_estimated() -> None:
    stream = open_stream(MESSAGES)
    stream.feed(TEXT * 3)
    stream.close()
    reading = stream.reading()
    assert (reading.usage, reading.source) == (TokenUsage(input=100, output=3), UsageSource.ESTIMATED)
    assert reading.service_tier is None


def test_whole_answer_is_read_and_left_alone() -> None:
    body = (
        b'{"id":"msg_1","model":"c","usage":{"input_tokens":3,"output_tokens":4,"service_tier":"standard"}}'
    )
    answer = read(body)
    assert not isinstance(answer, Fault)
    assert answer[0] is body
    assert answer[1] == Reading(
        usage=TokenUsage(input=3, output=4),
        source=UsageSource.REPORTED,
        served_model="c",
        response_id="msg_1",
        service_tier="standard",
        output_estimate=1,
    )


def test_whole_answer_gets_the_clients_model_back() -> None:
    answer = read(b'{"id":"x", "model" : "up", "usage":null}', upstream="up")
    assert not isinstance(answer, Fault)
    assert answer[0] == b'{"id":"x", "model" : "m", "usage":null}'
    assert answer[1].source is UsageSource.ESTIMATED


def test_count_consumes_nothing() -> None:
    assert read(b'{"input_tokens":12}', Operation.COUNT) == (b'{"input_tokens":12}', Reading())


def test_error_inside_a_2xx_answer_is_a_fault() -> None:
    fault = read(
        json.dumps({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}).encode()
    )
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.UPSTREAM_RATE_LIMITED


def test_answer_that_is_no_json_is_malformed() -> None:
    fault = read(b"<html>")
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.UPSTREAM_MALFORMED
