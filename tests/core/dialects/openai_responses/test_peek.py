"""Facts and edits of Responses requests and their subpaths."""

import json
from typing import Any

import pytest

from headgate.core.dialects.contract import Operation, Peek, StreamFraming
from headgate.core.dialects.openai_responses import HANDLER
from headgate.core.faults import Fault, FaultKind
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import client_body, target

RESPONSES = Dialect.OPENAI_RESPONSES


def peek(body: bytes, operation: Operation = Operation.GENERATE) -> Peek:
    read = HANDLER.peek(target(RESPONSES, operation), body)
    assert isinstance(read, Peek)
    return read


def peek_of(**members: Any) -> Peek:
    return peek(json.dumps({"model": "m", **members}).encode())


def test_facts_are_read() -> None:
    read = peek_of(
        stream=True, max_output_tokens=9, previous_response_id="resp_1", prompt_cache_key="k", user="u",
        service_tier="priority", reasoning={"effort": "low"},
    )  # fmt: skip
    assert (read.framing, read.max_output_tokens) == (StreamFraming.SSE, 9)
    assert (read.previous_response_id, read.prompt_cache_key, read.end_user) == ("resp_1", "k", "u")
    assert (read.service_tier, read.reasoning_effort) == ("priority", "low")
    assert peek_of(reasoning="x").reasoning_effort is None


def test_message_id_as_previous_response_is_refused() -> None:
    read = HANDLER.peek(target(RESPONSES), b'{"model":"m","previous_response_id":"msg_1"}')
    assert isinstance(read, Fault)
    assert read.kind is FaultKind.REQUEST_INVALID
    assert "previous_response_id" in read.message


def test_seed_reaches_to_the_first_user_item() -> None:
    items = [{"role": "developer"}, {"role": "user", "content": "a"}]
    first = peek_of(instructions="i", input=items).conversation_seed
    assert first.startswith(b'"i"\x00')
    assert peek_of(instructions="i", input=[*items, {"type": "reasoning"}]).conversation_seed == first
    assert peek_of(input="hello").conversation_seed == b'"hello"'
    assert peek_of(input=[3, {"type": "x"}]).conversation_seed == b"3"
    assert peek_of(input={}).conversation_seed == peek_of().conversation_seed == b""


@pytest.mark.parametrize(
    ("case", "operation", "framing"),
    [
        ("sdk-json", Operation.GENERATE, StreamFraming.NONE),
        ("sdk-stream", Operation.GENERATE, StreamFraming.SSE),
        ("compact", Operation.COMPACT, StreamFraming.NONE),
        ("input-tokens", Operation.COUNT, StreamFraming.NONE),
    ],
)
def test_sdk_requests_are_understood_and_edited_only_by_model(
    case: str, operation: Operation, framing: StreamFraming
) -> None:
    body = client_body(RESPONSES, case)
    read = peek(body, operation)
    assert read.framing is framing
    assert HANDLER.prepare(target(RESPONSES), read, body, upstream_model=read.model).body is body
    prepared = HANDLER.prepare(target(RESPONSES), read, body, upstream_model="up")
    assert prepared.edits == ("model",)
    assert prepared.body == body.replace(json.dumps(read.model).encode(), b'"up"')


def test_requests_for_an_object_need_no_body_and_no_model() -> None:
    read = peek(b"", Operation.OBJECT)
    assert read.model == ""
    assert HANDLER.prepare(target(RESPONSES, Operation.OBJECT), read, b"", upstream_model="x").edits == ()
