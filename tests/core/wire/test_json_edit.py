"""Edits in place: the named member changes, every other byte stays."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.wire.json_edit import NotAnObject, members, set_members

KEYS = st.sampled_from(["model", "stream", "a", "", 'q"uote', "\\", "modél", "x\nmodel"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8) | st.just('"model":"m"'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
SPACE = st.sampled_from(["", " ", "\n\t", "\r\n  "])


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.booleans(), SPACE, SPACE, KEYS, VALUES)
def test_one_member_changes_and_the_others_keep_their_bytes(
    value: dict[str, Any], is_ascii: bool, before: str, after: str, name: str, new: Any
) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii, separators=(after + "," + before, before + ":" + after))
    original = (before + body + after).encode()
    edited = set_members(original, {name: json.dumps(new).encode()})
    assert json.loads(edited) == {**value, name: new}
    kept = {key: bytes(raw) for key, raw in members(original).items() if key != name}
    assert {key: bytes(raw) for key, raw in members(edited).items() if key != name} == kept


def test_nested_member_that_looks_the_same_stays() -> None:
    body = b'{"x":{"model":"a"},"model" : "a","y":"\\"model\\":\\"a\\""}'
    assert (
        set_members(body, {"model": b'"b"'}) == b'{"x":{"model":"a"},"model" : "b","y":"\\"model\\":\\"a\\""}'
    )


def test_escaped_key_is_the_same_member() -> None:
    body = b'{"x":{"model":"a"},"\\u006dodel":"a"}'
    assert set_members(body, {"model": b'"b"'}) == b'{"x":{"model":"a"},"\\u006dodel":"b"}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap","z":1.50,"model":"dear"}',
        b'{"z":1.50,"model":"dear","\\u006dodel":"dear"}',
        b'{"z":1,"model":"dear","z":1.50}',
        b'{"z":1.50,"model":"dear","z":1.50}',
        b'{"z":1.505,"model":"dear","z":1.50}',
    ],
)
def test_duplicate_names_are_written_once_so_that_no_reader_can_pick_another(body: bytes) -> None:
    edited = set_members(body, {"model": b'"m"'})
    assert sorted(json.loads(edited, object_pairs_hook=list)) == [("model", "m"), ("z", 1.5)]
    assert b"1.50" in edited


def test_several_members_change_at_once() -> None:
    body = b'{"b":1,"a":2,"c":3}'
    assert set_members(body, {"a": b"20", "n": b"4", "b": b"10"}) == b'{"n":4,"b":10,"a":20,"c":3}'


def test_empty_object_takes_members() -> None:
    assert set_members(b"{ }", {"a": b"1", "b": b"2"}) == b'{"a":1,"b":2 }'


def test_nothing_to_change_changes_nothing() -> None:
    assert set_members(b'{"a": 1 }', {}) == b'{"a": 1 }'


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b'{"a":1}x', b'{"\xff":1}', b'{"a":' * 5000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(NotAnObject):
        set_members(body, {"a": b"1"})
