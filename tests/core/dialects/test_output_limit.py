"""The output limit that can be paid for: a named edit of the request, and the ending of a stream that used it
up."""

import json
from typing import Any

import pytest

from headgate.core.dialects.contract import CacheUse, Operation, Peek, StreamFraming, Target
from headgate.core.faults import Fault, FaultKind
from headgate.core.usage import TokenUsage
from headgate.core.world import Dialect
from headgate.relay.dialects import HANDLERS

MESSAGES, CHAT = Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_CHAT
RESPONSES, GEMINI = Dialect.OPENAI_RESPONSES, Dialect.GEMINI
USAGE = TokenUsage(input=7, cache_read=2, output=5)
ENDED = Fault(kind=FaultKind.BUDGET_ENDED, message="m")


def target(dialect: Dialect, framing: StreamFraming = StreamFraming.SSE) -> Target:
    path_model = "m" if dialect is GEMINI else None
    return Target(dialect=dialect, operation=Operation.GENERATE, path_model=path_model, framing=framing)


def prepared(
    dialect: Dialect, body: dict[str, Any], limit: int | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is sent for a body, and the names of the edits."""
    data = json.dumps(body).encode()
    peek = HANDLERS[dialect].peek(target(dialect), data)
    assert isinstance(peek, Peek)
    ready = HANDLERS[dialect].prepare(
        target(dialect), peek, data, upstream_model=peek.model, output_limit=limit
    )
    sent: dict[str, Any] = json.loads(ready.body)
    return sent, ready.edits


@pytest.mark.parametrize(
    ("dialect", "body", "edited"),
    [
        (MESSAGES, {"model": "m", "max_tokens": 900}, {"max_tokens": 40}),
        (CHAT, {"model": "m", "max_tokens": 900}, {"max_tokens": 40}),
        (CHAT, {"model": "m", "max_completion_tokens": 900}, {"max_completion_tokens": 40}),
        (CHAT, {"model": "m"}, {"max_completion_tokens": 40}),
        (RESPONSES, {"model": "m", "max_output_tokens": 900}, {"max_output_tokens": 40}),
        (RESPONSES, {"model": "m"}, {"max_output_tokens": 40}),
        (GEMINI, {"contents": []}, {"generationConfig": {"maxOutputTokens": 40}}),
        (
            GEMINI, {"contents": [], "generationConfig": {"topK": 3, "maxOutputTokens": 900}},
            {"generationConfig": {"topK": 3, "maxOutputTokens": 40}},
        ),
        (
            GEMINI, {"contents": [], "generation_config": {"max_output_tokens": 900}},
            {"generation_config": {"max_output_tokens": 40}},
        ),
        (GEMINI, {"contents": [], "generationConfig": None}, {"generationConfig": {"maxOutputTokens": 40}}),
    ],
)  # fmt: skip
def test_the_limit_stands_where_the_client_would_have_put_it(
    dialect: Dialect, body: dict[str, Any], edited: dict[str, Any]
) -> None:
    sent, edits = prepared(dialect, body, 40)
    assert sent == {**body, **edited}
    assert edits == ("max_output_tokens",)


@pytest.mark.parametrize("dialect", [MESSAGES, CHAT, RESPONSES, GEMINI])
def test_without_a_limit_of_ours_nothing_is_edited(dialect: Dialect) -> None:
    body = {"contents": []} if dialect is GEMINI else {"model": "m", "messages": []}
    sent, edits = prepared(dialect, body, None)
    assert (sent, edits) == (body, ())


def test_a_thinking_budget_is_the_least_that_the_provider_takes() -> None:
    body = {"model": "m", "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 2048}}
    peek = HANDLERS[MESSAGES].peek(target(MESSAGES), json.dumps(body).encode())
    assert isinstance(peek, Peek)
    assert peek.min_output_tokens == 2049


@pytest.mark.parametrize(
    ("control", "use"),
    [
        (None, CacheUse.NONE),
        ({"type": "ephemeral"}, CacheUse.WRITE_5M),
        ({"type": "ephemeral", "ttl": "1h"}, CacheUse.WRITE_1H),
    ],
)
def test_the_dearest_cache_that_a_request_may_write_is_seen(control: Any, use: CacheUse) -> None:
    block = {"type": "text", "text": "t", **({"cache_control": control} if control else {})}
    body = {"model": "m", "max_tokens": 1, "system": [block]}
    peek = HANDLERS[MESSAGES].peek(target(MESSAGES), json.dumps(body).encode())
    assert isinstance(peek, Peek)
    assert peek.cache_use is use


def test_several_answers_at_once_share_what_can_be_paid_for() -> None:
    peek = HANDLERS[CHAT].peek(target(CHAT), b'{"model":"m","n":3}')
    assert isinstance(peek, Peek)
    assert peek.choices == 3


def cut(dialect: Dialect, *events: bytes, framing: StreamFraming = StreamFraming.SSE, **peek: Any) -> bytes:
    """The bytes that end a stream of which the client has had `events`."""
    asks = Peek(model="m", framing=framing, **peek)
    stream = HANDLERS[dialect].open_stream(
        target(dialect, framing), asks, client_model="m", upstream_model="m"
    )
    for event in events:
        stream.feed(event)
    return stream.cut_short(ENDED, USAGE)


def data(ending: bytes) -> list[Any]:
    lines = [line[6:] for line in ending.split(b"\n") if line.startswith(b"data: ")]
    return [line if line == b"[DONE]" else json.loads(line) for line in lines]


def messages(kind: str, index: int) -> bytes:
    return b'event: %s\ndata: {"type":"%s","index":%d,"delta":{"type":"text_delta","text":"t"}}\n\n' % (
        kind.encode(), kind.encode(), index,
    )  # fmt: skip


PING = b'event: ping\ndata: {"type": "ping"}\n\n'


@pytest.mark.parametrize(
    ("events", "closed"),
    [
        ([messages("content_block_delta", 2)], [2]),
        ([messages("content_block_delta", 2), PING], [2]),
        ([messages("content_block_delta", 0), messages("content_block_start", 1)], [1]),
        ([messages("content_block_delta", 0), messages("content_block_stop", 0)], []),
    ],
)
def test_messages_closes_the_open_block_and_no_other(events: list[bytes], closed: list[int]) -> None:
    ended = data(cut(MESSAGES, *events))
    assert [event["index"] for event in ended if event["type"] == "content_block_stop"] == closed
    assert ended[-2]["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}
    assert ended[-2]["usage"] == {"output_tokens": 5}
    assert ended[-1] == {"type": "message_stop"}


@pytest.mark.parametrize("wants_usage", [True, False])
def test_chat_ends_with_length_and_the_usage_for_who_asked(wants_usage: bool) -> None:
    event = b'data: {"id":"c1","created":9,"model":"gpt","choices":[{"delta":{"content":"t"}}]}\n\n'
    ended = data(cut(CHAT, event, wants_usage_chunk=wants_usage))
    assert (ended[0]["id"], ended[0]["created"], ended[0]["model"]) == ("c1", 9, "gpt")
    assert ended[0]["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
    assert [chunk["usage"] for chunk in ended[1:-1]] == (
        [{"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}] if wants_usage else []
    )
    assert ended[-1] == b"[DONE]"


def test_responses_ends_incomplete_with_the_next_number() -> None:
    event = b'data: {"type":"response.output_text.delta","sequence_number":41,"delta":"t"}\n\n'
    (ended,) = data(cut(RESPONSES, event))
    assert (ended["type"], ended["sequence_number"]) == ("response.incomplete", 42)
    assert ended["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert ended["response"]["usage"]["total_tokens"] == 14


def test_gemini_ends_at_its_limit_and_closes_the_array() -> None:
    event = b'{"candidates":[{"content":{"parts":[{"text":"t"}]}}]}'
    (ended,) = data(cut(GEMINI, b"data: " + event + b"\r\n\r\n"))
    assert ended["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert ended["usageMetadata"]["totalTokenCount"] == 14
    array = cut(GEMINI, b"[" + event, framing=StreamFraming.JSON_ARRAY)
    assert len(json.loads(b"[" + event + array)) == 2


@pytest.mark.parametrize("dialect", [MESSAGES, CHAT, RESPONSES, GEMINI])
def test_odd_events_do_not_keep_a_stream_from_ending(dialect: Dialect) -> None:
    assert cut(dialect, b"data: \xff{\n\n", b": comment\n\n")
