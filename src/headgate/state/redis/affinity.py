"""Sticky sessions in Redis: one string per session with a time to live."""

from headgate.core.ids import AccountId, SessionKey
from headgate.state.redis.pipeline import Pipeline

_PREFIX = "headgate:affinity:"


class RedisAffinity:
    """Implements `AffinityStore`. Bounded by the times to live and by Redis' own memory limit."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def get(self, session: SessionKey) -> AccountId | None:
        account = await self._pipeline.call("GET", _PREFIX + session)
        return AccountId(int(account)) if account is not None else None

    async def bind(self, session: SessionKey, account: AccountId, *, ttl_s: int) -> None:
        await self._pipeline.call("SET", _PREFIX + session, account, "EX", ttl_s)

    async def drop(self, session: SessionKey) -> None:
        await self._pipeline.call("DEL", _PREFIX + session)
