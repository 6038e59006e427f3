"""Rate limits in Redis are those of the installation, not of a process; full buckets leave nothing behind."""

import asyncio

import pytest
from redis.asyncio import Redis

from headgate.core.limits.token_bucket import RateCharge
from headgate.kit.secret import Secret
from headgate.settings import LimitsSettings, RedisSettings
from headgate.state.protocols import RateExceeded, RateGranted, SharedState
from headgate.state.redis import open_redis_state

pytestmark = pytest.mark.redis


def charge(amount: int = 1, limit: int = 60) -> RateCharge:
    return RateCharge(bucket="key:9:rpm", limit=limit, amount=amount)


def opened(url: str) -> SharedState:
    return open_redis_state(RedisSettings(url=Secret(url), deadline_s=5), LimitsSettings())


async def test_processes_share_one_limit(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as admin:
        await admin.flushall()
    processes = [opened(redis_url) for _ in range(3)]
    answers = await asyncio.gather(*(processes[n % 3].rates.draw([charge()]) for n in range(100)))
    assert sum(isinstance(answer, RateGranted) for answer in answers) == 60
    await asyncio.gather(*(process.close() for process in processes))


async def test_a_bucket_expires_when_it_is_full_again(redis_url: str) -> None:
    process = opened(redis_url)
    async with Redis.from_url(redis_url) as admin:
        await admin.flushall()
        await process.rates.draw([charge(30)])
        assert 29_000 < await admin.pttl("headgate:rate:key:9:rpm") <= 30_000
        await process.rates.correct([charge(-30)])
        assert await admin.dbsize() == 0
    await process.close()


async def test_a_server_clock_that_went_back_neither_floods_nor_locks(redis_url: str) -> None:
    """The bucket was last touched an hour after what the server says now."""
    process = opened(redis_url)
    async with Redis.from_url(redis_url) as admin:
        await admin.flushall()
        seconds, _ = await admin.time()
        later = (seconds + 3600) * 1000
        await admin.set("headgate:rate:key:9:rpm", f"{600 * 60_000} {later} 600")
        refused = await process.rates.draw([charge(limit=600)])
        assert isinstance(refused, RateExceeded)
        assert refused.retry_after_ms == 100
        await asyncio.sleep(0.12)
        assert isinstance(await process.rates.draw([charge(limit=600)]), RateGranted)
        assert isinstance(await process.rates.draw([charge(3, limit=600)]), RateExceeded)
    await process.close()
