"""Sticky sessions in Redis: one string per session with a time to live."""

import msgspec

from headgate.core.ids import SessionKey
from headgate.core.routing.stickiness import Home
from headgate.state.redis.pipeline import Pipeline

_PREFIX = "headgate:home:"
"""Not `headgate:affinity:`, which processes of earlier versions read as a number."""
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Home)


class RedisAffinity:
    """Implements `AffinityStore`. Bounded by the times to live and by Redis' own memory limit."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def get(self, session: SessionKey) -> Home | None:
        """What cannot be read (a newer version wrote it, or somebody else) is no home: one cold cache."""
        stored = await self._pipeline.call("GET", _PREFIX + session)
        if stored is None:
            return None
        try:
            return _DECODER.decode(stored)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def bind(self, session: SessionKey, home: Home, *, ttl_s: int) -> None:
        await self._pipeline.call("SET", _PREFIX + session, _ENCODER.encode(home), "EX", ttl_s)

    async def drop(self, session: SessionKey) -> None:
        await self._pipeline.call("DEL", _PREFIX + session)
