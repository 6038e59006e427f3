"""Facts of Gemini requests; the model and the framing come from the path."""

import json
from typing import Any

import pytest

from headgate.core.dialects.contract import Operation, Peek, StreamFraming
from headgate.core.dialects.gemini import HANDLER
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import client_body, target

GEMINI = Dialect.GEMINI


def peek(
    body: bytes, operation: Operation = Operation.GENERATE, framing: StreamFraming = StreamFraming.NONE
) -> Peek:
    read = HANDLER.peek(target(GEMINI, operation, path_model="gemini-x", framing=framing), body)
    assert isinstance(read, Peek)
    return read


def peek_of(**members: Any) -> Peek:
    return peek(json.dumps(members).encode())


@pytest.mark.parametrize("framing", list(StreamFraming))
def test_model_and_framing_stand_in_the_path(framing: StreamFraming) -> None:
    read = peek(client_body(GEMINI, "sdk-json"), framing=framing)
    assert (read.model, read.framing) == ("gemini-x", framing)


@pytest.mark.parametrize("operation", [Operation.COUNT, Operation.EMBED])
def test_only_generation_is_streamed(operation: Operation) -> None:
    read = peek(client_body(GEMINI, "embeddings"), operation, StreamFraming.SSE)
    assert read.framing is StreamFraming.NONE


def test_config_is_read_in_both_spellings() -> None:
    camel = peek_of(generationConfig={"maxOutputTokens": 5, "thinkingConfig": {"thinkingLevel": "HIGH"}})
    snake = peek_of(generation_config={"max_output_tokens": 5, "thinking_config": {"thinking_level": "HIGH"}})
    assert (camel.max_output_tokens, camel.reasoning_effort) == (5, "HIGH")
    assert (snake.max_output_tokens, snake.reasoning_effort) == (5, "HIGH")
    assert b"be brief" in peek(client_body(GEMINI, "sdk-config")).conversation_seed
    assert peek_of(generationConfig=None).reasoning_effort is None


def test_seed_is_the_system_instruction_and_the_first_content() -> None:
    first = peek_of(systemInstruction="s", contents=["a"]).conversation_seed
    assert first == b'"s"\x00"a"'
    assert peek_of(system_instruction="s", contents=["a", "b"]).conversation_seed == first
    assert peek_of(contents={"parts": 1}).conversation_seed == b'{"parts": 1}'
    assert peek_of(contents=[]).conversation_seed == b""


def test_body_is_never_edited() -> None:
    body = client_body(GEMINI, "sdk-config")
    prepared = HANDLER.prepare(target(GEMINI), peek(body), body, upstream_model="other")
    assert prepared.body is body
    assert prepared.edits == ()
