"""Facts of Messages requests, from real clients' bodies."""

import json

import pytest

from headgate.core.dialects.anthropic_messages import HANDLER
from headgate.core.dialects.contract import Operation, Peek, StreamFraming
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import client_body, target

MESSAGES = Dialect.ANTHROPIC_MESSAGES


def peek(body: bytes, operation: Operation = Operation.GENERATE) -> Peek:
    read = HANDLER.peek(target(MESSAGES, operation), body)
    assert isinstance(read, Peek)
    return read


def test_claude_code_request_is_understood() -> None:
    body = client_body(MESSAGES, "claude-code")
    sent = json.loads(body)
    read = peek(body)
    assert (read.model, read.framing) == (sent["model"], StreamFraming.SSE)
    assert read.max_output_tokens == sent["max_tokens"]
    assert read.metadata_user_id == sent["metadata"]["user_id"]
    assert read.reasoning_effort == sent["output_config"].get("effort")
    assert read.input_tokens_estimate == len(body) // 3
    assert read.wants_usage_chunk


def test_conversation_seed_stays_the_same_over_all_turns() -> None:
    sent = json.loads(client_body(MESSAGES, "claude-code"))
    first = json.dumps(sent).encode()
    sent["messages"] += [{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]
    later = json.dumps(sent).encode()
    assert peek(first).conversation_seed == peek(later).conversation_seed
    sent["messages"][0]["content"] = "other"
    assert peek(json.dumps(sent).encode()).conversation_seed != peek(first).conversation_seed


@pytest.mark.parametrize(
    ("case", "framing"),
    [("sdk-json", StreamFraming.NONE), ("sdk-stream", StreamFraming.SSE), ("sdk-tools", StreamFraming.NONE)],
)
def test_sdk_requests_are_understood(case: str, framing: StreamFraming) -> None:
    body = client_body(MESSAGES, case)
    read = peek(body)
    assert (read.model, read.framing) == (json.loads(body)["model"], framing)


def test_count_is_never_streamed_and_needs_no_limit() -> None:
    read = peek(client_body(MESSAGES, "sdk-count"), Operation.COUNT)
    assert (read.framing, read.max_output_tokens) == (StreamFraming.NONE, None)


def test_odd_hints_are_ignored() -> None:
    read = peek(b'{"model":"m","metadata":"x","output_config":[],"service_tier":1,"messages":null}')
    assert (read.metadata_user_id, read.reasoning_effort, read.service_tier) == (None, None, None)


def test_same_model_leaves_the_body_untouched() -> None:
    body = client_body(MESSAGES, "claude-code")
    prepared = HANDLER.prepare(target(MESSAGES), peek(body), body, upstream_model=peek(body).model)
    assert prepared.body is body
    assert prepared.edits == ()


def test_mapped_model_changes_nothing_but_the_model() -> None:
    body = client_body(MESSAGES, "claude-code")
    model = peek(body).model
    prepared = HANDLER.prepare(target(MESSAGES), peek(body), body, upstream_model="mapped")
    assert prepared.edits == ("model",)
    assert prepared.body == body.replace(f'"model":"{model}"'.encode(), b'"model":"mapped"', 1)


MARKED = {"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}


@pytest.mark.parametrize(
    ("fields", "is_seeded"),
    [
        ({"system": [MARKED]}, True),
        ({"tools": [{"name": "t", "cache_control": {"type": "ephemeral"}}]}, True),
        ({"system": [{**MARKED, "cache_control": None}], "messages": [{"content": [MARKED]}]}, False),
        ({"system": 'say "cache_control": {}', "messages": [{"content": [MARKED]}]}, False),
        ({"system": [{"type": "text", "text": "s"}]}, False),
    ],
)
def test_only_marks_in_front_of_the_conversation_make_a_cached_seed(
    fields: dict[str, object], *, is_seeded: bool
) -> None:
    read = peek(json.dumps({"model": "m", **fields}).encode())
    assert (read.cached_seed != b"") is is_seeded


def test_the_cached_seed_stays_the_same_over_conversations() -> None:
    seeds = {
        peek(
            json.dumps(
                {"model": "m", "system": [MARKED], "messages": [{"role": "user", "content": text}]}
            ).encode()
        ).cached_seed
        for text in ("one", "two")
    }
    assert len(seeds) == 1
