"""How much of a streamed event is framing: what is left when its text is taken out.

Knows: that every dialect puts generated text into a member of one of a few names. Refuses to know: dialects.
Invariant: never raises, whatever the bytes; bounded in depth.
"""

from typing import Any

import msgspec

_TEXT_MEMBERS = frozenset(
    {"text", "content", "delta", "partial_json", "thinking", "arguments", "reasoning_content", "signature"}
)
_DEPTH = 6
_SMALLEST = 20


def envelope_of(raw: bytes, data: bytes) -> int | None:
    """Bytes of an event beside its text; None: it is no JSON or holds no text member."""
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    text = _longest(decoded, _DEPTH)
    if text is None:
        return None
    return max(_SMALLEST, len(raw) - len(msgspec.json.encode(text)) + 2)


def _longest(value: Any, depth: int) -> str | None:
    if depth == 0:
        return None
    if isinstance(value, dict):
        found = [
            inner if isinstance(inner, str) else _longest(inner, depth - 1)
            for name, inner in value.items()
            if not isinstance(inner, str) or name in _TEXT_MEMBERS
        ]
    elif isinstance(value, list):
        found = [_longest(inner, depth - 1) for inner in value]
    else:
        return None
    return max((text for text in found if text is not None), key=len, default=None)
