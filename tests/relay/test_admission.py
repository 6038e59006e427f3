"""The one choke point: a slot and the money before any upstream call, and both back whatever happens."""

import asyncio
from dataclasses import replace as replace_dataclass
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from headgate.core.faults import FaultKind, RelayError
from headgate.core.ids import UserId
from headgate.core.limits.budget import budget_of
from headgate.core.limits.fair_share import FairSharing
from headgate.core.limits.rate_limit import RateLimit
from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.prices import price_book_builder
from headgate.relay.admission import Admission
from headgate.relay.directory import Directory
from headgate.relay.estimator import Estimator
from headgate.relay.exchange import Exchange
from headgate.relay.experience import Experience
from headgate.relay.leases import LeaseKeeper
from headgate.relay.rate_gate import RateGate
from headgate.relay.reserver import Reserver
from headgate.relay.slot_queue import SlotQueue
from headgate.settings import GatewaySettings, LimitsSettings, PricingSettings
from headgate.state.protocols import SharedState, SlotLoad
from headgate.storage.models import UserRow
from headgate.storage.read_model import ReadModel
from tests.relay.conftest import Change
from tests.relay.people import MODEL, caller, exchange_for
from tests.storage.books import VAULT, user_row

USER, BALANCE = "user:1", "user:1:balance"
HOUSE_MODEL = "a-house-model"
"""Priced by default: 10 USD in, 50 USD out per million tokens."""


@pytest.fixture
def leases(state: SharedState) -> LeaseKeeper:
    return LeaseKeeper(state.slots, lease_s=15)


@pytest.fixture
def admission(
    directory: Directory, state: SharedState, read_model: ReadModel, clock: FakeClock, tasks: TaskOwner,
    leases: LeaseKeeper,
) -> Admission:  # fmt: skip
    return admission_over(directory, state, read_model, clock, tasks, leases)


def admission_over(
    directory: Directory, state: SharedState, read_model: ReadModel, clock: FakeClock, tasks: TaskOwner,
    leases: LeaseKeeper, *, wait_s: float = 0.05,
) -> Admission:  # fmt: skip
    limits = LimitsSettings()
    gateway = GatewaySettings(user_wait_timeout_s=wait_s, user_max_waiting=0)
    reserver = Reserver(state.reservations, read_model, clock, limits)
    queue = SlotQueue(state.slots, tasks)
    rates = RateGate(state.rates, clock, Experience(), limits)
    estimator = Estimator(directory, Experience(), limits)
    return Admission(estimator, reserver, state, queue, leases, rates, gateway)


def asking(name: str = "x1", *, concurrency: int = 1, **peek: Any) -> Exchange:
    exchange = exchange_for(name=name)
    exchange.caller = caller(concurrency=concurrency)
    exchange.peek = replace(exchange.peek, **{"model": HOUSE_MODEL, **peek})
    return exchange


def first_cost(admission: Admission, exchange: Exchange) -> int:
    """What is reserved at admission, nano-USD."""
    budget = budget_of(exchange.caller, exchange.charge_multiplier, now_ms=exchange.started_at_ms)
    need, _ = admission.estimator.need(exchange, budget)
    return budget.amount(budget.bounds[0], need.list_nano(need.wanted_tokens))


async def in_use(state: SharedState) -> int:
    return (await state.slots.load([USER]))[USER].in_use


async def test_who_enters_holds_a_slot_and_the_money(admission: Admission, state: SharedState) -> None:
    exchange = asking()
    await admission.enter(exchange)
    assert await in_use(state) == 1
    assert await state.reservations.outstanding(BALANCE) == first_cost(admission, exchange)


async def test_who_leaves_gives_both_back(
    admission: Admission, state: SharedState, leases: LeaseKeeper
) -> None:
    exchange = asking()
    await admission.leave(exchange, await admission.enter(exchange))
    assert (await in_use(state), len(leases)) == (0, 0)
    assert await state.reservations.outstanding(BALANCE) == 0


async def test_who_cannot_pay_holds_nothing(
    admission: Admission, state: SharedState, leases: LeaseKeeper, change: Change
) -> None:
    await change(update(UserRow).values(balance_nano=1))
    with pytest.raises(RelayError) as caught:
        await admission.enter(asking())
    assert caught.value.fault.kind is FaultKind.BALANCE_INSUFFICIENT
    assert (await in_use(state), len(leases)) == (0, 0)


async def test_one_more_than_the_user_may_have_waits_and_is_refused(admission: Admission) -> None:
    await admission.enter(asking("x1"))
    with pytest.raises(RelayError) as caught:
        await admission.enter(asking("x2"))
    assert caught.value.fault.kind is FaultKind.QUEUE_TIMEOUT
    assert "Concurrency limit exceeded for user" in caught.value.fault.message


def asking_by_limited_key(name: str, *, slots: int = 1, users: int = 5) -> Exchange:
    exchange = asking(name, concurrency=users)
    key = replace_dataclass(exchange.caller.key, concurrency=slots)
    exchange.caller = replace(exchange.caller, key=key)
    return exchange


async def slots_in_use(state: SharedState) -> tuple[int, int]:
    """Of the key and of its user."""
    loads = await state.slots.load(["key:1", USER])
    return loads["key:1"].in_use, loads[USER].in_use


