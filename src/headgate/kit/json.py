"""The one JSON decoder and encoder of the control plane and the shell (hot-path peeking uses msgspec
structs)."""

from typing import Any

import msgspec

JSONDecodeError = msgspec.DecodeError


def loads(data: bytes | str) -> Any:
    """Decode strictly (RFC 8259: no NaN, valid UTF-8, nesting within the stack). Raises `JSONDecodeError`."""
    try:
        return msgspec.json.decode(data)
    except UnicodeError:
        raise JSONDecodeError("not valid UTF-8") from None
    except RecursionError:
        raise JSONDecodeError("nested too deeply") from None


def dumps(value: Any) -> bytes:
    """Encode compactly, UTF-8."""
    return msgspec.json.encode(value)


def dumps_sorted(value: Any) -> bytes:
    """Encode compactly with the names of objects in order: equal documents give equal bytes."""
    return msgspec.json.encode(value, order="sorted")
