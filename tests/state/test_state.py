"""Which backend is opened, and what a bad one does."""

import asyncio

import pytest

from headgate.core.limits.token_bucket import RateCharge
from headgate.errors import StartupError
from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.settings import LimitsSettings, RedisSettings, Settings
from headgate.state import open_state
from headgate.state.memory.slots import MemorySlots
from headgate.state.protocols import StateUnavailable
from headgate.state.redis import open_redis_state
from headgate.state.redis.slots import RedisSlots
from tests.support.redis_server import free_port


async def test_without_redis_state_is_in_process(clock: FakeClock) -> None:
    state = open_state(Settings(redis=RedisSettings(url=None)), clock)
    assert isinstance(state.slots, MemorySlots)
    await state.close()


async def test_with_a_redis_url_state_is_there_and_the_start_does_not_wait_for_it(clock: FakeClock) -> None:
    url = Secret(f"redis://127.0.0.1:{free_port()}/0")
    state = open_state(Settings(redis=RedisSettings(url=url)), clock)
    assert isinstance(state.slots, RedisSlots)
    with pytest.raises(StateUnavailable):
        await state.slots.load(["user:3"])
    await state.close()


def test_a_url_of_something_else_stops_the_start_without_showing_it() -> None:
    with pytest.raises(StartupError) as failure:
        open_redis_state(RedisSettings(url=Secret("http://user:hunter2@host")), LimitsSettings())
    assert "redis.url" in str(failure.value)
    assert "hunter2" not in str(failure.value)


def test_no_url_is_a_start_up_error() -> None:
    with pytest.raises(StartupError, match="HEADGATE_REDIS_URL"):
        open_redis_state(RedisSettings(url=None), LimitsSettings())


async def test_every_method_says_that_the_store_is_unavailable() -> None:
    url = Secret(f"redis://127.0.0.1:{free_port()}/0")
    state = open_redis_state(RedisSettings(url=url), LimitsSettings())
    calls = [
        state.slots.try_acquire("user:3", limit=1, owner="x"),
        state.slots.acquire("user:3", limit=1, owner="x", max_waiting=1, timeout_s=1),
        state.reservations.reserve("r", [], expires_at_ms=1),
        state.reservations.settle("r", {}),
        state.counters.value("login:a"),
        state.rates.draw([RateCharge(bucket="key:9:rpm", limit=60, amount=1)]),
        state.rates.correct([RateCharge(bucket="key:9:tpm", limit=60, amount=1)]),
        state.locks.acquire("job", ttl_s=1),
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, StateUnavailable) for answer in answers)
    await state.close()
