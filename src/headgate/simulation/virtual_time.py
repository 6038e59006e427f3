"""An event loop whose time jumps to the next thing that is due: hours of waiting pass in milliseconds.

Nothing in it may wait for the outside world: no sockets, no threads. Then the same work gives the same
result, whatever the machine is doing.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

START_MS = 1_750_000_000_000
"""Virtual time begins here; recorded traffic is shifted to it."""


class _Idle(selectors.BaseSelector):
    """Selects nothing; when the loop would sleep, it is told for how long."""

    def __init__(self) -> None:
        self.loop: VirtualLoop | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert self.loop is not None
        if timeout is None:
            raise RuntimeError("the simulation waits for something that will never happen")
        self.loop.advance(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now_s = 0.0
        idle = _Idle()
        super().__init__(idle)
        idle.loop = self

    def time(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        self._now_s += max(0.0, seconds)


class VirtualClock:
    """Implements `Clock` by a virtual loop's time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return START_MS + round(self._loop.time() * 1000)

    def monotonic(self) -> float:
        return self._loop.time()


def run_virtually(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, and close the loop."""
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
