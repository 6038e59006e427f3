"""Deterministic embedding vectors of unit length."""

import base64
import hashlib
import math
import struct

DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 3072


def vector(text: str, dimensions: int) -> list[float]:
    """The same text gives the same vector."""
    raw = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    values = struct.unpack(f"<{dimensions}h", raw)
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return [round(value / length, 7) for value in values]


def as_base64(values: list[float]) -> str:
    """Little-endian float32, as OpenAI's `encoding_format: base64`."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
