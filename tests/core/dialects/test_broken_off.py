"""An answer that breaks off: what was passed counts, by report where there was one, else by the bytes."""

import pytest

from headgate.core.dialects.contract import ResponseStream, StreamFraming
from headgate.core.usage import UsageSource
from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import STREAMS, open_stream, upstream

ANTHROPIC, CHAT, GEMINI = Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_CHAT, Dialect.GEMINI
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"c",'
    b'"usage":{"input_tokens":50,"output_tokens":3}}}\n\n'
)
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"%s"}}\n\n'
)
CHUNK = b'data: {"candidates":[{"content":{"parts":[{"text":"%s"}]}}]%s}\n\n'
COUNTED = b',"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":%d}'


def fed(dialect: Dialect, *parts: bytes) -> ResponseStream:
    stream = open_stream(dialect, framing=StreamFraming.SSE)
    for part in parts:
        stream.feed(part)
    stream.close()
    return stream


def test_output_before_the_final_report_is_estimated_from_what_was_passed() -> None:
    reading = fed(ANTHROPIC, START, *[DELTA % (b"x" * 40)] * 30).reading()
    assert (reading.source, reading.usage.input, reading.usage.output) == (UsageSource.PARTIAL, 50, 3)
    assert 285 <= reading.passed_output <= 320, "30 events of 10 tokens"


def test_output_that_a_report_counted_is_not_estimated_again() -> None:
    """A provider that counts with every chunk is believed, however large its chunks are."""
    chunks = [CHUNK % (b"x" * 400, COUNTED % said) for said in (20, 40, 60)]
    reading = fed(GEMINI, *chunks).reading()
    assert (reading.usage.output, reading.passed_output) == (60, 60)


def test_output_after_the_last_report_comes_on_top_of_it() -> None:
    chunks = [CHUNK % (b"x" * 400, COUNTED % 20), *[CHUNK % (b"y" * 400, b"")] * 2]
    reading = fed(GEMINI, *chunks).reading()
    assert reading.usage.output == 20
    assert 215 <= reading.passed_output <= 235, "20 counted, 2 x 100 not"


def test_an_answer_that_broke_off_before_any_output_has_passed_none() -> None:
    stream = fed(ANTHROPIC, START, b'event: content_block_start\ndata: {"type":"content_block_start"}\n\n')
    assert stream.reading().passed_output == stream.reading().usage.output == 3


def test_a_complete_answer_counts_as_reported() -> None:
    stream = open_stream(CHAT, framing=StreamFraming.SSE)
    stream.feed(upstream(CHAT, "reasoning-cache"))
    stream.close()
    assert (stream.reading().source, stream.reading().passed_output) == (UsageSource.REPORTED, 0)


@pytest.mark.parametrize(("dialect", "case", "framing"), STREAMS)
def test_chunk_boundaries_do_not_change_what_was_passed(
    dialect: Dialect, case: str, framing: StreamFraming
) -> None:
    sent = upstream(dialect, case)
    cut = sent[: len(sent) * 2 // 3]
    whole, pieces = open_stream(dialect, framing=framing), open_stream(dialect, framing=framing)
    whole.feed(cut)
    for start in range(0, len(cut), 17):
        pieces.feed(cut[start : start + 17])
    for stream in (whole, pieces):
        stream.close()
    assert whole.reading() == pieces.reading()
    assert whole.reading().passed_output >= whole.reading().usage.output > -1
