"""Fixed-window counters of one process."""

from headgate.kit.clock import Clock
from headgate.state.memory.expiring import ExpiringMap

MAX_COUNTERS = 200_000
"""Names come from outside (addresses, e-mails of failed logins), so they are bounded: about 40 MB. A flood of
new names
pushes out the counter that was touched longest ago, never one that is being hammered."""


class MemoryCounters:
    """Implements `CounterStore`."""

    def __init__(self, clock: Clock, *, max_counters: int = MAX_COUNTERS) -> None:
        self._clock = clock
        self._values: ExpiringMap[str, int] = ExpiringMap(max_entries=max_counters)

    async def add(self, name: str, amount: int, *, window_s: int) -> int:
        now = self._clock.now_ms()
        present = self._values.get(name, now_ms=now)
        if present is None:
            self._values.put(name, amount, ends_ms=now + window_s * 1000)
            return amount
        self._values.replace(name, present + amount)
        return present + amount

    async def value(self, name: str) -> int:
        return self._values.get(name, now_ms=self._clock.now_ms()) or 0

    async def reset(self, name: str) -> None:
        self._values.drop(name)
