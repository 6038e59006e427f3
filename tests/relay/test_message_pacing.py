"""Messages that people write: one at a time per account, with pauses; tools pass at once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import update

from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import rpm_counter
from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.leases import LeaseKeeper
from headgate.relay.message_pacing import MessagePacer, end_turn
from headgate.relay.picker import Picked
from headgate.relay.slot_queue import SlotQueue
from headgate.state.protocols import SharedState
from headgate.storage.models import AccountRow
from tests.relay.conftest import Change
from tests.relay.people import MODEL, exchange_for

ONE = AccountId(1)
WORDS = b'{"messages": [{"role": "user", "content": "hello"}]}'
RESULT = b'{"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}'
Paced = Callable[..., Awaitable[Picked]]


class Road:
    """The pacer, whose pauses pass in virtual time."""

    def __init__(self, state: SharedState, tasks: TaskOwner, clock: FakeClock) -> None:
        self.pauses: list[float] = []
        leases = LeaseKeeper(state.slots, lease_s=15)

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)
            clock.advance(seconds)

        self.pacer = MessagePacer(state, SlotQueue(state.slots, tasks), leases, clock, sleep)


@pytest.fixture
def road(state: SharedState, tasks: TaskOwner, clock: FakeClock) -> Road:
    return Road(state, tasks, clock)


@pytest.fixture
def paced(change: Change, directory: Directory) -> Paced:
    async def paced(**extra: object) -> Picked:
        await change(update(AccountRow).where(AccountRow.id == 1).values(extra=extra))
        await directory.refresh()
        account = directory.account(ONE)
        assert account is not None
        return Picked(account=account, upstream_model=MODEL, lease=None)

    return paced


def message(name: str, body: bytes = WORDS) -> Exchange:
    return exchange_for(name=name, body=body)


async def test_messages_go_one_after_the_other_with_a_pause(road: Road, paced: Paced) -> None:
    picked = await paced(user_msg_queue_mode="serialize")
    first, second, tool = message("1"), message("2"), message("3", RESULT)
    await road.pacer.wait(first, picked)
    waiting = asyncio.create_task(road.pacer.wait(second, picked), name="second")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await road.pacer.wait(tool, picked)
    assert tool.end_turn is None, "the result of a tool waits for nobody"
    await end_turn(first)
    await end_turn(first)
    await waiting
    assert len(road.pauses) == 1
    assert 0.17 <= road.pauses[0] <= 0.23
    await end_turn(second)


async def test_throttling_has_the_pause_alone_and_it_grows_with_the_load(
    road: Road, paced: Paced, state: SharedState, clock: FakeClock
) -> None:
    picked = await paced(user_msg_queue_mode="throttle", base_rpm=10)
    await road.pacer.wait(message("1"), picked)
    await road.pacer.wait(message("2"), picked)
    assert not road.pauses, "nothing has been accepted yet"
    done = message("3")
    await road.pacer.wait(done, picked)
    await end_turn(done)
    await state.counters.add(rpm_counter(ONE, clock.now_ms()), 9, window_s=120)
    await road.pacer.wait(message("4"), picked)
    assert 1.7 <= road.pauses[0] <= 2.3
    clock.advance(5)
    await road.pacer.wait(message("5"), picked)
    assert len(road.pauses) == 1, "the pause is over by itself"


async def test_an_account_without_pacing_costs_nothing(road: Road, paced: Paced) -> None:
    exchange = message("1")
    await road.pacer.wait(exchange, await paced(base_rpm=5))
    assert exchange.end_turn is None
