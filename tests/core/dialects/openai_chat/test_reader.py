"""Chat streams and answers: the hidden usage chunk, ends, errors, renames, images, embeddings."""

import json

import pytest

from headgate.core.dialects.contract import Operation, Peek, Reading
from headgate.core.dialects.openai_chat import HANDLER
from headgate.core.faults import Fault, FaultKind
from headgate.core.usage import TokenUsage, UsageSource
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import open_stream, replay, target, upstream

CHAT = Dialect.OPENAI_CHAT
TEXT = (
    b'data: {"id":"c1","model":"up-1","choices":'
    b'[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
)
LAST = b'data: {"id":"c1","model":"up-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"id":"c1","model":"up-1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"slow","type":"server_error","code":"server_is_overloaded"}}\n\n'
REPORTED = TokenUsage(input=7, output=2)


def read(
    body: bytes, operation: Operation = Operation.GENERATE, *, up: str = "m"
) -> tuple[bytes, Reading] | Fault:
    peek = Peek(model="m", input_tokens_estimate=100)
    return HANDLER.read_answer(target(CHAT, operation), peek, body, client_model="m", upstream_model=up)


def reading_of(body: bytes, operation: Operation = Operation.GENERATE) -> Reading:
    answer = read(body, operation)
    assert not isinstance(answer, Fault)
    return answer[1]


def test_usage_chunk_that_the_client_did_not_ask_for_is_taken_out_for_every_chunking() -> None:
    sent = upstream(CHAT, "reasoning-cache")
    [usage_chunk] = [event + b"\n\n" for event in sent.split(b"\n\n") if b'"choices":[]' in event]
    for cut in range(len(sent) + 1):
        stream = open_stream(CHAT, wants_usage_chunk=False)
        assert replay(stream, [sent[:cut], sent[cut:]]) == sent.replace(usage_chunk, b"")
        assert stream.reading().source is UsageSource.REPORTED


def test_chunk_with_choices_and_usage_stays() -> None:
    stream = open_stream(CHAT, wants_usage_chunk=False)
    chunk = USAGE.replace(b'"choices":[]', b'"choices":[{"index":0,"delta":{"content":"x"}}]')
    assert stream.feed(TEXT + chunk) == TEXT + chunk
    assert stream.reading().usage == REPORTED


def test_hiding_and_renaming_go_together() -> None:
    stream = open_stream(CHAT, upstream_model="other", wants_usage_chunk=False)
    sent = TEXT + TEXT + LAST + USAGE + DONE
    assert replay(stream, [sent]) == (TEXT + TEXT + LAST).replace(b"up-1", b"m") + DONE
    assert stream.reading().served_model == "up-1"


def test_rename_keeps_the_providers_white_space_and_leaves_nested_members() -> None:
    stream = open_stream(CHAT, upstream_model="other")
    chunks = b'data: {"x":{"model": "up-1"},"model": "up-1","choices":[]}\n\n', b'data: {"model": "up-1"}\n\n'
    out = b"".join(stream.feed(chunk) for chunk in (*chunks, chunks[0]))
    first = b'data: {"x":{"model": "up-1"},"model": "m","choices":[]}\n\n'
    assert out == first + b'data: {"model": "m"}\n\n' + first


def test_chunks_that_cannot_be_renamed_pass() -> None:
    stream = open_stream(CHAT, upstream_model="other")
    odd = (
        b'data: {"choices":[{"model":1}]}\n\n'
        + b'data: "model"\n\n'
        + b'data: {"\\u006dodel":"x","y":"\\"model\\""}\n\n'
    )
    assert stream.feed(TEXT + odd).startswith(
        TEXT.replace(b"up-1", b"m") + b'data: {"choices":[{"model":1}]}\n\n'
    )


def test_escaped_member_name_is_renamed_the_careful_way() -> None:
    stream = open_stream(CHAT, upstream_model="other")
    assert (
        stream.feed(b'data: {"\\u006dodel":"x","y":{"model":2}}\n\n')
        == b'data: {"\\u006dodel":"m","y":{"model":2}}\n\n'
    )


def test_answer_without_done_but_with_finish_reason_is_complete() -> None:
    stream = open_stream(CHAT)
    assert replay(stream, [TEXT + LAST + USAGE]) == TEXT + LAST + USAGE
    assert (stream.finished, stream.fault) == (True, None)
    assert stream.reading().source is UsageSource.REPORTED


