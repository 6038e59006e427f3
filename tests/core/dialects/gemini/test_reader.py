"""Gemini streams and answers: ends, blocks, errors, renames, both framings."""

import json
from typing import Any

import pytest

from headgate.core.dialects.contract import Operation, Peek, Reading, StreamFraming
from headgate.core.dialects.gemini import HANDLER
from headgate.core.faults import Fault, FaultKind
from headgate.core.usage import TokenUsage, UsageSource
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import open_stream, replay, target

GEMINI = Dialect.GEMINI
FRAMINGS = [StreamFraming.SSE, StreamFraming.JSON_ARRAY]
TEXT = {"candidates": [{"content": {"parts": [{"text": "hi"}]}}]}
LAST = {
    "candidates": [{"finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2},
}
ERROR = {"error": {"code": 503, "message": "The model is overloaded", "status": "UNAVAILABLE"}}


def write(framing: StreamFraming, *chunks: Any) -> bytes:
    dumped = [json.dumps(chunk).encode() for chunk in chunks]
    if framing is StreamFraming.JSON_ARRAY:
        return b"[" + b",\r\n".join(dumped)
    return b"".join(b"data: " + data + b"\r\n\r\n" for data in dumped)


def read(
    body: bytes, operation: Operation = Operation.GENERATE, *, up: str = "m"
) -> tuple[bytes, Reading] | Fault:
    peek = Peek(model="m", input_tokens_estimate=100)
    return HANDLER.read_answer(target(GEMINI, operation), peek, body, client_model="m", upstream_model=up)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_answer_that_ends_after_a_finish_reason_is_complete(framing: StreamFraming) -> None:
    stream = open_stream(GEMINI, framing=framing)
    replay(stream, [write(framing, TEXT, LAST)])
    assert (stream.finished, stream.fault) == (True, None)
    assert stream.reading().usage == TokenUsage(input=7, output=2)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_blocked_prompt_is_a_complete_answer(framing: StreamFraming) -> None:
    stream = open_stream(GEMINI, framing=framing)
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}}
    replay(stream, [write(framing, blocked)])
    assert stream.finished
    assert stream.reading() == Reading(usage=TokenUsage(input=7), source=UsageSource.REPORTED)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_answer_without_finish_reason_is_cut(framing: StreamFraming) -> None:
    stream = open_stream(GEMINI, framing=framing)
    replay(stream, [write(framing, TEXT, {"promptFeedback": {}, "usageMetadata": {"promptTokenCount": 7}})])
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_CUT
    assert stream.reading().source is UsageSource.PARTIAL


@pytest.mark.parametrize("framing", FRAMINGS)
def test_error_first_is_a_fault_and_later_is_shown(framing: StreamFraming) -> None:
    stream = open_stream(GEMINI, framing=framing)
    assert stream.feed(write(framing, ERROR)) == b""
    assert stream.fault is not None
    assert (stream.fault.kind, stream.fault_shown) == (FaultKind.UPSTREAM_OVERLOADED, False)
    stream = open_stream(GEMINI, framing=framing)
    sent = write(framing, TEXT, ERROR, ERROR)
    assert stream.feed(sent) == sent
    assert stream.fault_shown


@pytest.mark.parametrize("framing", FRAMINGS)
def test_fault_after_a_cut_leaves_the_stream_readable(framing: StreamFraming) -> None:
    stream = open_stream(GEMINI, framing=framing)
    out = replay(stream, [write(framing, TEXT, TEXT)[:-9]])
    assert stream.fault is not None
    out += HANDLER.render_fault_event(stream.fault, request_id="r", framing=framing)
    if framing is StreamFraming.JSON_ARRAY:
        chunks = json.loads(out)
    else:
        chunks = [json.loads(line.removeprefix(b"data: ")) for line in out.split(b"\r\n\r\n") if line]
    assert chunks[0] == TEXT
    assert chunks[-1]["error"]["status"] == "INTERNAL"


def test_malformed_chunks_before_and_after_the_commit_point() -> None:
    stream = open_stream(GEMINI)
    stream.feed(b"data: oops\n\n")
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_MALFORMED
    stream = open_stream(GEMINI, upstream_model="up")
    junk = b'data: "modelVersion" "error" oops\n\n'
    sent = write(StreamFraming.SSE, TEXT) + junk
    assert stream.feed(sent) == sent


def test_output_without_report_is_estimated() -> None:
    stream = open_stream(GEMINI)
    replay(stream, [write(StreamFraming.SSE, TEXT, {"candidates": [{"finishReason": "STOP"}]})])
    assert stream.reading().usage == TokenUsage(input=100, output=2)
    assert stream.reading().source is UsageSource.ESTIMATED


def test_whole_answer_gets_the_clients_model_back() -> None:
    body = json.dumps({**LAST, "modelVersion": "up", "responseId": "r"}).encode()
    answer = read(body, up="up")
    assert not isinstance(answer, Fault)
    assert answer[0] == body.replace(b'"up"', b'"m"')
    assert answer[1] == Reading(
        usage=TokenUsage(input=7, output=2),
        source=UsageSource.REPORTED,
        served_model="up",
        response_id="r",
        output_estimate=1,
    )


def test_counts_consume_nothing_and_embeddings_have_input_only() -> None:
    assert read(b'{"totalTokens":3}', Operation.COUNT) == (b'{"totalTokens":3}', Reading())
    answer = read(b'{"embeddings":[]}', Operation.EMBED)
    assert not isinstance(answer, Fault)
    assert (answer[1].usage, answer[1].source) == (TokenUsage(input=100), UsageSource.ESTIMATED)
    answer = read(b'{"candidates":[]}')
    assert not isinstance(answer, Fault)
    assert answer[1].usage == TokenUsage(input=100, output=1)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", FaultKind.UPSTREAM_MALFORMED),
        (json.dumps(ERROR).encode(), FaultKind.UPSTREAM_OVERLOADED),
        (b'{"error":"text"}', FaultKind.UPSTREAM_ERROR),
    ],
)
def test_2xx_answers_that_are_none(body: bytes, kind: FaultKind) -> None:
    fault = read(body)
    assert isinstance(fault, Fault)
    assert fault.kind is kind
