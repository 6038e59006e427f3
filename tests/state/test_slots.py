"""Slots behave the same in process and in Redis."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headgate.state.protocols import QueueFull, QueueTimeout, SharedState, SlotLease, SlotLoad
from tests.state.conftest import LEASE_S, Elapse, eventually

Waiting = Callable[..., "asyncio.Task[SlotLease | QueueFull | QueueTimeout]"]


async def hold(state: SharedState, *, limit: int = 1, owner: str = "first") -> SlotLease:
    lease = await state.slots.try_acquire("account:7", limit=limit, owner=owner)
    assert lease is not None
    return lease


async def load(state: SharedState) -> SlotLoad:
    return (await state.slots.load(["account:7"]))["account:7"]


async def wait_in_line(state: SharedState, count: int) -> None:
    async def are_waiting() -> bool:
        return (await load(state)).waiting == count

    await eventually(are_waiting)


async def becomes_idle(state: SharedState) -> None:
    """Before any lease could have ended by itself."""

    async def is_idle() -> bool:
        return await load(state) == SlotLoad(in_use=0, waiting=0)

    await eventually(is_idle, within_s=LEASE_S / 2)


@pytest.fixture
def waiting(state: SharedState, request: pytest.FixtureRequest) -> Waiting:
    """Start somebody who waits for `account:7`."""
    loop_tasks: list[asyncio.Task[Any]] = []

    def start(owner: str = "next", *, limit: int = 1, timeout_s: float = 10, **more: Any) -> Any:
        work = state.slots.acquire(
            "account:7", limit=limit, owner=owner, max_waiting=10, timeout_s=timeout_s, **more
        )
        loop_tasks.append(asyncio.get_running_loop().create_task(work))
        return loop_tasks[-1]

    return start


async def test_no_more_than_the_limit_are_given(state: SharedState) -> None:
    await hold(state, limit=2)
    await hold(state, limit=2)
    assert await state.slots.try_acquire("account:7", limit=2, owner="third") is None
    assert await load(state) == SlotLoad(in_use=2, waiting=0)


async def test_a_limit_of_zero_is_unlimited_and_still_counted(state: SharedState) -> None:
    for _ in range(5):
        await hold(state, limit=0)
    assert (await load(state)).in_use == 5


async def test_resources_do_not_share_slots(state: SharedState) -> None:
    await hold(state)
    assert await state.slots.try_acquire("account:8", limit=1, owner="other") is not None


async def test_an_unknown_resource_has_no_load(state: SharedState) -> None:
    loads = await state.slots.load(["account:7", "user:3"])
    assert (loads["account:7"], loads["user:3"], dict(loads)) == (SlotLoad(0, 0), SlotLoad(0, 0), {})
    assert await state.slots.load([]) == {}


async def test_a_released_slot_can_be_taken_again(state: SharedState) -> None:
    await state.slots.release(await hold(state))
    await hold(state)


async def test_releasing_twice_frees_nobody_elses_slot(state: SharedState) -> None:
    first = await hold(state)
    await state.slots.release(first)
    await hold(state)
    await state.slots.release(first)
    assert (await load(state)).in_use == 1


async def test_a_free_slot_is_taken_without_waiting(state: SharedState) -> None:
    lease = await state.slots.acquire("account:7", limit=1, owner="first", max_waiting=0, timeout_s=1)
    assert isinstance(lease, SlotLease)


async def test_those_who_wait_are_served_in_order(state: SharedState, waiting: Waiting) -> None:
    lease: SlotLease | QueueFull | QueueTimeout = await hold(state)
    tasks = []
    for place in range(3):
        tasks.append(waiting(f"waiter-{place}"))
        await wait_in_line(state, place + 1)
    for place, task in enumerate(tasks):
        assert isinstance(lease, SlotLease)
        await state.slots.release(lease)
        lease = await task
        assert not any(later.done() for later in tasks[place + 1 :])


async def test_a_crowd_never_exceeds_the_limit_and_leaves_nothing_behind(state: SharedState) -> None:
    busy = peak = 0

    async def visit(number: int) -> None:
        nonlocal busy, peak
        lease = await state.slots.acquire(
            "account:7",
            limit=3,
            owner=f"v{number}",
            max_waiting=100,
            timeout_s=0.05 if number % 5 == 0 else 10,
        )
        if isinstance(lease, SlotLease):
            busy += 1
            peak = max(peak, busy)
            try:
                await asyncio.sleep(0.001)
            finally:
                busy -= 1
                await state.slots.release(lease)

    visits = [asyncio.get_running_loop().create_task(visit(number)) for number in range(60)]
    await asyncio.sleep(0.01)
    for task in visits[1::7]:
        task.cancel()
    await asyncio.gather(*visits, return_exceptions=True)
    assert 1 <= peak <= 3
    await becomes_idle(state)


async def test_a_newcomer_never_overtakes_somebody_who_waits(state: SharedState, waiting: Waiting) -> None:
    lease = await hold(state)
    task = waiting()
    await wait_in_line(state, 1)
    await state.slots.release(lease)
    assert await state.slots.try_acquire("account:7", limit=1, owner="pushy") is None
    assert isinstance(await task, SlotLease)


async def test_a_released_slot_goes_to_the_first_in_line_at_once(
    state: SharedState, waiting: Waiting
) -> None:
    lease = await hold(state)
    task = waiting()
    await wait_in_line(state, 1)
    await state.slots.release(lease)
    assert await load(state) == SlotLoad(in_use=1, waiting=0)
    await task


async def test_a_full_queue_is_said_at_once(state: SharedState, waiting: Waiting) -> None:
    await hold(state)
    task = waiting()
    await wait_in_line(state, 1)
    answer = await state.slots.acquire("account:7", limit=1, owner="late", max_waiting=1, timeout_s=5)
    assert answer == QueueFull(waiting=1)
    task.cancel()


async def test_a_wait_ends_at_its_timeout_and_leaves_the_queue(state: SharedState, waiting: Waiting) -> None:
    await hold(state)
    answer = await waiting(timeout_s=0.05)
    assert isinstance(answer, QueueTimeout)
    assert answer.waited_s >= 0.04
    assert await load(state) == SlotLoad(in_use=1, waiting=0)


async def test_cancelling_leaves_the_queue(state: SharedState, waiting: Waiting) -> None:
    lease = await hold(state)
    cancelled, patient = waiting("cancelled"), waiting("patient")
    await wait_in_line(state, 2)
    cancelled.cancel()
    await wait_in_line(state, 1)
    await state.slots.release(lease)
    assert isinstance(await patient, SlotLease)


@pytest.mark.parametrize("ticks", range(4))
async def test_a_slot_granted_at_the_moment_of_cancelling_is_not_lost(
    state: SharedState, waiting: Waiting, ticks: int
) -> None:
    lease = await hold(state)
    task = waiting()
    await wait_in_line(state, 1)
    await state.slots.release(lease)
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, SlotLease):
        await state.slots.release(outcome)
    await becomes_idle(state)


async def test_a_cancelled_first_try_holds_nothing(state: SharedState) -> None:
    task = asyncio.get_running_loop().create_task(state.slots.try_acquire("account:7", limit=1, owner="gone"))
    await asyncio.sleep(0)
    task.cancel()
    [outcome] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(outcome, SlotLease):
        await state.slots.release(outcome)
    await becomes_idle(state)


async def test_a_raised_limit_serves_the_queue_first(state: SharedState, waiting: Waiting) -> None:
    await hold(state)
    task = waiting()
    await wait_in_line(state, 1)
    assert await state.slots.try_acquire("account:7", limit=2, owner="newcomer") is None
    assert isinstance(await task, SlotLease)


async def test_a_lowered_limit_holds_for_those_who_come_next(state: SharedState) -> None:
    leases = [await hold(state, limit=3) for _ in range(3)]
    await state.slots.release(leases[0])
    assert await state.slots.try_acquire("account:7", limit=1, owner="next") is None
    await state.slots.release(leases[1])
    await state.slots.release(leases[2])
    await hold(state, limit=1)


async def test_a_waiter_hears_its_place_when_it_changes(state: SharedState, waiting: Waiting) -> None:
    heard: list[int] = []
    lease = await hold(state)
    first = waiting("first")
    await wait_in_line(state, 1)
    second = waiting("second", on_position=heard.append)
    await wait_in_line(state, 2)
    await state.slots.release(lease)
    second_lease = await first
    assert isinstance(second_lease, SlotLease)

    async def has_heard() -> bool:
        return heard == [2, 1]

    await eventually(has_heard)
    await state.slots.release(second_lease)
    await second
    assert heard == [2, 1]


async def test_a_lease_that_is_not_renewed_is_reclaimed(state: SharedState, elapse: Elapse) -> None:
    lost = await hold(state)
    await elapse(LEASE_S + 0.05)
    taken = await hold(state, owner="second")
    await state.slots.release(lost)
    assert [owner for owner, _ in await state.slots.holders("account:7")] == ["second"]
    assert taken != lost


async def test_a_lost_lease_goes_to_the_first_in_the_queue(
    state: SharedState, elapse: Elapse, waiting: Waiting
) -> None:
    await hold(state)
    task = waiting()
    await wait_in_line(state, 1)
    await elapse(LEASE_S + 0.05)
    async with asyncio.timeout(2):
        assert isinstance(await task, SlotLease)


async def test_a_renewed_lease_is_kept(state: SharedState, elapse: Elapse) -> None:
    lease = await hold(state)
    await elapse(LEASE_S * 0.7)
    await state.slots.renew([lease])
    await elapse(LEASE_S * 0.7)
    assert await state.slots.try_acquire("account:7", limit=1, owner="second") is None
    assert (await load(state)).in_use == 1


async def test_renewing_a_lost_lease_does_not_bring_it_back(state: SharedState, elapse: Elapse) -> None:
    lost = await hold(state)
    await elapse(LEASE_S + 0.05)
    await hold(state, owner="second")
    await state.slots.renew([lost, SlotLease("account:99", "never")])
    assert (await load(state)).in_use == 1
    assert (await state.slots.load(["account:99"]))["account:99"].in_use == 0


async def test_holders_are_named_oldest_first(
    state: SharedState, elapse: Elapse, now_ms: Callable[[], int]
) -> None:
    began = now_ms()
    await hold(state, limit=2, owner="key:1:exchange")
    await elapse(0.02)
    await hold(state, limit=2, owner="key:2")
    holders = await state.slots.holders("account:7")
    assert [owner for owner, _ in holders] == ["key:1:exchange", "key:2"]
    assert all(0 <= since - began < 2000 for _, since in holders)
    assert list(await state.slots.holders("account:8")) == []
