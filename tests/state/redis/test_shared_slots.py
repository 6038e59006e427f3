"""Slots that several processes share (each state here stands for one process)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis

from headgate.kit.secret import Secret
from headgate.settings import RedisSettings
from headgate.state.protocols import Claim, Reserved, SharedState, SlotLease
from headgate.state.redis import open_redis_state, slots
from tests.state.conftest import LEASE_S, eventually, short_leases

pytestmark = pytest.mark.redis
WAITER_ALIVE_S = slots.WAITER_ALIVE_MS / 1000


@asynccontextmanager
async def process(url: str) -> AsyncIterator[SharedState]:
    state = open_redis_state(RedisSettings(url=Secret(url), deadline_s=5), short_leases())
    try:
        yield state
    finally:
        await state.close()


@pytest.fixture
async def processes(redis_url: str) -> AsyncIterator[tuple[SharedState, SharedState]]:
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Redis.from_url(redis_url))
        await admin.flushall()
        yield (
            await stack.enter_async_context(process(redis_url)),
            await stack.enter_async_context(process(redis_url)),
        )


async def enqueue(state: SharedState, owner: str, place: int) -> "asyncio.Task[object]":
    """Start to wait for `account:7`, and return when in line at `place`."""
    work = state.slots.acquire("account:7", limit=1, owner=owner, max_waiting=10, timeout_s=10)
    task: asyncio.Task[object] = asyncio.get_running_loop().create_task(work)

    async def is_in_line() -> bool:
        return (await state.slots.load(["account:7"]))["account:7"].waiting == place

    await eventually(is_in_line)
    return task


async def test_a_limit_holds_over_all_processes(processes: tuple[SharedState, SharedState]) -> None:
    one, two = processes
    assert await one.slots.try_acquire("account:7", limit=1, owner="one") is not None
    assert await two.slots.try_acquire("account:7", limit=1, owner="two") is None
    assert [owner for owner, _ in await two.slots.holders("account:7")] == ["one"]


async def test_the_line_is_one_over_all_processes(processes: tuple[SharedState, SharedState]) -> None:
    one, two = processes
    lease: object = await one.slots.try_acquire("account:7", limit=1, owner="holder")
    line = [await enqueue((one, two)[place % 2], f"w{place}", place + 1) for place in range(4)]
    for place, task in enumerate(line):
        assert isinstance(lease, SlotLease)
        await two.slots.release(lease)
        lease = await task
        assert not any(later.done() for later in line[place + 1 :])


async def test_slots_of_a_dead_process_come_back(
    redis_url: str, processes: tuple[SharedState, SharedState]
) -> None:
    survivor, _ = processes
    async with process(redis_url) as doomed:
        assert await doomed.slots.try_acquire("account:7", limit=1, owner="doomed") is not None
    waiter = await enqueue(survivor, "survivor", 1)
    await asyncio.sleep(LEASE_S)
    async with asyncio.timeout(1):
        assert isinstance(await waiter, SlotLease)


async def test_a_waiter_of_a_dead_process_is_skipped(
    redis_url: str, processes: tuple[SharedState, SharedState]
) -> None:
    survivor, _ = processes
    lease = await survivor.slots.try_acquire("account:7", limit=1, owner="holder")
    assert lease is not None
    async with process(redis_url) as doomed:
        dead = await enqueue(doomed, "dead", 1)
    await asyncio.gather(dead, return_exceptions=True)
    waiter = await enqueue(survivor, "alive", 2)
    for _ in range(round(WAITER_ALIVE_S / 0.5) + 1):
        await asyncio.sleep(0.5)
        await survivor.slots.renew([lease])
    await survivor.slots.release(lease)
    async with asyncio.timeout(LEASE_S / 2):
        assert isinstance(await waiter, SlotLease)


async def test_money_is_held_over_all_processes(processes: tuple[SharedState, SharedState]) -> None:
    one, two = processes
    await one.reservations.load({"user:3:balance": 10})
    claim = [Claim("user:3:balance", 1)]
    answers = await asyncio.gather(
        *(
            state.reservations.reserve(f"{name}{number}", claim, expires_at_ms=4_000_000_000_000)
            for number in range(20)
            for name, state in (("one", one), ("two", two))
        )
    )
    assert answers.count(Reserved()) == 10


async def test_money_of_a_dead_process_comes_back_and_that_of_a_living_one_stays(
    processes: tuple[SharedState, SharedState],
) -> None:
    dead, living = processes
    await living.reservations.load({"user:3:balance": 10})
    for name, state in (("dead", dead), ("living", living)):
        await state.reservations.reserve(name, [Claim("user:3:balance", 3)], expires_at_ms=1)
    await living.reservations.renew(ttl_s=60)
    assert await living.reservations.sweep() == 1
    assert await living.reservations.outstanding("user:3:balance") == 3


async def test_every_key_has_the_prefix_and_none_stays_for_ever(
    redis_url: str, processes: tuple[SharedState, SharedState]
) -> None:
    one, _ = processes
    await one.slots.try_acquire("account:7", limit=1, owner="x")
    waiter = await enqueue(one, "y", 1)
    await one.counters.add("login:a", 1, window_s=60)
    await one.reservations.load({"user:3:balance": 10})
    await one.reservations.reserve("r", [Claim("user:3:balance", 1)], expires_at_ms=4_000_000_000_000)
    await one.reservations.settle("r", {"user:3:balance": 1})
    await one.locks.acquire("job", ttl_s=60)
    async with Redis.from_url(redis_url) as admin:
        keys = [key async for key in admin.scan_iter()]
        lasting = {key.decode() for key in keys if await admin.ttl(key) == -1}
    assert all(key.startswith(b"headgate:") for key in keys)
    assert lasting <= {"headgate:slot-seq", "headgate:lock-seq", "headgate:bound-epoch"}
    waiter.cancel()
