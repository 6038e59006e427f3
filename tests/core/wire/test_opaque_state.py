"""Thinking signatures and encrypted reasoning are recognised, and named by a digest."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.wire.opaque_state import (
    ENCRYPTED_CONTENT,
    MOST,
    REDACTED_THINKING,
    SIGNATURE,
    THOUGHT_SIGNATURE,
    OpaqueMember,
    minted_in,
    newest_in,
    newest_of,
)

OLD, NEW = "EqQBCgIYAhIM" + "a/b+c=" * 8, "EqQBCgIYAhIM" + "x/y+z=" * 8


def body(*values: Any, name: str = "signature", text: str = "") -> bytes:
    blocks = [{"type": "thinking", "thinking": text, name: value} for value in values]
    return json.dumps({"messages": [{"role": "assistant", "content": blocks}], "tail": text}).encode()


MEMBERS = [
    (SIGNATURE, "signature"),
    (ENCRYPTED_CONTENT, "encrypted_content"),
    (THOUGHT_SIGNATURE, "thoughtSignature"),
    (THOUGHT_SIGNATURE, "thought_signature"),
]


@pytest.mark.parametrize(("member", "name"), MEMBERS)
def test_the_newest_state_of_a_request_has_the_name_under_which_it_was_minted(
    member: OpaqueMember, name: str
) -> None:
    (minted,) = minted_in(json.dumps({"type": "delta", name: NEW}).encode(), member)
    assert newest_in(body(OLD, NEW, name=name), member) == minted
    assert newest_in(body(NEW, OLD, name=name), member) != minted


def test_escaped_slashes_and_white_space_make_no_difference() -> None:
    escaped = body(NEW).replace(b"/", b"\\/").replace(b'"signature": ', b'"signature" :\n ')
    assert newest_in(escaped, SIGNATURE) == newest_in(body(NEW), SIGNATURE)


def test_a_signature_that_was_streamed_in_pieces_is_known_by_its_last_one() -> None:
    (last,) = minted_in(json.dumps({"signature": NEW + "0" * 64}).encode(), SIGNATURE)
    assert newest_in(body("piece" * 9 + NEW + "0" * 64), SIGNATURE) == last


@pytest.mark.parametrize("value", ["", "short", None, 7, {"signature": None}])
def test_placeholders_are_no_state_and_do_not_hide_an_older_one(value: Any) -> None:
    assert newest_in(body(value), SIGNATURE) is None
    assert newest_in(body(OLD, value), SIGNATURE) == newest_in(body(OLD), SIGNATURE)


def test_a_text_that_talks_about_signatures_is_none() -> None:
    said = json.dumps({"signature": "Not a state, but an example of one"})
    assert newest_in(body(text=said), SIGNATURE) is None
    assert minted_in(body(text=said), SIGNATURE) == ()


def redacted(value: str, *, data_first: bool = False) -> dict[str, str]:
    block = {"type": "redacted_thinking", "data": value}
    return dict(reversed(block.items())) if data_first else block


@pytest.mark.parametrize("data_first", [False, True])
@pytest.mark.parametrize("value", [NEW, NEW * 50, NEW[:20]])
def test_redacted_thinking_is_state_in_whatever_order_a_client_writes_it(
    value: str, data_first: bool
) -> None:
    event = {"type": "content_block_start", "index": 0, "content_block": redacted(value)}
    (minted,) = minted_in(json.dumps(event).encode(), SIGNATURE, REDACTED_THINKING)
    blocks = [redacted(OLD), redacted(value, data_first=data_first), {"type": "text", "text": "tail"}]
    sent = json.dumps({"messages": [{"role": "assistant", "content": blocks}]}).encode()
    for request in (sent, sent.replace(b"/", b"\\/"), sent.replace(b", ", b",\n ")):
        assert newest_in(request, SIGNATURE, REDACTED_THINKING) == minted


def test_of_signed_and_redacted_thinking_the_later_one_counts() -> None:
    signed = {"type": "thinking", "thinking": "", "signature": OLD}
    for blocks, newest in (([signed, redacted(NEW)], redacted(NEW)), ([redacted(NEW), signed], signed)):
        found = newest_in(json.dumps(blocks).encode(), SIGNATURE, REDACTED_THINKING)
        assert found == newest_in(json.dumps(newest).encode(), SIGNATURE, REDACTED_THINKING)
        assert minted_in(json.dumps(blocks).encode(), SIGNATURE, REDACTED_THINKING)[-1] == found


def test_a_text_that_talks_about_redacted_thinking_is_none() -> None:
    text = json.dumps({"text": json.dumps(redacted(NEW)), "type": "redacted_thinking"}).encode()
    assert newest_in(text, REDACTED_THINKING) is None


def test_of_many_states_of_an_answer_the_newest_few_are_kept() -> None:
    states = [f"{number:02}" + OLD for number in range(9)]
    names = minted_in(body(*[state[::-1] for state in states]), SIGNATURE)
    assert len(names) == MOST
    assert newest_of(names, names[:1]) == names
    assert newest_of(names, ("new",)) == (*names[1:], "new")
    assert newest_of(names, ()) == names


@given(data=st.binary(max_size=400), cut=st.integers(0, 300))
def test_whatever_the_bytes_nothing_is_raised(data: bytes, cut: int) -> None:
    for member, _ in MEMBERS:
        for text in (data, body(NEW, text="x")[:cut] + data, b'"signature":"' * (cut % 40) + data):
            newest_in(text, member)
            minted_in(text, member)


def test_a_hostile_request_costs_no_more_than_its_length() -> None:
    hostile = b'{"a":"' + b'\\"signature\\":\\"' * 60_000 + b'"signature"' * 20_000
    started = time.process_time()
    assert newest_in(hostile, SIGNATURE) is None
    assert time.process_time() - started < 0.5
