"""Slots live as long as their requests and come back exactly once."""

import asyncio

from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.relay.leases import LeaseKeeper
from headgate.settings import LimitsSettings
from headgate.state.protocols import SharedState, SlotLease

LEASE_S = LimitsSettings().slot_lease_s


async def taken(state: SharedState, keeper: LeaseKeeper) -> SlotLease:
    lease = await state.slots.try_acquire("user:1", limit=1, owner="x1")
    assert lease is not None
    keeper.hold(lease)
    return lease


async def test_a_released_slot_serves_the_next(state: SharedState) -> None:
    keeper = LeaseKeeper(state.slots, lease_s=LEASE_S)
    await keeper.release(await taken(state, keeper))
    assert len(keeper) == 0
    await taken(state, keeper)


async def test_releasing_twice_does_not_free_the_slot_of_another(state: SharedState) -> None:
    keeper = LeaseKeeper(state.slots, lease_s=LEASE_S)
    first = await taken(state, keeper)
    await keeper.release(first)
    await taken(state, keeper)
    await keeper.release(first)
    assert await state.slots.try_acquire("user:1", limit=1, owner="x3") is None


async def test_a_request_longer_than_a_lease_keeps_its_slot(
    state: SharedState, clock: FakeClock, tasks: TaskOwner
) -> None:
    keeper = LeaseKeeper(state.slots, lease_s=0.03)
    tasks.spawn(keeper.run(), name="heartbeat")
    await taken(state, keeper)
    for _ in range(4):
        clock.advance(LEASE_S - 1)
        await asyncio.sleep(0.03)
    assert await state.slots.try_acquire("user:1", limit=1, owner="x2") is None


async def test_without_a_heartbeat_a_dead_process_loses_its_slot(
    state: SharedState, clock: FakeClock
) -> None:
    await taken(state, LeaseKeeper(state.slots, lease_s=LEASE_S))
    clock.advance(LEASE_S + 1)
    assert await state.slots.try_acquire("user:1", limit=1, owner="x2") is not None
