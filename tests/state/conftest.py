"""Both backends behind one fixture. `elapse` lets time pass: at once for memory, really for Redis (own
clock).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from redis.asyncio import Redis

from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.settings import LimitsSettings, RedisSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import SharedState
from headgate.state.redis import open_redis_state
from tests.support.redis_server import running_redis

Elapse = Callable[[float], Awaitable[None]]

LEASE_S = 1
BACKENDS = ["memory", pytest.param("redis", marks=pytest.mark.redis)]


def short_leases() -> LimitsSettings:
    """Leases shorter than an operator may set, so that real waiting stays short."""
    return LimitsSettings.model_construct(**{**dict(LimitsSettings()), "slot_lease_s": LEASE_S})


async def eventually(check: Callable[[], Awaitable[bool]], *, within_s: float = 5) -> None:
    """Return as soon as `check` holds; `TimeoutError` when it does not in time."""
    async with asyncio.timeout(within_s):
        while True:
            if await check():
                return
            await asyncio.sleep(0.002)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def state(backend: str, request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[SharedState]:
    if backend == "memory":
        yield open_memory_state(clock, short_leases())
        return
    url: str = request.getfixturevalue("redis_url")
    async with Redis.from_url(url) as admin:
        await admin.flushall()
    opened = open_redis_state(RedisSettings(url=Secret(url), deadline_s=5), short_leases())
    yield opened
    await opened.close()


@pytest.fixture
def elapse(backend: str, clock: FakeClock) -> Elapse:
    async def wait(seconds: float) -> None:
        clock.advance(seconds)
        if backend == "redis":
            await asyncio.sleep(seconds)

    return wait


@pytest.fixture
def now_ms(backend: str, clock: FakeClock) -> Callable[[], int]:
    """The present as the backend sees it."""
    if backend == "memory":
        return clock.now_ms
    return lambda: time.time_ns() // 1_000_000
