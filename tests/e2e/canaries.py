"""Strings that must not come out again: each says where it was put in, and all share one mark to search for.

A find is a canary in plain text or in base64 (whatever its alignment); every other secret that the gateway
issues itself (tokens, keys) is searched for literally.
"""

import base64
import re
from itertools import count

MARK = "kanari7f3a9c"
_FILLER = "0123456789"
"""Before and after the mark, so that a mask of a few first and last characters is no find."""
_PLAIN = re.compile(MARK.encode() + rb"(\d{6})")


def _aligned(text: bytes, shift: int) -> bytes:
    """The base64 characters that depend on `text` alone when `shift` bytes stand before it."""
    encoded = base64.b64encode(b"\0" * shift + text + b"\0\0")
    skip = -(-shift * 8 // 6)
    return encoded[skip : (shift + len(text)) * 8 // 6]


_ENCODED = tuple(_aligned(MARK.encode(), shift) for shift in range(3))


class Canaries:
    """Makes them and finds them."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._places: dict[bytes, str] = {}
        self._issued: dict[bytes, str] = {}

    def new(self, place: str, *, prefix: str = "") -> str:
        """A canary for `place`: letters, digits and the prefix only, 40 characters and more."""
        code = f"{next(self._numbers):06d}"
        self._places[code.encode()] = place
        return f"{prefix}{_FILLER}{MARK}{code}{_FILLER}"

    def issued(self, place: str, secret: str) -> str:
        """A secret that the gateway made itself; returned as it is."""
        self._issued[secret.encode()] = place
        return secret

    def found(self, data: bytes) -> set[str]:
        """The places whose canaries are in `data`."""
        places = {self._places[code] for code in _PLAIN.findall(data)}
        places |= {place for secret, place in self._issued.items() if secret in data}
        if any(encoded in data for encoded in _ENCODED):
            places.add("something in base64")
        return places
