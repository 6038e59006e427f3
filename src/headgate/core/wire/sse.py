"""`text/event-stream` as values (WHATWG HTML, section 9.2 "Server-sent events").

Knows: lines, fields, event boundaries with all three line endings, the BOM. Refuses to know: what the data
means.
Invariants: chunk boundaries never matter; nothing grows beyond `max_event_bytes`; bytes can be cut into whole
events without changing one of them (`split_events`).
"""

import re
from dataclasses import dataclass

_LF_BOUNDARY = re.compile(rb"\n\n")
_CRLF_BOUNDARY = re.compile(rb"\r\n\r\n")
_ANY_BOUNDARY = re.compile(rb"\n(?:\r\n|\r|\n)|\r(?:\n(?:\r\n|\r|\n)|\r\n|\r)")
_BOM = b"\xef\xbb\xbf"
LONGEST_BOUNDARY = 4


class EventTooLarge(Exception):
    """One event exceeds the limit; the stream cannot be metered any further."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One dispatched event. `data` are the data lines joined by a line feed, undecoded."""

    event: str
    data: bytes


def parse_event(raw: bytes) -> ServerSentEvent | None:
    """The event in one block of lines; None for comments, blank lines and blocks without data."""
    name, data = "", []
    for line in raw.removeprefix(_BOM).splitlines():
        if line.startswith(b"data:"):
            data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            name = line[6:].strip().decode("utf-8", "replace")
        elif line == b"data":
            data.append(b"")
    return ServerSentEvent(name, b"\n".join(data)) if data else None


def split_events(block: bytes) -> list[bytes]:
    """Cut a block of whole events into one byte string each, boundaries included; joining them gives the
    block."""
    events, start = [], 0
    for boundary in _boundary_of(block).finditer(block):
        events.append(block[start : boundary.end()])
        start = boundary.end()
    if start < len(block):
        events.append(block[start:])
    return events


def _boundary_of(block: bytes) -> re.Pattern[bytes]:
    """The cheapest pattern that finds every boundary: almost all streams use one line ending throughout (a
    literal search is ten times as fast as the general pattern)."""
    returns = block.count(b"\r")
    if not returns:
        return _LF_BOUNDARY
    is_crlf = returns == block.count(b"\n") == block.count(b"\r\n")
    return _CRLF_BOUNDARY if is_crlf else _ANY_BOUNDARY


def replace_data(raw: bytes, event: ServerSentEvent, data: bytes) -> bytes:
    """The same event with other data: every other byte stays where it was (one data line, the rule), or,
    where the data stands in several lines, the other lines stay and the new data follows them."""
    if raw.count(event.data) == 1:
        return raw.replace(event.data, data)
    lines = raw.removeprefix(_BOM).splitlines()
    kept = [line for line in lines if line and line.partition(b":")[0] != b"data"]
    return b"\n".join([*kept, *(b"data: " + line for line in data.splitlines()), b"", b""])


class EventFramer:
    """Collects chunks and gives back blocks of whole events. The common case, a chunk of whole events, is not
    copied."""

    __slots__ = ("_limit", "_tail")

    def __init__(self, max_event_bytes: int) -> None:
        self._limit = max_event_bytes
        self._tail = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """All bytes up to the last event boundary seen so far; empty while no event is complete.

        Raises `EventTooLarge` when an unfinished event exceeds the limit, and forgets it."""
        if not self._tail and chunk.endswith((b"\n\n", b"\r\n\r\n")):
            return chunk
        return self._join(chunk)

    def take_rest(self) -> bytes:
        """What is left at the end of the stream: an event without its closing blank line, or nothing."""
        rest = bytes(self._tail)
        self._tail.clear()
        return rest

    def split(self, block: bytes) -> list[bytes]:
        return split_events(block)

    def parse(self, raw: bytes) -> ServerSentEvent | None:
        return parse_event(raw)

    def _join(self, chunk: bytes) -> bytes:
        overlap = bytes(self._tail[1 - LONGEST_BOUNDARY :])
        self._tail += chunk
        window, end = overlap + chunk, 0
        for boundary in _boundary_of(window).finditer(window):
            end = len(self._tail) - len(window) + boundary.end()
        if len(self._tail) - end > self._limit:
            self._tail.clear()
            raise EventTooLarge(f"event of more than {self._limit} bytes")
        block = bytes(self._tail[:end])
        del self._tail[:end]
        return block

    def __repr__(self) -> str:
        return f"EventFramer(pending={len(self._tail)})"


def frame(data: bytes, *, event: str = "") -> bytes:
    """One event as bytes. `data` must be one line."""
    name = b"event: " + event.encode() + b"\n" if event else b""
    return name + b"data: " + data + b"\n\n"
