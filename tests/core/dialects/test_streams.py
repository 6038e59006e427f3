"""What holds for every dialect's stream: chunking never matters, bytes are exact, cuts are noticed, readings
are right."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.contract import StreamFraming
from headgate.core.faults import FaultKind
from headgate.core.usage import UsageSource
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import STREAMS, open_stream, replay, upstream, usage
from tests.core.wire.sse_reader import EventsReader

pytestmark = pytest.mark.parametrize(("dialect", "case", "framing"), STREAMS)


def test_every_cut_position_gives_the_same_bytes_and_reading(
    dialect: Dialect, case: str, framing: StreamFraming
) -> None:
    sent = upstream(dialect, case)
    for cut in range(len(sent) + 1):
        stream = open_stream(dialect, framing=framing)
        assert replay(stream, [sent[:cut], sent[cut:]]) == sent
        assert (stream.finished, stream.fault, stream.committed) == (True, None, True)
        reading = stream.reading()
        assert reading.usage == usage(dialect, case)
        assert reading.source is UsageSource.REPORTED


def test_byte_by_byte_gives_the_same(dialect: Dialect, case: str, framing: StreamFraming) -> None:
    sent = upstream(dialect, case)
    stream = open_stream(dialect, framing=framing)
    assert replay(stream, [sent[i : i + 1] for i in range(len(sent))]) == sent
    assert stream.reading().usage == usage(dialect, case)


def test_every_cut_of_the_connection_is_noticed_until_the_answer_is_complete(
    dialect: Dialect, case: str, framing: StreamFraming
) -> None:
    sent = upstream(dialect, case)
    for end in range(len(sent)):
        stream = open_stream(dialect, framing=framing)
        out = replay(stream, [sent[:end]])
        assert sent.startswith(out)
        if stream.finished:
            is_reported = stream.reading().usage == usage(dialect, case)
            assert is_reported or stream.reading().source is UsageSource.ESTIMATED
            continue
        assert stream.fault is not None
        assert stream.fault.kind is FaultKind.UPSTREAM_CUT
        assert stream.committed == bool(out)
        assert stream.reading().source is not UsageSource.REPORTED


def test_client_sees_its_own_model_and_otherwise_the_same_events(
    dialect: Dialect, case: str, framing: StreamFraming
) -> None:
    sent = upstream(dialect, case)
    original = open_stream(dialect, framing=framing)
    replay(original, [sent])
    served = original.reading().served_model
    assert served is not None
    for cut in range(0, len(sent), 7):
        stream = open_stream(dialect, framing=framing, upstream_model="other")
        out = replay(stream, [sent[:cut], sent[cut:]])
        assert out == sent.replace(json.dumps(served).encode(), b'"m"')
        assert stream.reading() == original.reading()


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
@given(data=st.data())
def test_other_ways_to_write_the_same_events_read_the_same(
    dialect: Dialect, case: str, framing: StreamFraming, eol: bytes, data: st.DataObject
) -> None:
    if framing is not StreamFraming.SSE:
        return
    space = data.draw(st.sampled_from([b"", b" "]))
    bom = data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    comment = data.draw(st.sampled_from([b"", b": comment" + eol]))
    decoder = EventsReader()
    written = bom
    for event in [*decoder.feed(upstream(dialect, case)), *decoder.close()]:
        name = b"event:" + space + event.event.encode() + eol if event.event else b""
        cut = event.data.find(
            b",", data.draw(st.integers(0, len(event.data)))
        )  # a line feed is space after a comma
        lines = (
            [event.data[: cut + 1], event.data[cut + 1 :]]
            if _is_outside_text(event.data, cut)
            else [event.data]
        )
        written += comment + name + b"".join(b"data:" + space + line + eol for line in lines) + eol
    points = sorted({0, len(written), *data.draw(st.lists(st.integers(0, len(written)), max_size=6))})
    stream = open_stream(dialect, framing=framing)
    chunks = [written[a:b] for a, b in zip(points, points[1:], strict=False)]
    assert replay(stream, chunks) == written
    assert stream.reading().usage == usage(dialect, case)
    assert stream.reading().source is UsageSource.REPORTED


def _is_outside_text(data: bytes, cut: int) -> bool:
    """A break there leaves the JSON what it is."""
    if cut < 0 or not data.startswith(b"{"):
        return False
    try:
        return bool(json.loads(data[: cut + 1] + b"\n" + data[cut + 1 :]) == json.loads(data))
    except json.JSONDecodeError:
        return False