def test_answer_without_done_and_finish_reason_is_cut() -> None:
    stream = open_stream(CHAT)
    replay(stream, [TEXT])
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_CUT
    assert stream.reading().usage == TokenUsage(input=100, output=1)
    assert stream.reading().source is UsageSource.ESTIMATED


def test_usage_inside_a_choice_counts() -> None:
    stream = open_stream(CHAT)
    replay(
        stream,
        [
            LAST.replace(b'"stop"', b'"stop","usage":{"prompt_tokens":7,"completion_tokens":2}'),
            DONE,
        ],
    )
    assert stream.reading().usage == REPORTED


def test_error_as_first_chunk_is_a_fault_before_the_commit_point() -> None:
    stream = open_stream(CHAT)
    assert stream.feed(ERROR) == b""
    assert stream.fault is not None
    assert (stream.fault.kind, stream.fault_shown) == (FaultKind.UPSTREAM_OVERLOADED, False)


def test_error_in_mid_stream_is_shown() -> None:
    stream = open_stream(CHAT)
    assert stream.feed(TEXT + ERROR + ERROR) == TEXT + ERROR + ERROR
    assert stream.fault_shown


def test_text_error_is_a_fault_too() -> None:
    stream = open_stream(CHAT)
    assert stream.feed(b'data: {"error":"boom"}\n\n') == b""
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_ERROR


def test_first_event_that_is_no_json_is_malformed_and_later_ones_pass() -> None:
    stream = open_stream(CHAT)
    stream.feed(b"data: oops\n\n")
    assert stream.fault is not None
    assert stream.fault.kind is FaultKind.UPSTREAM_MALFORMED
    stream = open_stream(CHAT, upstream_model="other", wants_usage_chunk=False)
    junk = b'data: "model" "prompt_tokens" "error" oops\n\n'
    assert stream.feed(DONE + junk) == DONE + junk


def test_empty_answer_of_done_alone_is_complete() -> None:
    stream = open_stream(CHAT)
    assert replay(stream, [DONE]) == DONE
    assert stream.finished


def test_service_tier_of_the_last_chunk_counts() -> None:
    stream = open_stream(CHAT)
    stream.feed(TEXT + USAGE.replace(b'"id":"c1"', b'"id":"c1","service_tier":"flex"'))
    reading = stream.reading()
    assert (reading.service_tier, reading.response_id, reading.served_model) == ("flex", "c1", "up-1")


def test_whole_chat_answer() -> None:
    body = (
        b'{"id":"c","model":"up","usage":{"prompt_tokens":7,"completion_tokens":2},"service_tier":"default"}'
    )
    answer = read(body, up="up")
    assert not isinstance(answer, Fault)
    assert answer[0] == body.replace(b'"up"', b'"m"')
    assert answer[1] == Reading(
        usage=REPORTED,
        source=UsageSource.REPORTED,
        served_model="up",
        response_id="c",
        service_tier="default",
        output_estimate=1,
    )
    assert reading_of(b'{"id":"c"}').source is UsageSource.ESTIMATED


def test_embeddings_have_input_only() -> None:
    body = b'{"data":[{"embedding":[0.1]}],"model":"e","usage":{"prompt_tokens":7,"total_tokens":7}}'
    assert reading_of(body, Operation.EMBED).usage == TokenUsage(input=7)
    estimated = reading_of(b'{"data":[]}', Operation.EMBED)
    assert (estimated.usage, estimated.source) == (TokenUsage(input=100), UsageSource.ESTIMATED)


def test_images_are_counted_with_or_without_tokens() -> None:
    body = b'{"created":1,"data":[{"b64_json":"x"},{"b64_json":"y"}]}'
    reading = reading_of(body, Operation.IMAGE)
    assert (reading.usage, reading.source) == (TokenUsage(images=2), UsageSource.REPORTED)
    body = b'{"data":[{"b64_json":"x"}],"usage":{"input_tokens":9,"output_tokens":1000,"total_tokens":1009}}'
    assert reading_of(body, Operation.IMAGE).usage == TokenUsage(input=9, output=1000, images=1)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", FaultKind.UPSTREAM_MALFORMED),
        (b'{"error":{"code":429,"message":"x"}}', FaultKind.UPSTREAM_RATE_LIMITED),
        (
            json.dumps({"error": {"code": None, "type": "invalid_request_error"}}).encode(),
            FaultKind.UPSTREAM_REQUEST_REJECTED,
        ),
    ],
)
def test_2xx_answers_that_are_none(body: bytes, kind: FaultKind) -> None:
    fault = read(body)
    assert isinstance(fault, Fault)
    assert fault.kind is kind
