"""Mending what a provider refuses for a formality of thinking: the bytes before and after (spec 2.4)."""

from typing import Any

import pytest

from headgate.core.client_rules.rectifiers import (
    Rectifier,
    RectifierSettings,
    rectifier_for,
    rectifier_settings_from,
    rectify,
)
from headgate.core.faults import Fault, FaultKind

ON = RectifierSettings()
SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"
BUDGET = "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"


def refused(message: str, kind: FaultKind = FaultKind.UPSTREAM_REQUEST_REJECTED, status: int = 400) -> Fault:
    body = b'{"type":"error","error":{"message":"%s"}}' % message.encode()
    return Fault(kind=kind, message="", upstream_status=status, upstream_body=body)


@pytest.mark.parametrize(
    ("message", "done", "wanted"),
    [
        (SIGNATURE, (), Rectifier.SIGNATURE),
        (SIGNATURE, (Rectifier.SIGNATURE,), None),
        (SIGNATURE + " near tool_use", (Rectifier.SIGNATURE,), Rectifier.TOOLS),
        (SIGNATURE + " near tool_use", (Rectifier.SIGNATURE, Rectifier.TOOLS), None),
        ("Expected `thinking` or `redacted_thinking`, but found `text`", (), Rectifier.SIGNATURE),
        ("`thinking` blocks in the latest assistant message cannot be modified", (), Rectifier.SIGNATURE),
        ("messages: text content blocks must be non-empty", (), Rectifier.SIGNATURE),
        (BUDGET, (), Rectifier.BUDGET),
        (BUDGET, (Rectifier.SIGNATURE,), Rectifier.BUDGET),
        (BUDGET, (Rectifier.BUDGET,), None),
        ("max_tokens: too large", (), None),
        ("thinking is great", (), None),
    ],
)
def test_each_complaint_has_one_edit_and_each_edit_is_made_once(
    message: str, done: tuple[Rectifier, ...], wanted: Rectifier | None
) -> None:
    assert rectifier_for(refused(message), ON, done) == wanted


def test_other_refusals_and_switched_off_edits_are_let_be() -> None:
    assert rectifier_for(refused(SIGNATURE, status=413), ON, ()) is None
    assert rectifier_for(refused(SIGNATURE, FaultKind.UPSTREAM_FORBIDDEN, 403), ON, ()) is None
    assert rectifier_for(refused(SIGNATURE), RectifierSettings(enabled=False), ()) is None
    assert rectifier_for(refused(SIGNATURE), RectifierSettings(thinking_signature_enabled=False), ()) is None
    assert rectifier_for(refused(BUDGET), RectifierSettings(thinking_budget_enabled=False), ()) is None
    assert rectifier_settings_from("{broken") == rectifier_settings_from(None) == ON


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (  # thinking becomes text, what is hidden goes, the rest keeps its bytes
            b'{"model":"m", "thinking": {"type":"adaptive"}, "temperature":1.0e0, "messages":'
            b'[ {"role": "user", "content": "hi"},{"role":"assistant","content":['
            b'{"type":"thinking","thinking":"hm \\u00e9","signature":"s"},'
            b'{"type":"redacted_thinking","data":"x"},{"type": "text", "text": "yes"}]}]}',
            b'{"model":"m","temperature":1.0e0,"messages":'
            b'[{"role": "user", "content": "hi"},{"role":"assistant","content":['
            b'{"type":"text","text":"hm \xc3\xa9"},{"type": "text", "text": "yes"}]}]}',
        ),
        (  # nothing is left of a message
            b'{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"x"}]},'
            b'{"role":"user","content":""},{"role":"user","content":[{"type":"text","text":""}]}]}',
            b'{"messages":[{"role":"assistant","content":[{"type":"text","text":"(empty)"}]},'
            b'{"role":"user","content":"(empty)"},'
            b'{"role":"user","content":[{"type":"text","text":"(empty)"}]}]}',
        ),
        (  # edits that clear thinking are void without it
            b'{"context_management":{"edits":[{"type":"clear_thinking_20251015"},{"type":"clear_tool_uses"}]}}',
            b'{"context_management":{"edits":[{"type":"clear_tool_uses"}]}}',
        ),
        (
            b'{"a":1,"context_management":{"edits":[{"type":"clear_thinking_20251015"}]}}',
            b'{"a":1}',
        ),
    ],
)
def test_thinking_becomes_text(before: bytes, after: bytes) -> None:
    assert rectify(before, Rectifier.SIGNATURE) == after
    assert rectify(after, Rectifier.SIGNATURE) is None


def test_tools_become_text_only_in_the_second_step() -> None:
    before = (
        b'{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"ls",'
        b'"input":{"path": "/"}}]},{"role":"user","content":'
        b'[{"type":"tool_result","tool_use_id":"t","content":"bin etc"}]}]}'
    )
    assert rectify(before, Rectifier.SIGNATURE) is None
    assert rectify(before, Rectifier.TOOLS) == (
        b'{"messages":[{"role":"assistant","content":'
        b'[{"type":"text","text":"[tool_use ls] {\\"path\\": \\"/\\"}"}]},'
        b'{"role":"user","content":[{"type":"text","text":"[tool_result] \\"bin etc\\""}]}]}'
    )


@pytest.mark.parametrize(
    ("max_tokens", "after"),
    [
        (64_000, b'{"type":"enabled","budget_tokens":32000}'),
        (32_001, b'{"type":"enabled","budget_tokens":32000}'),
        (2_000, b'{"type":"enabled","budget_tokens":1999}'),
    ],
)
def test_the_budget_is_raised_as_far_as_the_output_limit_allows(max_tokens: int, after: bytes) -> None:
    before = b'{"max_tokens": %d, "thinking": %s}'
    given = b'{"type":"enabled","budget_tokens":7}'
    assert rectify(before % (max_tokens, given), Rectifier.BUDGET) == before % (max_tokens, after)


def test_where_no_budget_fits_there_is_no_thinking_and_the_limit_stays() -> None:
    before = b'{"max_tokens":1024,"thinking":{"type":"enabled","budget_tokens":7}}'
    assert rectify(before, Rectifier.BUDGET) == b'{"max_tokens":1024}'


@pytest.mark.parametrize("rectifier", list(Rectifier))
@pytest.mark.parametrize(
    "odd",
    [b"", b"[]", b"{", b'{"messages":5}', b'{"messages":[5,{"content":5}]}'],
)
def test_a_body_that_is_not_understood_stays_as_it_is(rectifier: Any, odd: bytes) -> None:
    assert rectify(odd, rectifier) is None


def test_adaptive_thinking_has_no_budget_to_raise() -> None:
    assert rectify(b'{"thinking":{"type":"adaptive"},"max_tokens":9}', Rectifier.BUDGET) is None
