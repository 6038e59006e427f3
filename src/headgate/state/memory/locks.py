"""Named locks of one process. Names are those of jobs, so there are few."""

import itertools

from headgate.kit.clock import Clock


class MemoryLocks:
    """Implements `LockStore`. Tokens grow with every acquisition."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tokens = itertools.count(1)
        self._held: dict[str, tuple[str, int]] = {}

    async def acquire(self, name: str, *, ttl_s: float) -> str | None:
        now = self._clock.now_ms()
        held = self._held.get(name)
        if held is not None and held[1] > now:
            return None
        token = str(next(self._tokens))
        self._held[name] = (token, now + round(ttl_s * 1000))
        return token

    async def renew(self, name: str, token: str, *, ttl_s: float) -> bool:
        now = self._clock.now_ms()
        held = self._held.get(name)
        if held is None or held[0] != token or held[1] <= now:
            return False
        self._held[name] = (token, now + round(ttl_s * 1000))
        return True

    async def release(self, name: str, token: str) -> None:
        held = self._held.get(name)
        if held is not None and held[0] == token:
            del self._held[name]
