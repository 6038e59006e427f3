"""Named edits of a JSON object's top level, in place where possible.

Knows: how to replace or add top-level members without touching any other value's bytes. Refuses to know: what
they mean.
Invariants: every other member keeps its exact bytes (number formatting, escapes, inner white space); an edit
never lands in a nested member or in a string that merely looks the same.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_OPENING = re.compile(rb"[ \t\r\n]*\{")
_KEY = re.compile(rb'[ \t\r\n]*("[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_SEPARATOR = re.compile(rb"[ \t\r\n]*([,}])")

Span = tuple[int, int]


class NotAnObject(ValueError):
    """The body is no JSON object."""


def members(body: bytes) -> dict[str, msgspec.Raw]:
    """Top-level members with their raw bytes (of duplicates the last, as decoders do). Raises
    `NotAnObject`."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnObject(str(error)) from None


def fields(raw: bytes) -> dict[str, bytes]:
    """The members of an object, to be changed and joined again. Raises `NotAnObject`."""
    return {name: bytes(value) for name, value in members(raw).items()}


def items(raw: bytes) -> list[bytes] | None:
    """The raw items of an array; None: it is none."""
    try:
        return [bytes(item) for item in _ITEMS.decode(raw)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def join_members(values: Mapping[str, bytes]) -> bytes:
    """An object of raw values: every value keeps its bytes."""
    return b"{" + b",".join(_member(name, value) for name, value in values.items()) + b"}"


def join_items(values: Iterable[bytes]) -> bytes:
    """An array of raw values."""
    return b"[" + b",".join(values) + b"]"


def set_members(body: bytes, changes: Mapping[str, bytes]) -> bytes:
    """Set top-level members to raw JSON values: replaced where they stand, added in front otherwise.

    Raises `NotAnObject`."""
    top = members(body)
    spans = _locate(body, top)
    if spans is None:
        return _rejoin(body, changes)
    opening = body.index(b"{") + 1
    added = b",".join(_member(name, value) for name, value in changes.items() if name not in spans)
    parts: list[bytes | memoryview] = [body[:opening], added, b"," if added and spans else b""]
    view, at = memoryview(body), opening
    for name in sorted(changes.keys() & spans.keys(), key=lambda name: spans[name]):
        start, end = spans[name]
        parts += (view[at:start], changes[name])
        at = end
    return b"".join([*parts, view[at:]])


def _locate(body: bytes, top: Mapping[str, msgspec.Raw]) -> dict[str, Span] | None:
    """Where each member's value stands; None when a key is duplicated.

    Walks member by member: keys are matched, values are compared with what the decoder returned and skipped
    whole, so the walk never looks inside a value."""
    spans: dict[str, Span] = {}
    opening = _OPENING.match(body)
    at, is_closed = opening.end() if opening else 0, not top
    for name, raw in top.items():
        key = _KEY.match(body, at)
        value = bytes(raw)
        if key is None or msgspec.json.decode(key[1]) != name or not body.startswith(value, key.end()):
            return None
        separator = _SEPARATOR.match(body, key.end() + len(value))
        if separator is None:
            return None
        spans[name] = (key.end(), key.end() + len(value))
        at, is_closed = separator.end(), separator[1] == b"}"
    return spans if is_closed else None


def _rejoin(body: bytes, changes: Mapping[str, bytes]) -> bytes:
    """The object with each name once: what a decoder sees, written out. Only for bodies with duplicate
    names."""
    return join_members({**fields(body), **changes})


def _member(name: str, value: bytes) -> bytes:
    return msgspec.json.encode(name) + b":" + value
