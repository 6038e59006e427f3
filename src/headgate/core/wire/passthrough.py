"""Same dialect on both sides: bytes pass untouched while a reader listens (DESIGN 4, `ResponseStream`).

Knows: framing, the commit point, holding back, whole-event edits. Refuses to know: any vendor's events; those
are in the `EventReader` of each dialect. Invariants: without edits a complete answer reaches the client byte
for byte; only whole events are passed, so that a fault can be rendered cleanly after a cut (half an event at
the cut is dropped: no client could have read it); chunk boundaries never change what the reader learns;
memory is bounded by one event.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
from msgspec.structs import replace

from headgate.core.dialects.contract import Reading
from headgate.core.dialects.metering import BYTES_PER_OUTPUT_TOKEN
from headgate.core.dialects.request_body import media_bytes
from headgate.core.faults import Fault, FaultKind
from headgate.core.usage import TokenUsage
from headgate.core.wire.envelope import envelope_of
from headgate.core.wire.sse import EventTooLarge, ServerSentEvent

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""Inline images make long events (`gateway.max_line_size`)."""

Opening = Literal["noise", "content"]


_MEASURED = 2
"""Events with output whose envelope is weighed; the first often carries more than the others."""


_LARGE = 64 * 1024
"""Blocks beyond this may hold pictures, which are no text."""


class Framer(Protocol):
    """Cuts a byte stream into whole events: `EventFramer` (SSE) or `ArrayFramer` (a JSON array)."""

    def feed(self, chunk: bytes) -> bytes: ...

    def take_rest(self) -> bytes: ...

    def split(self, block: bytes) -> list[bytes]: ...

    def parse(self, raw: bytes) -> ServerSentEvent | None: ...


class EventReader(Protocol):
    """A dialect's ear on a stream. State is the reading; every method is cheap and never raises."""

    unit: bytes
    """Bytes found once in every event that carries output; counted for the estimate when no usage is
    reported."""
    envelope_bytes: int
    """What an event with output weighs without its text, about."""
    markers: tuple[bytes, ...]
    """An event whose raw bytes hold none of these is not shown to `on_event` (most events of a long
    answer)."""
    edit_markers: tuple[bytes, ...]
    """The same for `edit`; empty: this stream is not edited (any more)."""
    finished: bool
    """The terminal event was seen."""
    fault: Fault | None
    """An in-band error event was seen."""
    output_reports: int
    """How often the provider has said how much output there was so far."""

    def opening(self, event: ServerSentEvent) -> Opening | Fault:
        """Judge an event before the commit point: noise (ping), content (commit), or a fault (in-band error,
        not JSON)."""
        ...

    def on_event(self, event: ServerSentEvent) -> None: ...

    def edit(self, raw: bytes, event: ServerSentEvent) -> bytes:
        """The bytes to pass instead of this event; empty removes it."""
        ...

    def is_complete_at_end(self) -> bool:
        """The connection ended without a terminal event: is the answer complete all the same?"""
        ...

    def reading(self, *, is_complete: bool, units_seen: int, bytes_seen: int) -> Reading: ...

    def ending(self, passed: Sequence[ServerSentEvent], usage: TokenUsage) -> bytes:
        """Framed bytes that end the answer here as the dialect ends one at its output limit. `passed`: the
        last events that the client got; `usage`: what is known of it, output estimated."""
        ...


