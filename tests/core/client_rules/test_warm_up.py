"""What Claude Code asks of itself is told from what its user asks (spec 2.4)."""

import json
from typing import Any

import pytest

from headgate.core.client_rules.warm_up import WarmUp, streamed_answer, warm_up_of, whole_answer
from headgate.core.dialects.anthropic_messages import HANDLER
from headgate.core.dialects.contract import Operation, Peek, StreamFraming, Target
from headgate.core.faults import Fault
from headgate.core.world import Dialect

TITLE = "Please write a 5-10 word title for the following conversation:"
TOPIC = "Analyze if this message indicates a new conversation topic. If it does, extract a 2-3 word title"
TARGET = Target(dialect=Dialect.ANTHROPIC_MESSAGES, operation=Operation.GENERATE)


def recognised(messages: list[Any], system: Any = None, **facts: Any) -> WarmUp | None:
    body = json.dumps({"messages": messages, "system": system}).encode()
    return warm_up_of(body, Peek(**{"model": "claude-sonnet-4-5", **facts}))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def blocks(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


@pytest.mark.parametrize(
    ("messages", "system", "kind"),
    [
        ([user("Warmup")], None, WarmUp.WARM_UP),
        ([user(blocks("<context>", "Warmup"))], None, WarmUp.WARM_UP),
        ([user(f"{TITLE} hi")], None, WarmUp.WARM_UP),
        ([user("hi")], blocks("x", TOPIC), WarmUp.WARM_UP),
        ([user("hi")], TOPIC, WarmUp.WARM_UP),
        ([user("hi"), user(blocks("[SUGGESTION MODE: what next?]"))], None, WarmUp.SUGGESTION),
        ([user("Warmup the oven")], None, None),
        ([user("Warmup"), user("and now?")], None, None),
        ([user("hi"), {"role": "assistant", "content": "Warmup"}], None, None),
        ([user(blocks("hi", "[SUGGESTION MODE: x"))], None, None),
        ([user(5)], None, None),
        ([user([5, {"type": "image"}])], 7, None),
        ([], None, None),
    ],
)
def test_only_the_newest_message_decides(messages: list[Any], system: Any, kind: WarmUp | None) -> None:
    assert recognised(messages, system) == kind


def test_the_probe_is_one_token_of_a_small_model() -> None:
    assert recognised([user("quota")], model="claude-haiku-4-5", max_output_tokens=1) is WarmUp.PROBE
    assert recognised([user("quota")], max_output_tokens=1) is None


def test_a_body_that_cannot_be_read_is_no_warm_up() -> None:
    assert warm_up_of(b'{"messages": 5}', Peek(model="m")) is None


@pytest.mark.parametrize("kind", list(WarmUp))
def test_both_forms_of_the_answer_are_read_as_a_complete_message(kind: WarmUp) -> None:
    peek = Peek(model="m", framing=StreamFraming.SSE)
    read = HANDLER.read_answer(TARGET, peek, whole_answer(kind, "m"), client_model="m", upstream_model="m")
    assert not isinstance(read, Fault)
    stream = HANDLER.open_stream(TARGET, peek, client_model="m", upstream_model="m")
    answer = streamed_answer(kind, "m")
    assert stream.feed(answer) + stream.close() == answer
    assert (stream.finished, stream.fault) == (True, None)
    assert stream.reading().usage == read[1].usage
    assert (read[1].usage.input, read[1].usage.output) == (10, 2 if kind is WarmUp.WARM_UP else 1)
