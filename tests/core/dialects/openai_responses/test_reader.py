"""Responses streams and answers: ends, failures, renames."""

import json
from typing import Any

import pytest

from headgate.core.dialects.contract import Operation, Peek, Reading
from headgate.core.dialects.openai_responses import HANDLER
from headgate.core.faults import Fault, FaultKind
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import open_stream, replay, target

RESPONSES = Dialect.OPENAI_RESPONSES
USAGE = {"input_tokens": 7, "output_tokens": 2}


def event(kind: str, **members: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + json.dumps({"type": kind, **members}).encode() + b"\n\n"


CREATED = event("response.created", response={"id": "resp_1", "model": "up", "usage": None})
DELTA = event("response.output_text.delta", delta="x")


def read(
    body: bytes, operation: Operation = Operation.GENERATE, *, up: str = "m"
) -> tuple[bytes, Reading] | Fault:
    peek = Peek(model="m", input_tokens_estimate=100)
    return HANDLER.read_answer(target(RESPONSES, operation), peek, body, client_model="m", upstream_model=up)


@pytest.mark.parametrize("end", ["completed", "done", "incomplete", "cancelled"])
def test_usage_counts_on_every_terminal_event(end: str) -> None:
    stream = open_stream(RESPONSES)
    sent = CREATED + DELTA + event(f"response.{end}", response={"service_tier": "flex", "usage": USAGE})
    assert replay(stream, [sent]) == sent
    reading = stream.reading()
    assert (reading.usage, reading.source) == (TokenUsage(input=7, output=2), UsageSource.REPORTED)
    assert (reading.response_id, reading.served_model, reading.service_tier) == ("resp_1", "up", "flex")
    assert stream.fault is None


def test_failure_in_mid_stream_is_shown_and_its_usage_counts() -> None:
    stream = open_stream(RESPONSES)
    failed = event("response.failed", response={"error": {"code": "server_error"}, "usage": USAGE})
    assert stream.feed(CREATED + DELTA + failed) == CREATED + DELTA + failed
    assert (stream.finished, stream.fault_shown) == (True, True)
    assert stream.reading().source is UsageSource.REPORTED


def test_failure_without_usage_and_without_output_consumed_nothing() -> None:
    stream = open_stream(RESPONSES)
    stream.feed(CREATED + event("response.failed", response={"error": {"code": "rate_limit_exceeded"}}))
    stream.close()
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_RATE_LIMITED
    assert (stream.reading().usage, stream.reading().source) == (NO_USAGE, UsageSource.NONE)


def test_completed_without_usage_is_estimated() -> None:
    stream = open_stream(RESPONSES)
    replay(stream, [CREATED + DELTA * 3 + event("response.completed", response={})])
    assert stream.reading().usage == TokenUsage(input=100, output=3)
    assert stream.reading().source is UsageSource.ESTIMATED


@pytest.mark.parametrize(
    ("first", "kind", "passed"),
    [
        (event("error", code="server_is_overloaded", message="m"), FaultKind.UPSTREAM_OVERLOADED, None),
        (event("error", error={"type": "rate_limit_error"}), FaultKind.UPSTREAM_RATE_LIMITED, None),
        (
            event("response.failed", response={"error": {"code": "rate_limit_exceeded"}}),
            FaultKind.UPSTREAM_RATE_LIMITED,
            None,
        ),
        (
            event("response.failed", response={"error": {"code": "slow_down"}}),
            FaultKind.UPSTREAM_OVERLOADED,
            None,
        ),
        (event("response.failed"), FaultKind.UPSTREAM_ERROR, None),
        (
            event("response.failed", response={"error": {"code": "invalid_prompt", "message": "no"}}),
            FaultKind.UPSTREAM_REQUEST_REJECTED,
            b'{"error":{"code": "invalid_prompt", "message": "no"}}',
        ),
        (
            event("error", code="context_length_exceeded"),
            FaultKind.UPSTREAM_REQUEST_REJECTED,
            b'{"error":{"type": "error", "code": "context_length_exceeded"}}',
        ),
        (b"data: oops\n\n", FaultKind.UPSTREAM_MALFORMED, None),
    ],
)
def test_failure_as_first_event_is_a_fault_before_the_commit_point(
    first: bytes, kind: FaultKind, passed: bytes | None
) -> None:
    stream = open_stream(RESPONSES)
    assert stream.feed(first) == b""
    assert stream.fault is not None
    assert (stream.fault.kind, stream.fault.upstream_body) == (kind, passed)
    assert not stream.committed


def test_keepalive_event_does_not_commit() -> None:
    stream = open_stream(RESPONSES)
    assert stream.feed(event("keepalive")) == b""
    assert stream.feed(CREATED) == event("keepalive") + CREATED


def test_done_marker_ends_an_answer_too() -> None:
    stream = open_stream(RESPONSES)
    assert replay(stream, [b"data: [DONE]\n\n"]) == b"data: [DONE]\n\n"
    assert stream.finished


def test_junk_after_the_commit_point_passes() -> None:
    stream = open_stream(RESPONSES, upstream_model="up")
    junk = b'data: "response" junk\n\n' + event("x", response={"id": "1"}) + event("y", other="response")
    assert stream.feed(DELTA + junk) == DELTA + junk
    assert not stream.finished


def test_cut_is_partial_or_estimated() -> None:
    stream = open_stream(RESPONSES)
    replay(stream, [CREATED + DELTA])
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_CUT
    assert stream.reading().source is UsageSource.ESTIMATED


def test_whole_answer_gets_the_clients_model_back() -> None:
    answer = read(
        b'{"id":"r","model":"up","error":null,"service_tier":"default","usage":{"input_tokens":7,"output_tokens":2}}',
        up="up",
    )
    assert not isinstance(answer, Fault)
    assert answer[0].startswith(b'{"id":"r","model":"m","error":null,"service_tier":"default","usage"')
    assert answer[1] == Reading(
        usage=TokenUsage(input=7, output=2),
        source=UsageSource.REPORTED,
        served_model="up",
        response_id="r",
        service_tier="default",
        output_estimate=1,
    )


def test_compact_is_metered_like_generation() -> None:
    answer = read(b'{"usage":{"input_tokens":7,"output_tokens":2}}', Operation.COMPACT)
    assert not isinstance(answer, Fault)
    assert answer[1].usage == TokenUsage(input=7, output=2)


def test_answer_without_usage_is_estimated() -> None:
    answer = read(b'{"output":[]}')
    assert not isinstance(answer, Fault)
    assert answer[1].source is UsageSource.ESTIMATED


def test_objects_pass_unread_and_counts_consume_nothing() -> None:
    assert read(b"not json", Operation.OBJECT) == (b"not json", Reading())
    assert read(b'{"input_tokens":3}', Operation.COUNT) == (b'{"input_tokens":3}', Reading())


def test_failed_answer_without_usage_is_a_fault_and_with_usage_an_answer() -> None:
    fault = read(b'{"status":"failed","error":{"code":"server_is_overloaded"},"usage":null}')
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.UPSTREAM_OVERLOADED
    assert not isinstance(
        read(b'{"status":"failed","error":{"code":"x"},"usage":{"input_tokens":7,"output_tokens":2}}'), Fault
    )


def test_answer_that_is_no_json_is_malformed() -> None:
    assert isinstance(read(b"<html>"), Fault)
