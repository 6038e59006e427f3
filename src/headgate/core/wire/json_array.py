"""A JSON array that arrives piece by piece, cut into its elements (Gemini's stream without `alt=sse`).

Knows: strings, escapes, nesting, and that elements are objects. Refuses to know: whether an element is valid
JSON inside (its reader finds out) and what it means. Invariants: the same as for events of an event stream:
chunk boundaries never matter, joining the pieces gives the input, nothing grows beyond the limit, every byte
is looked at once.
"""

import re

from headgate.core.wire.sse import EventTooLarge, ServerSentEvent

_TOKEN = re.compile(rb'[{}\[\]]|"[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)
_STRING_REST = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+("?)', re.DOTALL)
_QUOTE, _BRACE = ord('"'), ord("{")
_OPENING = frozenset(b"{[")
_AROUND = b"[, \t\r\n"


class ArrayFramer:
    """Collects chunks and gives back blocks of whole elements, each with the punctuation in front of it."""

    __slots__ = ("_at", "_block", "_depth", "_ends", "_is_in_string", "_limit", "_tail")

    def __init__(self, max_element_bytes: int) -> None:
        self._limit = max_element_bytes
        self._tail = bytearray()
        self._at = 0
        self._depth = 0
        self._is_in_string = False
        self._block = b""
        self._ends: list[int] = []

    def feed(self, chunk: bytes) -> bytes:
        """All bytes up to the end of the last complete element. Raises `EventTooLarge` as `EventFramer.feed`
        does."""
        self._tail += chunk
        ends = self._scan()
        end = ends[-1] if ends else 0
        if len(self._tail) - end > self._limit:
            self._tail.clear()
            self._at = 0
            raise EventTooLarge(f"array element of more than {self._limit} bytes")
        block = bytes(self._tail[:end])
        del self._tail[:end]
        self._at -= end
        self._block, self._ends = block, ends
        return block

    def take_rest(self) -> bytes:
        """What follows the last complete element: the closing bracket, or half an element."""
        rest = bytes(self._tail)
        self._tail.clear()
        self._at = 0
        return rest

    def split(self, block: bytes) -> list[bytes]:
        """Elements of a block that `feed` returned (remembered), or of several such blocks (scanned
        again)."""
        pieces, start = [], 0
        for end in self._ends if block is self._block else self._scan_again(block):
            pieces.append(block[start:end])
            start = end
        if start < len(block):
            pieces.append(block[start:])
        return pieces

    def parse(self, raw: bytes) -> ServerSentEvent | None:
        """The element without punctuation; None for the closing bracket alone."""
        data = raw.lstrip(_AROUND)
        return ServerSentEvent("", data) if data.startswith(b"{") else None

    def _scan_again(self, block: bytes) -> list[int]:
        scanner = ArrayFramer(self._limit)
        scanner._tail += block
        return scanner._scan()

    def _scan(self) -> list[int]:
        """Read on from where the last scan stopped; the ends of the elements completed since."""
        ends: list[int] = []
        if self._is_in_string and not self._skip_string(_STRING_REST.match(self._tail, self._at)):
            return ends
        for token in _TOKEN.finditer(self._tail, self._at):
            first = self._tail[token.start()]
            if first == _QUOTE:
                if not self._skip_string(token):
                    return ends
            elif self._step(first):
                ends.append(token.end())
        self._at = len(self._tail)
        return ends

    def _skip_string(self, token: re.Match[bytes] | None) -> bool:
        """True when the string was closed; otherwise the scan stops here (in front of a lone backslash)."""
        assert token is not None, "the rest of a string may be empty, so it always matches"
        self._at = token.end()
        self._is_in_string = not token[1]
        return not self._is_in_string

    def _step(self, bracket: int) -> bool:
        """True when this bracket closes an element. At the top level only `{` counts: brackets there are the
        array's."""
        if bracket in _OPENING:
            if self._depth or bracket == _BRACE:
                self._depth += 1
            return False
        if not self._depth:
            return False
        self._depth -= 1
        return self._depth == 0

    def __repr__(self) -> str:
        return f"ArrayFramer(pending={len(self._tail)}, depth={self._depth})"
