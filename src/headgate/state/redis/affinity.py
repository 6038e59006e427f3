"""Sticky sessions in Redis: one string per session with a time to live."""

import msgspec

from headgate.core.ids import AccountId, SessionKey
from headgate.core.routing.stickiness import Home
from headgate.state.redis.pipeline import Pipeline

_PREFIX = "headgate:affinity:"
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Home | int)


class RedisAffinity:
    """Implements `AffinityStore`. Bounded by the times to live and by Redis' own memory limit."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def get(self, session: SessionKey) -> Home | None:
        """An account's number alone was written by a process of an earlier version."""
        stored = await self._pipeline.call("GET", _PREFIX + session)
        if stored is None:
            return None
        found = _DECODER.decode(stored)
        return found if isinstance(found, Home) else Home(AccountId(found))

    async def bind(self, session: SessionKey, home: Home, *, ttl_s: int) -> None:
        await self._pipeline.call("SET", _PREFIX + session, _ENCODER.encode(home), "EX", ttl_s)

    async def drop(self, session: SessionKey) -> None:
        await self._pipeline.call("DEL", _PREFIX + session)
