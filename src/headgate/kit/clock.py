"""Wall and monotonic time behind one object, so that tests can hold it still."""

import time
from datetime import UTC, datetime
from typing import Protocol


def instant(at_ms: float) -> datetime:
    """The moment that many milliseconds after the Unix epoch, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC)


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


class FakeClock:
    """A clock that moves only when told."""

    def __init__(self, now_ms: int = 1_750_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._now_ms / 1000

    def advance(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)
