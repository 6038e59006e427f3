"""How much of an event is framing, whatever the dialect and whatever the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.wire.envelope import envelope_of

EVENTS = [
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}',
    b'{"id":"c","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}',
    b'{"type":"response.output_text.delta","item_id":"msg_1","delta":"%s"}',
    b'{"candidates":[{"content":{"parts":[{"text":"%s"}],"role":"model"}}]}',
    b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"%s"}}',
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("text", [b"hello", b"x" * 5000])
def test_the_envelope_is_what_is_not_text(event: bytes, text: bytes) -> None:
    data = event % text
    raw = b"data: " + data + b"\n\n"
    assert envelope_of(raw, data) == len(raw) - len(text)


@pytest.mark.parametrize(
    "data", [b"", b"[DONE]", b"7", b'{"usage":{"output_tokens":5}}', b"[" * 5000, b"\xff"]
)
def test_what_holds_no_text_has_no_envelope(data: bytes) -> None:
    assert envelope_of(data, data) is None


def test_an_envelope_is_never_nothing() -> None:
    data = b'{"text":"%s"}' % (b"x" * 50)
    assert envelope_of(data, data) == 20


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    envelope_of(data, data)
