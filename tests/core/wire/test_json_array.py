"""A JSON array in pieces: the same elements for any chunking, every byte kept, nothing unbounded."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.wire.json_array import ArrayFramer
from headgate.core.wire.sse import EventTooLarge

TEXT = st.text(st.sampled_from(list('"\\{}[],: é☃a')), max_size=8)
VALUE = st.recursive(
    TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
ELEMENTS = st.lists(st.dictionaries(TEXT, VALUE, max_size=3), max_size=4)


def read(chunks: list[bytes]) -> tuple[list[Any], bytes]:
    framer, elements, out = ArrayFramer(10_000), [], b""
    for chunk in chunks:
        block = framer.feed(chunk)
        out += block
        pieces = framer.split(block)
        assert b"".join(pieces) == block
        elements += [json.loads(event.data) for raw in pieces if (event := framer.parse(raw)) is not None]
    return elements, out + framer.take_rest()


@given(ELEMENTS, st.sampled_from([None, 2]), st.booleans(), st.lists(st.integers(0, 400), max_size=8))
def test_elements_survive_any_chunking(
    elements: list[Any], indent: int | None, is_ascii: bool, cuts: list[int]
) -> None:
    stream = json.dumps(elements, indent=indent, ensure_ascii=is_ascii).encode()
    points = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    chunks = [stream[a:b] for a, b in zip(points, points[1:], strict=False)]
    assert read(chunks) == (elements, stream)


def test_every_single_byte_can_be_a_chunk() -> None:
    stream = b'[{"a":"\\\\\\"}"}\r\n,\r\n{"b":[{"c":1}]}\n]\n'
    assert read([bytes([byte]) for byte in stream])[0] == [{"a": '\\"}'}, {"b": [{"c": 1}]}]


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_garbage_passes_without_loss_or_exception(chunks: list[bytes]) -> None:
    framer = ArrayFramer(10_000)
    out = b"".join(framer.feed(chunk) for chunk in chunks)
    assert out + framer.take_rest() == b"".join(chunks)


def test_several_blocks_are_split_together() -> None:
    framer = ArrayFramer(1000)
    held = framer.feed(b'[{"a":1}') + framer.feed(b',{"b":2},{"c":')
    assert framer.split(held) == [b'[{"a":1}', b',{"b":2}']
    assert framer.split(held + b"\n]") == [b'[{"a":1}', b',{"b":2}', b"\n]"]


def test_closing_bracket_is_no_element() -> None:
    assert ArrayFramer(10).parse(b"\n]") is None


def test_single_object_without_array_is_an_element() -> None:
    assert read([b'{"error":{}}'])[0] == [{"error": {}}]


def test_element_beyond_the_limit_is_refused_and_forgotten() -> None:
    framer = ArrayFramer(10)
    with pytest.raises(EventTooLarge):
        framer.feed(b'[{"a":"0123456789')
    assert framer.take_rest() == b""
    assert repr(framer).startswith("ArrayFramer(pending=0")


def test_long_string_in_many_chunks_is_scanned_once() -> None:
    framer = ArrayFramer(100_000_000)
    framer.feed(b'[{"a":"')
    for _ in range(5_000):
        assert framer.feed(b"A" * 1_000) == b""
    assert len(framer.feed(b'"}')) == 5_000_000 + len(b'[{"a":""}')
