"""Incremental decompression of a copy of the answer, for metering: the client gets the compressed bytes
untouched.

Output is bounded per answer, so that a small bomb cannot fill the memory (RFC 9110 8.4.1 codings, RFC 8878 zstd).
"""

import sys
import zlib
from typing import Protocol

import brotli  # type: ignore[import-untyped]

from headgate.core.faults import Fault, FaultKind, RelayError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP_BYTES = 64 * 1024
_MAX_CODINGS = 2


DEFAULT_LIMIT_BYTES = 256 * 1024 * 1024
"""Decompressed size of one answer: eight times what a whole answer may have compressed."""


class Decoder(Protocol):
    def feed(self, chunk: bytes) -> bytes:
        """Decompressed bytes that this piece completes. Raises `RelayError`."""
        ...


class _Codec(Protocol):
    """One decompressor with bounded steps: `step` may be called with b'' while `has_more`."""

    has_more: bool

    def step(self, data: bytes) -> bytes: ...


class _Bounded:
    """Drives a codec in steps and stops at the limit."""

    def __init__(self, codec: _Codec, limit: int) -> None:
        self._codec = codec
        self._left = limit

    def feed(self, chunk: bytes) -> bytes:
        parts: list[bytes] = []
        try:
            parts.append(self._taken(self._codec.step(chunk)))
            while self._codec.has_more:
                parts.append(self._taken(self._codec.step(b"")))
        except (zlib.error, brotli.error, zstd.ZstdError, EOFError):
            raise _malformed("Upstream answer does not match its content-encoding") from None
        return b"".join(parts)

    def _taken(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise _malformed("Upstream answer is too large once decompressed")
        return data


class _Zlib:
    """gzip and deflate; deflate is tried as zlib first and as a raw stream second (servers send both)."""

    def __init__(self, window_bits: int, *, may_be_raw: bool) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self._may_be_raw = may_be_raw
        self.has_more = False

    def step(self, data: bytes) -> bytes:
        pending = self._inner.unconsumed_tail + data
        try:
            out = self._inner.decompress(pending, _STEP_BYTES)
        except zlib.error:
            if not self._may_be_raw:
                raise
            self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
            out = self._inner.decompress(pending, _STEP_BYTES)
        self._may_be_raw = self._may_be_raw and not out
        self.has_more = bool(self._inner.unconsumed_tail) or len(out) >= _STEP_BYTES
        if self._inner.eof:
            self.has_more = False
        return out


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self.has_more = False

    def step(self, data: bytes) -> bytes:
        if self._inner.is_finished():
            self.has_more = False
            return b""
        out: bytes = self._inner.process(data, output_buffer_limit=_STEP_BYTES)
        self.has_more = not self._inner.can_accept_more_data()
        return out


class _Zstd:
    def __init__(self) -> None:
        self._inner = zstd.ZstdDecompressor()
        self.has_more = False

    def step(self, data: bytes) -> bytes:
        if self._inner.eof:
            self.has_more = False
            return b""
        out = self._inner.decompress(data, _STEP_BYTES)
        self.has_more = not self._inner.needs_input and not self._inner.eof
        return out


class _Chain:
    """Several codings, the last applied first (RFC 9110 8.4)."""

    def __init__(self, decoders: list[Decoder]) -> None:
        self._decoders = decoders

    def feed(self, chunk: bytes) -> bytes:
        for decoder in self._decoders:
            chunk = decoder.feed(chunk)
        return chunk


def decoder_for(content_encoding: str | None, *, limit: int = DEFAULT_LIMIT_BYTES) -> Decoder | None:
    """A decoder for this header value; None when the answer is not compressed. `limit` bounds its output
    bytes.

    Raises `RelayError` (UPSTREAM_MALFORMED) for a coding that we never offered.
    """
    if not content_encoding:
        return None
    names = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if len(names) > _MAX_CODINGS:
        raise _malformed("Upstream answer has too many content codings")
    decoders: list[Decoder] = [_Bounded(_codec(name), limit) for name in reversed(names)]
    if len(decoders) > 1:
        return _Chain(decoders)
    return decoders[0] if decoders else None


def _codec(name: str) -> _Codec:
    match name:
        case "gzip" | "x-gzip":
            return _Zlib(zlib.MAX_WBITS | 16, may_be_raw=False)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS, may_be_raw=True)
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstd()
        case _:
            raise _malformed("Upstream answer has an unknown content coding")


def _malformed(message: str) -> RelayError:
    return RelayError(Fault(kind=FaultKind.UPSTREAM_MALFORMED, message=message))
