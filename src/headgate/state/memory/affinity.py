"""Sticky sessions of one process."""

from headgate.core.ids import AccountId, SessionKey
from headgate.kit.clock import Clock
from headgate.state.memory.expiring import ExpiringMap

MAX_SESSIONS = 100_000
"""About 30 MB at 300 bytes an entry; at a time to live of one hour this is 28 new conversations a second.
Beyond it the conversation idle for longest loses its account, which costs one cold prompt cache."""


class MemoryAffinity:
    """Implements `AffinityStore`."""

    def __init__(self, clock: Clock, *, max_sessions: int = MAX_SESSIONS) -> None:
        self._clock = clock
        self._accounts: ExpiringMap[SessionKey, AccountId] = ExpiringMap(max_entries=max_sessions)

    async def get(self, session: SessionKey) -> AccountId | None:
        return self._accounts.get(session, now_ms=self._clock.now_ms())

    async def bind(self, session: SessionKey, account: AccountId, *, ttl_s: int) -> None:
        self._accounts.put(session, account, ends_ms=self._clock.now_ms() + ttl_s * 1000)

    async def drop(self, session: SessionKey) -> None:
        self._accounts.drop(session)
