"""Named edits of a JSON object's top level, in place where possible.

Knows: how to replace or add top-level members without touching any other value's bytes. Refuses to know: what they mean.
Invariant: every other member keeps its exact bytes (number formatting, escapes, inner white space).
"""

import re
from collections.abc import Mapping

import msgspec

_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])


class NotAnObject(ValueError):
    """The body is no JSON object."""


def members(body: bytes) -> dict[str, msgspec.Raw]:
    """Top-level members with their raw bytes. Raises `NotAnObject`."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise NotAnObject(str(error)) from None


def set_members(body: bytes, changes: Mapping[str, bytes]) -> bytes:
    """Set top-level members to raw JSON values: replaced where they stand, appended otherwise."""
    for name, value in changes.items():
        body = _set_member(body, name, value)
    return body


def _set_member(body: bytes, name: str, value: bytes) -> bytes:
    top = members(body)
    key = msgspec.json.encode(name)
    if name not in top:
        return _insert(body, key + b":" + value, is_empty=not top)
    return _replace(body, top, name, key, value)


def _insert(body: bytes, member: bytes, *, is_empty: bool) -> bytes:
    opening = body.index(b"{") + 1
    return body[:opening] + member + (b"" if is_empty else b",") + body[opening:]


def _replace(body: bytes, top: Mapping[str, msgspec.Raw], name: str, key: bytes, value: bytes) -> bytes:
    """One textual match must be the top-level member; where a nested member looks the same, rejoin the raw values."""
    old = bytes(top[name])
    matches = list(re.finditer(re.escape(key) + rb"[ \t\r\n]*:[ \t\r\n]*" + re.escape(old), body))
    if len(matches) == 1:
        end = matches[0].end()
        return body[: end - len(old)] + value + body[end:]
    return b"{" + b",".join(
        msgspec.json.encode(k) + b":" + (value if k == name else bytes(raw)) for k, raw in top.items()
    ) + b"}"
