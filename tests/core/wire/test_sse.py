"""The SSE codec against the WHATWG rules, for any chunking and any line ending."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.wire.sse import (
    EventFramer,
    EventTooLarge,
    ServerSentEvent,
    parse_event,
    replace_data,
    split_events,
)
from tests.core.wire.sse_reader import EventsReader

LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["", "ping", "message_start"]), st.lists(LINE, min_size=1, max_size=3))
)
EOL = st.sampled_from([b"\n", b"\r\n", b"\r"])


def write(name: str, lines: list[str], eol: bytes, space: bytes) -> bytes:
    head = b"event:" + space + name.encode() + eol if name else b""
    return head + b"".join(b"data:" + b" " + line.encode() + eol for line in lines) + eol


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    points = sorted({0, len(stream), *(point % (len(stream) + 1) for point in cuts)})
    return [stream[a:b] for a, b in zip(points, points[1:], strict=False)]


def decode(chunks: list[bytes]) -> list[ServerSentEvent]:
    decoder = EventsReader()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.close()


@given(EVENTS, EOL, st.sampled_from([b"", b" "]), st.booleans(), st.lists(st.integers(0, 2000), max_size=8))
def test_reading_gives_back_what_was_written_for_any_chunking(
    events: list[tuple[str, list[str]]], eol: bytes, space: bytes, has_bom: bool, cuts: list[int]
) -> None:
    stream = (b"\xef\xbb\xbf" if has_bom else b"") + b"".join(write(n, d, eol, space) for n, d in events)
    expected = [ServerSentEvent(name, "\n".join(lines).encode()) for name, lines in events]
    assert decode(cut(stream, cuts)) == expected


@given(st.lists(st.sampled_from([b"data: a", b"\r", b"\n", b"\r\n", b":c", b"\n\n"]), max_size=40), st.data())
def test_line_endings_may_be_mixed_and_cut_anywhere(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = data.draw(st.lists(st.integers(0, 500), max_size=6))
    assert decode(cut(stream, cuts)) == decode([stream])


@given(st.binary(max_size=200))
def test_split_events_loses_no_byte(block: bytes) -> None:
    assert b"".join(split_events(block)) == block


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_framer_loses_no_byte(chunks: list[bytes]) -> None:
    framer = EventFramer(10_000)
    out = b"".join(framer.feed(chunk) for chunk in chunks)
    assert out + framer.take_rest() == b"".join(chunks)


def test_crlf_inside_an_event_is_one_line_end() -> None:
    assert split_events(b"event: a\r\ndata: 1\r\n\r\ndata: 2\n\r\n") == [
        b"event: a\r\ndata: 1\r\n\r\n",
        b"data: 2\n\r\n",
    ]


def test_chunk_of_whole_events_is_passed_without_a_copy() -> None:
    chunk = b"data: 1\n\ndata: 2\n\n"
    assert EventFramer(100).feed(chunk) is chunk


def test_comments_and_blocks_without_data_are_no_events() -> None:
    assert [parse_event(raw) for raw in (b": keepalive\n\n", b"event: x\n\n", b"\n", b"id: 3\n\n")] == [
        None
    ] * 4


def test_value_without_colon_and_empty_data_are_events() -> None:
    assert parse_event(b"data\n\n") == ServerSentEvent("", b"")
    assert parse_event(b"data:\ndata: x\n\n") == ServerSentEvent("", b"\nx")


def test_only_one_space_is_taken_after_the_colon() -> None:
    assert parse_event(b"data:  x\n\n") == ServerSentEvent("", b" x")


def test_unterminated_last_event_is_still_read() -> None:
    assert decode([b"data: 1\n\ndata: 2"]) == [ServerSentEvent("", b"1"), ServerSentEvent("", b"2")]


def test_event_beyond_the_limit_is_refused_and_forgotten() -> None:
    framer = EventFramer(10)
    with pytest.raises(EventTooLarge, match="more than 10 bytes"):
        framer.feed(b"data: 0123456789")
    assert framer.take_rest() == b""


def test_long_stream_of_small_events_stays_within_the_limit() -> None:
    framer = EventFramer(10)
    assert framer.feed(b"data: 1\n\ndata: 2\n\nda") == b"data: 1\n\ndata: 2\n\n"
    assert repr(framer) == "EventFramer(pending=2)"


def test_replacing_data_keeps_every_other_byte() -> None:
    raw = b'\xef\xbb\xbfevent: x\r\nid: 7\r\ndata:{"a":1}\r\n\r\n'
    event = parse_event(raw)
    assert event is not None
    assert replace_data(raw, event, b"{}") == b"\xef\xbb\xbfevent: x\r\nid: 7\r\ndata:{}\r\n\r\n"


def test_replacing_data_of_several_lines_keeps_the_other_lines() -> None:
    raw = b'event: x\ndata: {"a":\nid: 7\ndata: 1}\n\n'
    event = parse_event(raw)
    assert event is not None
    replaced = replace_data(raw, event, b'{"a":\n2}')
    assert replaced == b'event: x\nid: 7\ndata: {"a":\ndata: 2}\n\n'
    assert parse_event(replaced) == ServerSentEvent("x", b'{"a":\n2}')
