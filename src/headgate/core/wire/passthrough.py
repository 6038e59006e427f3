"""Same dialect on both sides: bytes pass untouched while a reader listens (DESIGN 4, `ResponseStream`).

Knows: framing, the commit point, holding back, whole-event edits. Refuses to know: any vendor's events; those are in the
`EventReader` of each dialect. Invariants: without edits the client receives exactly the upstream's bytes; chunk
boundaries never change what the reader learns; memory is bounded by one event.
"""

from typing import Literal, Protocol

from headgate.core.dialects.contract import Reading
from headgate.core.faults import Fault, FaultKind
from headgate.core.wire.sse import EventFramer, EventTooLarge, ServerSentEvent, parse_event, split_events, strip_bom

Opening = Literal["noise", "content"]


class EventReader(Protocol):
    """A dialect's ear on a stream. State is the reading; every method is cheap and never raises."""

    markers: tuple[bytes, ...]
    """An event whose raw bytes hold none of these is not shown to `on_event` (most events of a long answer)."""
    edit_markers: tuple[bytes, ...]
    """The same for `edit`; empty: this stream is never edited."""
    finished: bool
    """The terminal event was seen."""
    fault: Fault | None
    """An in-band error event was seen."""

    def opening(self, event: ServerSentEvent) -> Opening | Fault:
        """Judge an event before the commit point: noise (ping), content (commit), or a fault (in-band error, not JSON)."""
        ...

    def on_event(self, event: ServerSentEvent) -> None: ...

    def edit(self, raw: bytes, event: ServerSentEvent) -> bytes:
        """The bytes to pass instead of this event; empty removes it."""
        ...

    def reading(self, *, is_complete: bool, events_seen: int) -> Reading: ...


class SSEPassthrough:
    """`ResponseStream` for SSE answers of the client's own dialect."""

    __slots__ = (
        "_events", "_framer", "_held", "_markers", "_reader", "_started", "committed", "fault", "fault_shown", "finished",
    )

    def __init__(self, reader: EventReader, *, max_event_bytes: int) -> None:
        self._reader = reader
        self._markers = reader.markers
        self._framer = EventFramer(max_event_bytes)
        self._held = bytearray()
        self._events = 0
        self._started = False
        self.committed = False
        self.finished = False
        self.fault: Fault | None = None
        self.fault_shown = False
        """The fault reached the client as the provider's own event; it must not be rendered again."""

    def feed(self, chunk: bytes) -> bytes:
        try:
            block = self._framer.feed(chunk)
        except EventTooLarge as error:
            self.fault = Fault(kind=FaultKind.UPSTREAM_MALFORMED, message=f"The upstream sent an {error}")
            return b""
        if not self.committed:
            return self._feed_uncommitted(chunk, block)
        if block:
            self._listen(block)
        if self._reader.edit_markers:
            return self._edited(block)
        return chunk

    def close(self) -> bytes:
        rest = self._framer.take_rest()
        out = b""
        if rest:
            out = self._close_rest(rest)
        if not self.finished and self.fault is None:
            self.fault = Fault(
                kind=FaultKind.UPSTREAM_CUT, message="The upstream ended its answer before it was complete"
            )
        return out

    def reading(self) -> Reading:
        return self._reader.reading(is_complete=self.finished, events_seen=self._events)

    def _close_rest(self, rest: bytes) -> bytes:
        """An unterminated last event: still read, and still owed to the client where it was held back."""
        if not self.committed:
            return self._feed_uncommitted(b"", rest)
        self._listen(rest)
        return self._edited(rest) if self._reader.edit_markers else b""

    def _feed_uncommitted(self, chunk: bytes, block: bytes) -> bytes:
        self._held += chunk
        if not block:
            return b""
        if not self._started:
            self._started = True
            block = strip_bom(block)
        for raw in split_events(block):
            event = parse_event(raw)
            if event is None:
                continue
            verdict = self._reader.opening(event)
            if isinstance(verdict, Fault):
                self.fault = verdict
                return b""
            if verdict == "content":
                return self._commit(block)
        return b""

    def _commit(self, block: bytes) -> bytes:
        self.committed = True
        self._listen(block)
        held = bytes(self._held)
        self._held = bytearray()
        if not self._reader.edit_markers:
            return held
        pending = len(held) - len(self._framer.peek_rest())
        return self._edited(held[:pending])

    def _listen(self, block: bytes) -> None:
        self._events += block.count(b"data:")
        for marker in self._markers:
            if marker in block:
                self._read_marked(block)
                return

    def _read_marked(self, block: bytes) -> None:
        reader, markers = self._reader, self._markers
        for raw in split_events(block):
            if any(marker in raw for marker in markers) and (event := parse_event(raw)) is not None:
                reader.on_event(event)
        self.finished = reader.finished
        if reader.fault is not None and self.fault is None:
            self.fault, self.fault_shown = reader.fault, True

    def _edited(self, block: bytes) -> bytes:
        reader, markers = self._reader, self._reader.edit_markers
        if not any(marker in block for marker in markers):
            return block
        out = []
        for raw in split_events(block):
            event = parse_event(raw) if any(marker in raw for marker in markers) else None
            out.append(raw if event is None else reader.edit(raw, event))
        return b"".join(out)

    def __repr__(self) -> str:
        return f"SSEPassthrough(committed={self.committed}, finished={self.finished}, {self._framer!r})"
