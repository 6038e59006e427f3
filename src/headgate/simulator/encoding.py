"""Content encodings for answers, flushed at every write so that a stream stays a stream."""

import zlib
from typing import Protocol

import brotli

_ZSTD_HEADER = b"\x28\xb5\x2f\xfd\x00\x58"  # magic, no content size, window of 2 MiB (RFC 8878 3.1.1)
_ZSTD_BLOCK = 1 << 17
_ZSTD_END = b"\x01\x00\x00"  # last block, raw, empty


class Encoder(Protocol):
    def encode(self, data: bytes) -> bytes:
        """What to write for `data`, complete up to here."""
        ...

    def finish(self) -> bytes:
        """What to write at the end."""
        ...


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._compressor = zlib.compressobj(wbits=wbits)

    def encode(self, data: bytes) -> bytes:
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=4)

    def encode(self, data: bytes) -> bytes:
        return bytes(self._compressor.process(data) + self._compressor.flush())

    def finish(self) -> bytes:
        return bytes(self._compressor.finish())


class _StoredZstd:
    """A valid Zstandard frame of raw blocks: nothing is saved, but every decoder must take it (RFC 8878
    3.1.1.2).
    """

    def __init__(self) -> None:
        self._head = _ZSTD_HEADER

    def encode(self, data: bytes) -> bytes:
        blocks = [data[start : start + _ZSTD_BLOCK] for start in range(0, len(data), _ZSTD_BLOCK)]
        head, self._head = self._head, b""
        return head + b"".join((len(block) << 3).to_bytes(3, "little") + block for block in blocks)

    def finish(self) -> bytes:
        return self.encode(b"") + _ZSTD_END


def encoder_for(wanted: str | None, accepted: bytes) -> Encoder | None:
    """The scripted encoding, when the request accepts it."""
    if not wanted or wanted.encode() not in [name.split(b";")[0].strip() for name in accepted.split(b",")]:
        return None
    match wanted:
        case "gzip":
            return _Zlib(31)
        case "deflate":
            return _Zlib(15)
        case "br":
            return _Brotli()
        case "zstd":
            return _StoredZstd()
        case _:
            return None
