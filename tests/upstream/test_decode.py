"""Compressed answers are read incrementally, and bombs are stopped."""

import gzip
import sys
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.faults import FaultKind, RelayError
from headgate.upstream.decode import decoder_for

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(data) + squeezer.flush()


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw": raw_deflate,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
}


def header(name: str) -> str:
    return "deflate" if name == "raw" else name


def decode(name: str, data: bytes, size: int, limit: int = 1 << 30) -> bytes:
    decoder = decoder_for(header(name), limit=limit)
    assert decoder is not None
    return b"".join(decoder.feed(data[at : at + size]) for at in range(0, len(data), size))


@pytest.mark.parametrize("name", CODINGS)
@given(data=st.binary(max_size=2000), size=st.integers(1, 100))
def test_chunk_boundaries_do_not_matter(name: str, data: bytes, size: int) -> None:
    assert decode(name, CODINGS[name](data), size) == data


@pytest.mark.parametrize("name", CODINGS)
def test_large_answers_come_out_whole(name: str) -> None:
    data = b'data: {"delta":"some text that compresses well"}\n\n' * 20_000
    assert decode(name, CODINGS[name](data), 4096) == data


@pytest.mark.parametrize("name", CODINGS)
def test_a_bomb_is_stopped_at_the_limit(name: str) -> None:
    with pytest.raises(RelayError) as caught:
        decode(name, CODINGS[name](bytes(50_000_000)), 4096, limit=1_000_000)
    assert caught.value.fault.kind is FaultKind.UPSTREAM_MALFORMED


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_bytes_that_are_not_compressed_are_refused(name: str) -> None:
    with pytest.raises(RelayError):
        decode(name, b"this is plain text, whatever the header says" * 10, 4096)


@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
def test_an_event_is_readable_as_soon_as_it_was_flushed(name: str) -> None:
    decoder = decoder_for(name)
    assert decoder is not None
    assert decoder.feed(flushed(name, b"data: 1\n\n")) == b"data: 1\n\n"


def flushed(name: str, data: bytes) -> bytes:
    if name == "gzip":
        squeezer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        return squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH)
    if name == "br":
        brotler = brotli.Compressor()
        return bytes(brotler.process(data) + brotler.flush())
    zipper = zstd.ZstdCompressor()
    return bytes(zipper.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK))


@pytest.mark.parametrize("value", [None, "", "identity"])
def test_plain_answers_need_no_decoder(value: str | None) -> None:
    assert decoder_for(value) is None


@pytest.mark.parametrize("value", ["compress", "gzip, gzip, gzip", "rot13"])
def test_codings_that_were_never_offered_are_refused(value: str) -> None:
    with pytest.raises(RelayError):
        decoder_for(value)
