"""Incremental decompression of a copy of the answer, for metering: the client gets the compressed bytes
untouched.

Output is bounded per answer, so that a small bomb cannot fill the memory (codings of RFC 9110 8.4.1,
zstd of RFC 8878).
"""

import sys
import zlib
from typing import Protocol

import brotli

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

    @property
    def has_more(self) -> bool: ...

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
    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self.has_more = False

    def step(self, data: bytes) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, _STEP_BYTES)
        self.has_more = not self._inner.eof and (bool(self._inner.unconsumed_tail) or len(out) >= _STEP_BYTES)
        return out


class _Deflate:
    """Servers send `deflate` with and without the zlib wrapper; its two header bytes tell (RFC 1950 2.2)."""

    def __init__(self) -> None:
        self._first = b""
        self._inner: _Zlib | None = None

    @property
    def has_more(self) -> bool:
        return self._inner is not None and self._inner.has_more

    def step(self, data: bytes) -> bytes:
        if self._inner is not None:
            return self._inner.step(data)
        self._first += data
        if len(self._first) < 2:
            return b""
        is_wrapped = self._first[0] & 0x0F == 8 and int.from_bytes(self._first[:2], "big") % 31 == 0
        self._inner = _Zlib(zlib.MAX_WBITS if is_wrapped else -zlib.MAX_WBITS)
        return self._inner.step(self._first)


class _Brotli:
    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self.has_more = False

    def step(self, data: bytes) -> bytes:
        if self._inner.is_finished():
            self.has_more = False
            return b""
        out: bytes = self._inner.process(data, output_buffer_limit=_STEP_BYTES)
        self.has_more = len(out) >= _STEP_BYTES or not self._inner.can_accept_more_data()
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
            return _Zlib(zlib.MAX_WBITS | 16)
        case "deflate":
            return _Deflate()
        case "br":
            return _Brotli()
        case "zstd":
            return _Zstd()
        case _:
            raise _malformed("Upstream answer has an unknown content coding")


def _malformed(message: str) -> RelayError:
    return RelayError(Fault(kind=FaultKind.UPSTREAM_MALFORMED, message=message))
