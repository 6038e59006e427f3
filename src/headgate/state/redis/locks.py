"""Named leases in Redis. A lock lost by expiry fences its old holder: its token is smaller than the new
one."""

from headgate.state.redis.pipeline import Pipeline
from headgate.state.redis.scripts import read_script


class RedisLocks:
    """Implements `LockStore`."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._acquire = read_script("lock_acquire")
        self._release = read_script("lock_release")
        self._renew = read_script("lock_renew")

    async def acquire(self, name: str, *, ttl_s: float) -> str | None:
        token = await self._pipeline.run(self._acquire, name, max(1, round(ttl_s * 1000)))
        return str(token) if token is not None else None

    async def renew(self, name: str, token: str, *, ttl_s: float) -> bool:
        return bool(await self._pipeline.run(self._renew, name, token, max(1, round(ttl_s * 1000))))

    async def release(self, name: str, token: str) -> None:
        await self._pipeline.run(self._release, name, token)
