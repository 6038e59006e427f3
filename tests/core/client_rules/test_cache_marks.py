"""At most four cache marks, none on thinking, and no other byte changed (spec 2.4)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.client_rules.cache_marks import MAX_MARKS, limit_cache_marks

MARK = b'"cache_control": {"type":"ephemeral"}'


def text(name: str, *, marked: bool = True) -> bytes:
    return b'{"type":"text", "text":"%s"%s}' % (name.encode(), b", " + MARK if marked else b"")


def body(messages: list[bytes], system: list[bytes] | None = None, rest: bytes = b"") -> bytes:
    turns = b", ".join(b'{"role":"user","content":[%s]}' % message for message in messages)
    parts = [b'{"model":"m", "temperature":1.0e0, "messages": [%s]' % turns, rest]
    if system is not None:
        parts.append(b', "system":[%s]' % b",".join(system))
    return b"".join([*parts, b"}"])


def marks(value: Any) -> int:
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(marks(inner) for inner in value.values())
    return sum(marks(inner) for inner in value) if isinstance(value, list) else 0


def test_four_marks_are_nothing_to_do() -> None:
    assert limit_cache_marks(body([text("a")] * 4)) is None
    assert limit_cache_marks(body([text("a", marked=False)])) is None


def test_the_oldest_marks_of_messages_go_first() -> None:
    before = body([text("a"), text("b"), text("c"), text("d")], [text("s1"), text("s2")])
    after = limit_cache_marks(before)
    a, b = b'{"type":"text","text":"a"}', b'{"type":"text","text":"b"}'
    assert after == (
        b'{"model":"m", "temperature":1.0e0, "messages": ['
        b'{"role":"user","content":[' + a + b"]},"
        b'{"role":"user","content":[' + b + b"]},"
        b'{"role":"user","content":[' + text("c") + b"]},"
        b'{"role":"user","content":[' + text("d") + b"]}]"
        b', "system":[' + text("s1") + b"," + text("s2") + b"]}"
    )


def test_then_the_last_of_system_and_at_the_very_end_tools() -> None:
    tools = b', "tools":[%s]' % b",".join(b'{"name":"t%d",%s}' % (n, MARK) for n in range(3))
    after = limit_cache_marks(body([text("a")], [text("s1"), text("s2"), text("s3")], tools))
    assert after is not None
    got = json.loads(after)
    assert marks(got["messages"]) == 0
    assert ["cache_control" in block for block in got["system"]] == [True, False, False]
    assert marks(got["tools"]) == 3


def test_marks_in_the_results_of_tools_count_too() -> None:
    result = b'{"type":"tool_result","tool_use_id":"t","content":[%s]}' % b",".join([text("x")] * 5)
    after = limit_cache_marks(body([result]))
    assert after is not None
    assert marks(json.loads(after)) == MAX_MARKS


def test_a_mark_on_thinking_goes_however_few_there_are() -> None:
    thinking = b'{"type":"thinking","thinking":"hm","signature":"sig",%s}' % MARK
    after = limit_cache_marks(body([thinking, text("b")]))
    assert after is not None
    assert b'[{"type":"thinking","thinking":"hm","signature":"sig"}]' in after
    assert text("b") in after
    unmarked = b'{"type":"thinking","thinking":"hm","signature":"sig"}'
    assert limit_cache_marks(body([unmarked, text("b")])) is None


def test_the_automatic_mark_of_the_whole_request_takes_one_of_the_four() -> None:
    after = limit_cache_marks(body([text("a")] * 4, rest=b"," + MARK))
    assert after is not None
    assert marks(json.loads(after)["messages"]) == 3


@pytest.mark.parametrize(
    "odd",
    [
        b'"cache_control"' * 9,
        b'{"messages":"' + b'\\"cache_control\\"' * 9 + b'"}',
        b"[" + b'"cache_control",' * 8 + b"1]",
        b'{"messages":[1,null,' + b",".join([b'"cache_control"'] * 8) + b"]}",
    ],
)
def test_a_body_that_is_not_understood_stays_as_it_is(odd: bytes) -> None:
    assert limit_cache_marks(odd) is None


@given(
    messages=st.lists(st.integers(min_value=0, max_value=4), max_size=6),
    system=st.integers(min_value=0, max_value=6),
)
def test_whatever_is_marked_four_remain_and_the_texts_stay(messages: list[int], system: int) -> None:
    before = body([b",".join([text("x")] * n) for n in messages], [text("s")] * system)
    after = limit_cache_marks(before) or before
    assert marks(json.loads(after)) == min(sum(messages) + system, MAX_MARKS)
    assert limit_cache_marks(after) is None
    assert after.count(b'"text"') == before.count(b'"text"')
