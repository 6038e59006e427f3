"""Whose turn it is: a person's words, or a tool's result."""

import json
from typing import Any

import pytest

from headgate.core.dialects.anthropic_messages.turns import is_user_turn

TOOL = {"type": "tool_result", "tool_use_id": "t", "content": "42"}
TEXT = {"type": "text", "text": "hello"}


@pytest.mark.parametrize(
    ("messages", "is_users"),
    [
        ([{"role": "user", "content": "hello"}], True),
        ([{"role": "user", "content": [TEXT]}], True),
        ([{"role": "user", "content": [TOOL]}], False),
        ([{"role": "user", "content": [TOOL, TEXT]}], False),
        ([{"role": "user", "content": [TOOL]}, {"role": "assistant", "content": "a"}], False),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"},
            ],
            True,
        ),
        ([], False),
        (["hello"], False),
        ([{"role": "user", "content": [7]}], False),
        (None, False),
    ],
)
def test_the_last_message_decides(messages: Any, is_users: bool) -> None:
    assert is_user_turn(json.dumps({"messages": messages}).encode()) is is_users


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"messages": [' + b"[" * 5000, b"\xff\xfe"])
def test_what_cannot_be_read_is_nobodys_turn(body: bytes) -> None:
    assert not is_user_turn(body)
