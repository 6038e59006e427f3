"""Facts and edits of chat, embedding and image requests."""

import json
from typing import Any

import pytest

from headgate.core.dialects.contract import Operation, Peek, StreamFraming
from headgate.core.dialects.openai_chat import HANDLER
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import client_body, target

CHAT = Dialect.OPENAI_CHAT


def peek(body: bytes, operation: Operation = Operation.GENERATE) -> Peek:
    read = HANDLER.peek(target(CHAT, operation), body)
    assert isinstance(read, Peek)
    return read


def peek_of(operation: Operation = Operation.GENERATE, **members: Any) -> Peek:
    return peek(json.dumps({"model": "m", **members}).encode(), operation)


def test_facts_are_read() -> None:
    read = peek_of(
        stream=True, stream_options={"include_usage": True}, max_tokens=5, max_completion_tokens=7, user="u",
        prompt_cache_key="k", service_tier="flex", reasoning_effort="high",
    )  # fmt: skip
    assert (read.framing, read.wants_usage_chunk, read.max_output_tokens) == (StreamFraming.SSE, True, 7)
    assert (read.end_user, read.prompt_cache_key) == ("u", "k")
    assert (read.service_tier, read.reasoning_effort) == ("flex", "high")
    assert peek_of(max_tokens=5).max_output_tokens == 5


@pytest.mark.parametrize(
    ("options", "wants"),
    [(None, False), ({}, False), ({"include_usage": False}, False), ({"include_usage": True}, True)],
)
def test_usage_chunk_is_wanted_only_when_asked_for(options: Any, wants: bool) -> None:
    assert peek_of(stream=True, stream_options=options).wants_usage_chunk is wants
    assert peek_of(stream=False, stream_options=options).wants_usage_chunk is True


def test_seed_reaches_to_the_first_user_message() -> None:
    system, user, other = ({"role": role, "content": role} for role in ("system", "user", "assistant"))
    first = peek_of(messages=[system, user]).conversation_seed
    assert b"user" in first
    assert peek_of(messages=[system, user, other, user]).conversation_seed == first
    assert peek_of(messages=[system, {"role": "user", "content": "x"}]).conversation_seed != first
    assert peek_of(messages=[system, other]).conversation_seed == peek_of(messages=[system]).conversation_seed
    assert peek_of(messages=["text"]).conversation_seed == b'"text"'
    assert peek_of().conversation_seed == b""


@pytest.mark.parametrize(("n", "count"), [(None, 1), (0, 1), (3, 3), (1e9, 1000)])
def test_images_are_counted_from_n(n: float | None, count: int) -> None:
    assert peek_of(Operation.IMAGE, n=n, stream=True).image_count == count
    assert peek_of(Operation.GENERATE, n=n).image_count == 0


def test_embeddings_are_never_streamed() -> None:
    assert peek(client_body(CHAT, "embeddings"), Operation.EMBED).framing is StreamFraming.NONE


def test_stream_without_usage_is_asked_for_it() -> None:
    body = client_body(CHAT, "sdk-stream-no-usage")
    prepared = HANDLER.prepare(target(CHAT), peek(body), body, upstream_model=peek(body).model)
    assert prepared.edits == ("include_usage",)
    assert prepared.body == b'{"stream_options":{"include_usage":true},' + body[1:]


def test_stream_options_of_the_client_are_kept() -> None:
    body = b'{"model":"m","stream":true,"stream_options":{"include_obfuscation": false}}'
    prepared = HANDLER.prepare(target(CHAT), peek(body), body, upstream_model="up")
    assert prepared.edits == ("model", "include_usage")
    assert prepared.body == (
        b'{"model":"up","stream":true,"stream_options":{"include_usage":true,"include_obfuscation": false}}'
    )
    null = b'{"model":"m","stream":true,"stream_options":null}'
    assert HANDLER.prepare(target(CHAT), peek(null), null, upstream_model="m").body == (
        b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
    )


def test_stream_that_asked_for_usage_is_untouched() -> None:
    body = client_body(CHAT, "sdk-stream")
    assert HANDLER.prepare(target(CHAT), peek(body), body, upstream_model=peek(body).model).body is body
    body = client_body(CHAT, "sdk-json")
    assert HANDLER.prepare(target(CHAT), peek(body), body, upstream_model=peek(body).model).body is body
