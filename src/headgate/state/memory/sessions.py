"""Conversations that accounts serve, in one process: last seen per conversation, oldest first."""

from collections import OrderedDict

from headgate.kit.clock import Clock
from headgate.state.protocols import Entry


class MemorySessions:
    """Implements `SessionStore`. Bounded by the limits themselves."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, OrderedDict[str, int]] = {}

    async def enter(self, resource: str, session: str, *, limit: int, idle_ms: int) -> Entry:
        seen = self._alive(resource, idle_ms)
        is_known = session in seen
        if not is_known and len(seen) >= limit:
            return "full"
        seen[session] = self._clock.now_ms()
        seen.move_to_end(session)
        self._seen[resource] = seen
        return "known" if is_known else "new"

    async def leave(self, resource: str, session: str) -> None:
        seen = self._seen.get(resource)
        if seen is not None:
            seen.pop(session, None)
            if not seen:
                del self._seen[resource]

    async def count(self, resource: str, *, idle_ms: int) -> int:
        return len(self._alive(resource, idle_ms))

    def _alive(self, resource: str, idle_ms: int) -> OrderedDict[str, int]:
        seen = self._seen.get(resource)
        if seen is None:
            return OrderedDict()
        ended = self._clock.now_ms() - idle_ms
        while seen and next(iter(seen.values())) <= ended:
            seen.popitem(last=False)
        if not seen:
            del self._seen[resource]
        return seen
