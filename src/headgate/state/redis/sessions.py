"""Conversations that accounts serve, in Redis: a sorted set per account, conversation -> last seen."""

from typing import cast

from headgate.state.protocols import Entry
from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script


class RedisSessions:
    """Implements `SessionStore`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._enter = read_script("session_enter")
        self._count = read_script("session_count")

    async def enter(self, resource: str, session: str, *, limit: int, idle_ms: int) -> Entry:
        answer: bytes = await self._pipeline.run(self._enter, resource, session, limit, idle_ms)
        return cast("Entry", answer.decode())

    async def leave(self, resource: str, session: str) -> None:
        await self._pipeline.call("ZREM", f"headgate:sessions:{resource}", session)

    async def count(self, resource: str, *, idle_ms: int) -> int:
        return int(await self._pipeline.run(self._count, resource, idle_ms))
