"""How often keys were claimed, replayed and refused in this process; shown as metrics (spec 7.15)."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

Event = Literal["claim", "replay", "conflict", "in_progress", "backoff", "store_error"]
EVENTS: tuple[Event, ...] = ("claim", "replay", "conflict", "in_progress", "backoff", "store_error")


class IdempotencyCounters:
    def __init__(self) -> None:
        self._counts: Counter[Event] = Counter()

    def count(self, event: Event) -> None:
        self._counts[event] += 1

    def read(self) -> Mapping[str, int]:
        """Every event, also those that never happened."""
        return {event: self._counts[event] for event in EVENTS}