async def test_one_more_than_the_key_may_have_waits_and_is_refused_and_keeps_no_slot_of_the_user(
    admission: Admission, state: SharedState, leases: LeaseKeeper
) -> None:
    first = asking_by_limited_key("x1")
    lease = await admission.enter(first)
    with pytest.raises(RelayError) as caught:
        await admission.enter(asking_by_limited_key("x2"))
    assert caught.value.fault.kind is FaultKind.QUEUE_TIMEOUT
    assert "Concurrency limit exceeded for this key" in caught.value.fault.message
    assert await slots_in_use(state) == (1, 1)
    await admission.leave(first, lease)
    assert (await slots_in_use(state), len(leases)) == ((0, 0), 0)


async def test_who_is_refused_by_the_users_limit_gives_the_slot_of_the_key_back(
    admission: Admission, state: SharedState, leases: LeaseKeeper
) -> None:
    await admission.enter(asking("x1"))
    with pytest.raises(RelayError):
        await admission.enter(asking_by_limited_key("x2", users=1))
    assert (await slots_in_use(state), len(leases)) == ((0, 1), 1)


async def test_who_cannot_pay_gives_the_slot_of_the_key_back(
    admission: Admission, state: SharedState, leases: LeaseKeeper, change: Change
) -> None:
    await change(update(UserRow).values(balance_nano=1))
    with pytest.raises(RelayError):
        await admission.enter(asking_by_limited_key("x1"))
    assert (await slots_in_use(state), len(leases)) == ((0, 0), 0)


async def test_who_exceeds_a_rate_limit_is_refused_before_the_queue(
    admission: Admission, state: SharedState
) -> None:
    for number in range(2):
        exchange = asking(f"x{number}", concurrency=5)
        exchange.caller = caller(concurrency=5, user_rate=RateLimit(requests=1))
        if number == 0:
            await admission.enter(exchange)
    with pytest.raises(RelayError) as caught:
        await admission.enter(exchange)
    assert caught.value.fault.kind is FaultKind.RATE_LIMITED
    assert await in_use(state) == 1


@pytest.mark.parametrize("concurrency", [0, -1])
async def test_a_user_without_a_limit_is_not_held_up(admission: Admission, concurrency: int) -> None:
    for number in range(10):
        await admission.enter(asking(f"x{number}", concurrency=concurrency))


@pytest.mark.parametrize(
    ("peek", "nano"),
    [
        ({"input_tokens_estimate": 1000, "max_output_tokens": 10}, 1000 * 10_000 + 10 * 50_000),
        ({"input_tokens_estimate": 1000, "max_output_tokens": 1_000_000}, 1000 * 10_000 + 1024 * 50_000),
        ({"input_tokens_estimate": 0, "max_output_tokens": None}, 1024 * 50_000),
    ],
)
def test_the_estimate_is_the_input_and_a_first_slice_of_output(
    admission: Admission, peek: dict[str, Any], nano: int
) -> None:
    assert first_cost(admission, asking(**peek)) == nano


def test_the_multiplier_is_part_of_the_estimate(admission: Admission) -> None:
    exchange = asking(max_output_tokens=10)
    plain = first_cost(admission, exchange)
    exchange.charge_multiplier = 20_000
    assert first_cost(admission, exchange) == 2 * plain


async def test_a_model_without_a_price_is_refused_where_the_operator_wants_that(
    read_model: ReadModel, clock: FakeClock, state: SharedState, tasks: TaskOwner, leases: LeaseKeeper,
    world: None,
) -> None:  # fmt: skip
    strict = Directory(read_model, VAULT, clock, price_book_builder(PricingSettings(unknown_model="refuse")))
    await strict.refresh()
    admission = admission_over(strict, state, read_model, clock, tasks, leases)
    with pytest.raises(RelayError) as caught:
        await admission.enter(asking())
    assert caught.value.fault.kind is FaultKind.PRICE_UNKNOWN
    assert await in_use(state) == 0
    assert first_cost(admission, asking(model=MODEL)) > 0


def of_user(exchange: Exchange, user_id: int, sharing: FairSharing) -> Exchange:
    """The same exchange, as if another user had asked."""
    made = exchange.caller
    user = replace_dataclass(made.user, id=UserId(user_id), concurrency=0)
    group = replace_dataclass(made.group, sharing=sharing)
    exchange.caller = replace(made, user=user, group=group)
    return exchange


async def test_a_group_that_shares_serves_its_users_in_turns_and_gives_every_slot_back(
    directory: Directory, state: SharedState, read_model: ReadModel, clock: FakeClock, tasks: TaskOwner,
    leases: LeaseKeeper, change: Change,
) -> None:  # fmt: skip
    admission = admission_over(directory, state, read_model, clock, tasks, leases, wait_s=20)
    await change(user_row(2, balance_nano=10**12), update(UserRow).values(balance_nano=10**12))
    sharing = FairSharing(slots=1)
    served: list[str] = []

    async def one(name: str, user_id: int) -> None:
        exchange = of_user(asking(name, concurrency=0), user_id, sharing)
        lease = await admission.enter(exchange)
        served.append(name)
        await asyncio.sleep(0.01)
        await admission.leave(exchange, lease)

    async with asyncio.timeout(10), asyncio.TaskGroup() as crowd:
        for name in ("a1", "a2", "a3", "b1"):
            crowd.create_task(one(name, 1 if name[0] == "a" else 2))
            await asyncio.sleep(0.002)
    assert served == ["a1", "b1", "a2", "a3"], "the second user need not wait for all of the first"
    assert (await state.slots.load(["group:1"]))["group:1"] == SlotLoad(0, 0)
    assert not len(leases)
