"""Sticky sessions of one process."""

from headgate.core.ids import SessionKey
from headgate.core.routing.stickiness import Home
from headgate.kit.clock import Clock
from headgate.state.memory.expiring import ExpiringMap

MAX_SESSIONS = 200_000
"""About 80 MB at 400 bytes an entry; at a time to live of one hour this is 55 new conversations or signed
thoughts a second. Beyond it the conversation idle for longest loses its account, which costs one cold prompt
cache."""


class MemoryAffinity:
    """Implements `AffinityStore`."""

    def __init__(self, clock: Clock, *, max_sessions: int = MAX_SESSIONS) -> None:
        self._clock = clock
        self._homes: ExpiringMap[SessionKey, Home] = ExpiringMap(max_entries=max_sessions)

    async def get(self, session: SessionKey) -> Home | None:
        return self._homes.get(session, now_ms=self._clock.now_ms())

    async def bind(self, session: SessionKey, home: Home, *, ttl_s: int) -> None:
        self._homes.put(session, home, ends_ms=self._clock.now_ms() + ttl_s * 1000)

    async def drop(self, session: SessionKey) -> None:
        self._homes.drop(session)
