"""Waiting for a slot: in order, bounded, on record, and over at once when the client leaves."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headgate.core.faults import FaultKind, RelayError
from headgate.kit.tasks import TaskOwner
from headgate.relay.exchange import Exchange
from headgate.relay.slot_queue import SlotQueue
from headgate.state.protocols import SharedState, SlotLease
from tests.relay.people import Client, exchange_for

ROOM = "user:1"


@pytest.fixture
def queue(state: SharedState, tasks: TaskOwner) -> SlotQueue:
    return SlotQueue(state.slots, tasks)


@pytest.fixture
async def held(state: SharedState) -> SlotLease:
    """The only slot, taken."""
    lease = await state.slots.try_acquire(ROOM, limit=1, owner="first")
    assert lease is not None
    return lease


async def wait(queue: SlotQueue, exchange: Exchange, **limits: Any) -> SlotLease:
    options: dict[str, Any] = {"limit": 1, "max_waiting": 5, "timeout_s": 5, "refusals": ("full", "too long")}
    return await queue.wait(exchange, ROOM, **{**options, **limits})


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not check():
            await asyncio.sleep(0.001)


async def test_a_free_slot_is_taken_at_once(queue: SlotQueue) -> None:
    assert (await wait(queue, exchange_for())).resource == ROOM


async def test_a_slot_that_comes_free_goes_to_the_one_who_waits(
    queue: SlotQueue, state: SharedState, held: SlotLease, tasks: TaskOwner
) -> None:
    waiting = tasks.spawn(wait(queue, exchange_for(name="second")), name="second")
    await until(lambda: queue.waiting == 1)
    await state.slots.release(held)
    lease = await waiting
    assert [owner for owner, _ in await state.slots.holders(ROOM)] == ["second"]
    assert (lease.resource, queue.waiting) == (ROOM, 0)


async def test_those_who_wait_are_served_in_order(
    queue: SlotQueue, state: SharedState, held: SlotLease, tasks: TaskOwner
) -> None:
    served: list[str] = []

    async def take(name: str) -> None:
        lease = await wait(queue, exchange_for(name=name))
        served.append(name)
        await state.slots.release(lease)

    for number, name in enumerate(["a", "b", "c"], start=1):
        tasks.spawn(take(name), name=name)
        await until(lambda expected=number: queue.waiting == expected)  # type: ignore[misc]
    await state.slots.release(held)
    await until(lambda: len(served) == 3)
    assert served == ["a", "b", "c"]


async def test_a_full_queue_refuses_with_its_own_message(queue: SlotQueue, held: SlotLease) -> None:
    with pytest.raises(RelayError) as caught:
        await wait(queue, exchange_for(), max_waiting=0)
    fault = caught.value.fault
    assert (fault.kind, fault.message, fault.retry_after_s) == (FaultKind.QUEUE_FULL, "full", 1)


async def test_a_wait_ends_in_time_with_its_own_message(queue: SlotQueue, held: SlotLease) -> None:
    with pytest.raises(RelayError) as caught:
        await wait(queue, exchange_for(), timeout_s=0.02)
    assert (caught.value.fault.kind, caught.value.fault.message) == (FaultKind.QUEUE_TIMEOUT, "too long")


async def test_a_client_that_leaves_gives_up_its_place_at_once(
    queue: SlotQueue, state: SharedState, held: SlotLease, tasks: TaskOwner
) -> None:
    client = Client()
    waiting = tasks.spawn(wait(queue, exchange_for(client)), name="leaver")
    await until(lambda: queue.waiting == 1)
    client.leave()
    with pytest.raises(RelayError) as caught:
        await waiting
    assert caught.value.fault.kind is FaultKind.CLIENT_GONE
    assert (queue.waiting, (await state.slots.load([ROOM]))[ROOM].waiting) == (0, 0)


async def test_a_client_that_left_before_does_not_wait_at_all(queue: SlotQueue, held: SlotLease) -> None:
    async with asyncio.timeout(1):
        with pytest.raises(RelayError) as caught:
            await wait(queue, exchange_for(Client(is_gone=True)))
    assert caught.value.fault.kind is FaultKind.CLIENT_GONE


async def test_the_slot_passes_over_one_who_left(
    queue: SlotQueue, state: SharedState, held: SlotLease, tasks: TaskOwner
) -> None:
    leaver = Client()
    gone = tasks.spawn(wait(queue, exchange_for(leaver, name="leaver")), name="leaver")
    await until(lambda: queue.waiting == 1)
    stays = tasks.spawn(wait(queue, exchange_for(name="stays")), name="stays")
    await until(lambda: queue.waiting == 2)
    leaver.leave()
    await state.slots.release(held)
    assert (await stays).resource == ROOM
    await asyncio.gather(gone, return_exceptions=True)
    assert [owner for owner, _ in await state.slots.holders(ROOM)] == ["stays"]


async def test_a_shutdown_while_waiting_is_no_fault_of_the_client(
    queue: SlotQueue, state: SharedState, held: SlotLease, tasks: TaskOwner
) -> None:
    waiting = tasks.spawn(wait(queue, exchange_for()), name="stopped")
    await until(lambda: queue.waiting == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await state.slots.load([ROOM]))[ROOM].waiting == 0


async def test_the_trace_says_for_what_and_how_long(
    queue: SlotQueue, state: SharedState, held: SlotLease, tasks: TaskOwner
) -> None:
    exchange = exchange_for()
    waiting = tasks.spawn(wait(queue, exchange), name="traced")
    await until(lambda: queue.waiting == 1)
    await state.slots.release(held)
    await waiting
    (noted,) = exchange.trace.facts["waits"]
    assert (noted["for"], noted["first_position"], noted["result"]) == (ROOM, 1, "SlotLease")


async def test_the_trace_says_that_a_wait_was_in_vain(queue: SlotQueue, held: SlotLease) -> None:
    exchange = exchange_for()
    with pytest.raises(RelayError):
        await wait(queue, exchange, timeout_s=0.02)
    assert exchange.trace.facts["waits"][0]["result"] == "QueueTimeout"