class _Reported(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the last report that counted output can have counted."""

    units: int = 0
    bytes: int = 0
    media: int = 0


_NOTHING_REPORTED = _Reported()


class Passthrough:
    """`ResponseStream` for answers of the client's own dialect."""

    __slots__ = (
        "_before",
        "_bytes",
        "_envelope",
        "_framer",
        "_held",
        "_is_dead",
        "_last",
        "_last_output",
        "_max_held_bytes",
        "_measured",
        "_media",
        "_reader",
        "_reported",
        "_units",
        "committed",
        "fault",
        "fault_shown",
        "finished",
    )

    def __init__(self, reader: EventReader, framer: Framer, *, max_held_bytes: int = MAX_EVENT_BYTES) -> None:
        self._reader = reader
        self._framer = framer
        self._held = bytearray()
        self._max_held_bytes = max_held_bytes
        self._units = 0
        self._bytes = 0
        self._before = 0
        self._media = 0
        self._reported = _NOTHING_REPORTED
        self._envelope = reader.envelope_bytes
        self._measured = 0
        self._last = b""
        self._last_output = b""
        self._is_dead = False
        self.committed = False
        self.finished = False
        self.fault: Fault | None = None
        self.fault_shown = False

    def feed(self, chunk: bytes) -> bytes:
        if self._is_dead:
            return b""
        try:
            block = self._framer.feed(chunk)
        except EventTooLarge as error:
            return self._die(f"The upstream sent an {error}")
        if not block:
            return b""
        return self._pass(block) if self.committed else self._open(block)

    def close(self) -> bytes:
        was_committed = self.committed
        rest = b"" if self._is_dead else self._framer.take_rest()
        out = (self._pass(rest) if self.committed else self._open(rest)) if rest else b""
        self.finished = self.finished or (self.fault is None and self._reader.is_complete_at_end())
        if self.finished or self.fault_shown:
            return out
        self.committed = was_committed
        if self.fault is None or (
            rest and self.fault.kind is FaultKind.UPSTREAM_MALFORMED
        ):  # half an event is a cut
            self.fault = Fault(
                kind=FaultKind.UPSTREAM_CUT, message="The upstream ended its answer before it was complete"
            )
        return b""

    @property
    def at_boundary(self) -> bool:
        """No event is half passed: only whole events ever are."""
        return True

    def reading(self) -> Reading:
        reading = self._reader.reading(
            is_complete=self.finished, units_seen=self._units, bytes_seen=self._bytes
        )
        return reading if self.finished else replace(reading, passed_output=self._passed_output(reading))

    def _passed_output(self, reading: Reading) -> int:
        """A report that came before any output (`message_start`) counts nothing that was passed."""
        reported, said = self._reported, reading.usage.output
        units = self._units - reported.units
        text = self._bytes - max(self._before, reported.bytes) - (self._media - reported.media)
        text -= units * self._envelope
        unreported = max(units, text // BYTES_PER_OUTPUT_TOKEN) if units else 0
        return max(said, (said if reported.units else 0) + unreported)

    def _measure(self, block: bytes) -> None:
        """Where the output begins, and how much of its events is envelope: the smaller of the first two."""
        if not self._units:
            self._before = self._bytes + block.find(self._reader.unit)
        for raw in self._framer.split(block):
            if self._measured == _MEASURED:
                return
            if (
                self._reader.unit in raw
                and len(raw) < _LARGE
                and (event := self._framer.parse(raw)) is not None
            ):
                envelope = envelope_of(raw, event.data)
                if envelope is not None:
                    self._envelope = envelope if not self._measured else min(self._envelope, envelope)
                self._measured += 1

    def output_tokens(self, *, bytes_per_token: int) -> int:
        """Output passed so far: at least one token per event that carried some, and one per so many bytes
        beyond what the envelopes of those events weigh. What comes before the first output does not
        count."""
        text = self._bytes - self._before - self._media - self._units * self._envelope
        return max(self._units, text // bytes_per_token)

    def cut_short(self, fault: Fault, usage: TokenUsage) -> bytes:
        """End the answer here, properly, for a reason of our own; nothing more is passed. Returns the bytes
        that end it."""
        self._is_dead = True
        self.fault, self.fault_shown = fault, True
        passed = [
            event
            for block in (self._last_output, self._last)
            for raw in self._framer.split(block)
            if (event := self._framer.parse(raw)) is not None
        ]
        return self._reader.ending(passed, usage)

    def _open(self, block: bytes) -> bytes:
        """Before the commit point: hold everything back until the first event that is content."""
        self._held += block
        if len(self._held) > self._max_held_bytes:
            return self._die("The upstream sent no content")
        for raw in self._framer.split(block):
            event = self._framer.parse(raw)
            verdict = "noise" if event is None else self._reader.opening(event)
            if isinstance(verdict, Fault):
                self.fault = verdict
                self._is_dead = True
                return b""
            if verdict == "content":
                return self._commit()
        return b""

    def _commit(self) -> bytes:
        out = self._pass(bytes(self._held))
        self._held = bytearray()
        self.committed = bool(out)
        return out

    def _pass(self, block: bytes) -> bytes:
        reader = self._reader
        self._last = block
        if units := block.count(reader.unit):
            if self._measured < _MEASURED:
                self._measure(block)
            self._units += units
            self._last_output = block
        self._bytes += len(block)
        if len(block) > _LARGE:
            self._media += media_bytes(block)
        for marker in reader.markers:
            if block.find(marker) >= 0:  # half the cost of `in`
                self._listen(block)
                break
        return self._edited(block) if reader.edit_markers else block

    def _listen(self, block: bytes) -> None:
        reader, markers, reports, end = self._reader, self._reader.markers, self._reader.output_reports, 0
        for raw in self._framer.split(block):
            end += len(raw)
            if any(marker in raw for marker in markers) and (event := self._framer.parse(raw)) is not None:
                reader.on_event(event)
                if reader.output_reports != reports:
                    reports = reader.output_reports
                    self._reported = self._seen_before(block[end:])
        self.finished = reader.finished
        if reader.fault is not None and self.fault is None:
            self.fault, self.fault_shown = reader.fault, True

    def _seen_before(self, rest: bytes) -> "_Reported":
        """What was passed up to the event in front of `rest`, the end of the block that is being passed."""
        media = media_bytes(rest) if len(rest) > _LARGE else 0
        return _Reported(
            units=self._units - rest.count(self._reader.unit),
            bytes=self._bytes - len(rest),
            media=self._media - media,
        )

    def _edited(self, block: bytes) -> bytes:
        reader, markers = self._reader, self._reader.edit_markers
        if all(block.find(marker) < 0 for marker in markers):
            return block
        out = []
        for raw in self._framer.split(block):
            event = self._framer.parse(raw) if any(marker in raw for marker in markers) else None
            out.append(raw if event is None else reader.edit(raw, event))
        return b"".join(out)

    def _die(self, message: str) -> bytes:
        self._is_dead = True
        self._held = bytearray()
        self.fault = Fault(kind=FaultKind.UPSTREAM_MALFORMED, message=message)
        return b""

    def __repr__(self) -> str:
        return f"Passthrough(committed={self.committed}, finished={self.finished}, {self._framer!r})"
