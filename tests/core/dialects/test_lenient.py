"""What can still be read of an answer whose members have other types than documented."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.lenient import decode_leniently
from headgate.kit import json


class Inner(msgspec.Struct):
    tokens: int | None = None


class Shape(msgspec.Struct, rename="camel"):
    a_count: int | None = None
    name: str | None = None
    inner: Inner | None = None
    items: list[Inner] | None = None
    raw: msgspec.Raw = msgspec.Raw(b"null")
    either: Inner | str | None = None


def read(**members: Any) -> Shape | None:
    return decode_leniently(Shape, json.dumps(members))


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [(7, 7), (-7, -7), (7.0, 7), (7.9, 7), ("7", 7), (" 7 ", 7), (10**30, 10**30), (1e300, None)]
    + [(True, None), ("seven", None), ("-7", None), ("9" * 31, None), ([7], None), (None, None)],
)
def test_counts(sent: Any, read_as: int | None) -> None:
    shape = read(aCount=sent, name="kept")
    assert shape == Shape(a_count=read_as, name="kept")


def test_a_member_of_another_shape_costs_only_itself() -> None:
    shape = read(aCount=1, name=5, inner=[], items="x", raw={"b": 1.5}, either={"tokens": "3"})
    assert shape == Shape(a_count=1, items=[], raw=msgspec.Raw(b'{"b":1.5}'), either=Inner(3))
    assert read(items=[{"tokens": 1}, 5, {"tokens": "x"}]) == Shape(items=[Inner(1), Inner()])


@pytest.mark.parametrize("data", [b"", b"[]", b"5", b"{", b'{"a":NaN}', b"\xff", b'{"a":' * 100_000])
def test_what_is_no_object_is_none(data: bytes) -> None:
    assert decode_leniently(Shape, data) is None


def test_a_number_beyond_every_float_is_no_count() -> None:
    assert decode_leniently(Shape, b'{"aCount":1e999,"name":"n"}') == Shape(name="n")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["aCount", "name", "inner", "items", "raw", "either", "x"]), ANYTHING))
def test_nothing_raises(members: dict[str, Any]) -> None:
    assert isinstance(read(**members), Shape)
