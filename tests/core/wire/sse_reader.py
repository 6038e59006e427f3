"""Reads a whole event stream with the product's own framer and parser."""

from collections.abc import Iterable

from headgate.core.wire.sse import EventFramer, ServerSentEvent, parse_event, split_events


class EventsReader:
    """Bytes in, events out; unlike a browser, an unterminated last event is still read."""

    def __init__(self, max_event_bytes: int = 64 * 1024 * 1024) -> None:
        self._framer = EventFramer(max_event_bytes)

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        return list(_parsed(self._framer.feed(chunk)))

    def close(self) -> list[ServerSentEvent]:
        return list(_parsed(self._framer.take_rest()))


def _parsed(block: bytes) -> Iterable[ServerSentEvent]:
    return (event for raw in split_events(block) if (event := parse_event(raw)) is not None)
