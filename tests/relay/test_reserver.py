"""Money is held before a call against every bound, and a refusal is believed only after a second look."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.admission import charge_multiplier
from headgate.core.limits.budget import Need, budget_of, charge_of
from headgate.core.world import KeyWindow
from headgate.kit.clock import FakeClock
from headgate.relay.exchange import Exchange
from headgate.relay.reserver import Reserver
from headgate.settings import LimitsSettings
from headgate.state.protocols import ReservationStore, SharedState
from headgate.storage.journal import StorageUnavailable
from headgate.storage.read_model import ReadModel
from tests.relay.conftest import DOLLAR
from tests.relay.people import NOW_MS, caller, exchange_for
from tests.storage.books import VAULT

BALANCE, QUOTA, FIVE_HOURS = "user:1:balance", "key:1:quota", "key:1:5h"
WINDOW = KeyWindow(name="5h", length_ms=5 * 3_600_000, limit_nano=DOLLAR)


@pytest.fixture
def reserver(state: SharedState, read_model: ReadModel, clock: FakeClock, world: None) -> Reserver:
    return Reserver(state.reservations, read_model, clock, LimitsSettings(held_money_wait_s=0))


def asking(name: str = "x1", **limits: Any) -> Exchange:
    exchange = exchange_for(name=name)
    exchange.caller = caller(**limits)
    return exchange


async def hold(
    reserver: Reserver,
    exchange: Exchange,
    nano: int,
    *,
    wanted: int = 0,
    floor: int = 0,
    per_token: int = 0,
    likely: int | None = None,
) -> int:
    """Reserve a list cost of `nano`, and so much more per output token."""
    caller = exchange.caller
    need = Need(
        budget=budget_of(caller, charge_multiplier(caller.user, caller.group), now_ms=NOW_MS),
        fixed_nano=nano, output_nano_per_mtok=per_token * 1_000_000, wanted_tokens=wanted,
        plenty_tokens=wanted, floor_tokens=floor, likely_nano=likely,
    )  # fmt: skip
    return await reserver.reserve(exchange, need)


def bounds(exchange: Exchange) -> tuple[str, ...]:
    return () if exchange.hold is None else tuple(bound.name for bound in exchange.hold.budget.bounds)


async def refusal(reserver: Reserver, exchange: Exchange, nano: int) -> Fault:
    with pytest.raises(RelayError) as caught:
        await hold(reserver, exchange, nano)
    return caught.value.fault


async def set_value(engine: AsyncEngine, assignment: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(assignment))


async def test_what_is_affordable_is_held_on_the_balance(reserver: Reserver, state: SharedState) -> None:
    exchange = asking()
    await hold(reserver, exchange, DOLLAR // 2)
    assert await state.reservations.outstanding(BALANCE) == DOLLAR // 2
    assert bounds(exchange) == (BALANCE,)


async def test_every_limit_of_the_key_holds_its_share(
    reserver: Reserver, state: SharedState, engine: AsyncEngine
) -> None:
    await set_value(engine, f"UPDATE api_keys SET quota_nano={DOLLAR}, limit_5h_nano={DOLLAR}")
    exchange = asking(quota_nano=DOLLAR, windows=(WINDOW,))
    await hold(reserver, exchange, 1000)
    assert bounds(exchange) == (BALANCE, QUOTA, FIVE_HOURS)
    for bound in bounds(exchange):
        assert await state.reservations.outstanding(bound) == 1000


class CountedReads:
    """A read model that counts, and fails while it `is_away`."""

    def __init__(self, inner: ReadModel) -> None:
        self._inner = inner
        self.reads = 0
        self.is_away = False

    async def load_bounds(self, bounds: Sequence[str]) -> Mapping[str, int]:
        self.reads += 1
        await asyncio.sleep(0.02)
        if self.is_away:
            raise StorageUnavailable("gone")
        return await self._inner.load_bounds(bounds)


async def test_a_crowd_reads_a_bound_once_and_fails_together(
    state: SharedState, read_model: ReadModel, clock: FakeClock, world: None
) -> None:
    counted = CountedReads(read_model)
    reserver = Reserver(state.reservations, cast(ReadModel, counted), clock, LimitsSettings())
    counted.is_away = True
    crowd = [hold(reserver, asking(f"x{number}"), 1) for number in range(50)]
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(outcome) for outcome in ended} == {StorageUnavailable}
    assert counted.reads < 10
    counted.is_away, counted.reads = False, 0
    await asyncio.gather(*(hold(reserver, asking(f"y{number}"), 1) for number in range(50)))
    assert counted.reads < 10
    assert await state.reservations.outstanding(BALANCE) == 50


async def test_requests_in_flight_cannot_spend_the_same_money_twice(reserver: Reserver) -> None:
    await hold(reserver, asking("x1"), DOLLAR // 2)
    await hold(reserver, asking("x2"), DOLLAR // 2)
    fault = await refusal(reserver, asking("x3"), 1)
    assert fault.kind is FaultKind.BALANCE_INSUFFICIENT


async def test_the_balance_can_be_spent_to_the_last_nano(reserver: Reserver) -> None:
    await hold(reserver, asking(), DOLLAR)


async def test_an_empty_quota_is_named_as_such_and_nothing_is_held(
    reserver: Reserver, state: SharedState, engine: AsyncEngine
) -> None:
    await set_value(engine, "UPDATE api_keys SET quota_nano=10, quota_used_nano=10")
    fault = await refusal(reserver, asking(quota_nano=10), 1)
    assert fault.kind is FaultKind.KEY_QUOTA_EXHAUSTED
    assert await state.reservations.outstanding(BALANCE) == 0


async def test_an_exhausted_window_is_named_as_such(
    reserver: Reserver, engine: AsyncEngine, clock: FakeClock
) -> None:
    used = f"used_5h_nano={DOLLAR}, window_5h_start={clock.now_ms()}"
    await set_value(engine, f"UPDATE api_keys SET limit_5h_nano={DOLLAR}, {used}")
    fault = await refusal(reserver, asking(windows=(WINDOW,)), 1)
    assert fault.kind is FaultKind.KEY_WINDOW_EXHAUSTED


async def test_a_free_group_needs_no_money(reserver: Reserver, engine: AsyncEngine) -> None:
    await set_value(engine, "UPDATE users SET balance_nano=0")
    exchange = asking(multiplier=0)
    await hold(reserver, exchange, DOLLAR)
    assert bounds(exchange) == ()


async def test_a_request_too_small_to_cost_anything_still_needs_a_balance(
    reserver: Reserver, engine: AsyncEngine
) -> None:
    await set_value(engine, "UPDATE users SET balance_nano=0")
    assert (await refusal(reserver, asking(), 0)).kind is FaultKind.BALANCE_INSUFFICIENT


async def test_a_refusal_is_checked_against_the_database_before_it_is_believed(
    reserver: Reserver, engine: AsyncEngine, clock: FakeClock
) -> None:
    await refusal(reserver, asking(), 2 * DOLLAR)
    await set_value(engine, f"UPDATE users SET balance_nano={3 * DOLLAR}")
    clock.advance(1)
    await hold(reserver, asking(), 2 * DOLLAR)


async def test_refusals_in_a_row_ask_the_database_once_a_second_at_most(
    reserver: Reserver, engine: AsyncEngine, clock: FakeClock
) -> None:
    await refusal(reserver, asking(), 2 * DOLLAR)
    await set_value(engine, f"UPDATE users SET balance_nano={3 * DOLLAR}")
    clock.advance(0.9)
    assert (await refusal(reserver, asking(), 2 * DOLLAR)).kind is FaultKind.BALANCE_INSUFFICIENT


async def test_after_a_change_of_configuration_every_bound_is_read_again(
    reserver: Reserver, engine: AsyncEngine
) -> None:
    await hold(reserver, asking("x1"), 1)
    await set_value(engine, "UPDATE users SET balance_nano=5")
    await reserver.forget_all()
    assert (await refusal(reserver, asking("x2"), 10)).kind is FaultKind.BALANCE_INSUFFICIENT


async def test_forgetting_what_the_database_said_keeps_what_is_held(reserver: Reserver) -> None:
    await hold(reserver, asking("x1"), DOLLAR)
    await reserver.forget_all()
    assert (await refusal(reserver, asking("x2"), 1)).kind is FaultKind.BALANCE_INSUFFICIENT


async def test_a_reservation_whose_process_died_expires(
    reserver: Reserver, state: SharedState, clock: FakeClock
) -> None:
    await hold(reserver, asking("x1"), DOLLAR)
    clock.advance(LimitsSettings().reservation_ttl_s + 1)
    assert await state.reservations.sweep() == 1
    await hold(reserver, asking("x2"), DOLLAR)


async def test_the_trace_says_what_was_held_and_where(reserver: Reserver) -> None:
    exchange = asking()
    await hold(reserver, exchange, 1234)
    assert exchange.trace.facts["reserved"] == {
        "list_nano": 1234, "output_tokens": 0, "bounds": {BALANCE: 1234},
    }  # fmt: skip


class BusyReadModel(ReadModel):
    """Whenever a bound is read, another exchange of the same user settles before the value arrives."""

    reservations: ReservationStore
    settlements_left: int

    async def load_bounds(self, bounds: Sequence[str]) -> Mapping[str, int]:
        found = await super().load_bounds(bounds)
        if self.settlements_left:
            self.settlements_left -= 1
            await self.reservations.settle(f"other-{self.settlements_left}", {BALANCE: 1})
        return found


async def test_a_user_whose_other_exchanges_settle_all_the_time_is_served(
    engine: AsyncEngine, state: SharedState, clock: FakeClock, world: None
) -> None:
    read_model = BusyReadModel(engine, VAULT, clock)
    read_model.reservations, read_model.settlements_left = state.reservations, 6
    reserver = Reserver(state.reservations, read_model, clock, LimitsSettings(held_money_wait_s=0))
    await hold(reserver, asking(), 1000)
    assert await state.reservations.outstanding(BALANCE) == 1000


async def test_a_conversation_is_admitted_on_what_its_warm_cache_will_cost(reserver: Reserver) -> None:
    """400 are left; 600 would be needed if the cache missed, 100 and 200 of output when it does not."""
    await hold(reserver, asking("x0"), DOLLAR - 400)
    exchange = asking("x1")
    granted = await hold(reserver, exchange, 600, likely=100, wanted=200, floor=10, per_token=1)
    assert granted == 200
    assert exchange.hold is not None
    assert exchange.hold.list_nano == 300, (
        "a stream that went on for what is held for a cold cache would overdraw"
    )
    assert await reserver.extend(exchange.hold, "x1", 100, may_overdraw=False) is None, "100 are really left"
    assert await reserver.extend(exchange.hold, "x1", 1, may_overdraw=False) is not None
    assert exchange.trace.facts["reserved"]["input"] == "as this conversation's last"


async def test_a_warm_conversation_too_gets_the_output_that_can_be_paid_for(reserver: Reserver) -> None:
    await hold(reserver, asking("x0"), DOLLAR - 130)
    assert await hold(reserver, asking("x1"), 600, likely=100, wanted=200, floor=10, per_token=1) == 30
    fault = await refusal(reserver, asking("x2"), 1)
    assert fault.kind is FaultKind.BALANCE_INSUFFICIENT


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("multiplier", [10_000, 12_345])
async def test_caches_that_miss_after_all_overdraw_by_one_conversation_and_not_by_each(
    reserver: Reserver, seed: int, multiplier: int
) -> None:
    """All of a user's warm conversations come at once when the money is nearly gone, and every cache misses:
    the balance ends below zero by at most what one of them cost more than expected."""
    luck = random.Random(seed)
    left = luck.randrange(1, 3_000)
    await hold(reserver, asking("before"), DOLLAR - left)
    costs: list[int] = []
    surprises = [0]
    for number in range(30):
        exchange = asking(f"x{number}", multiplier=multiplier)
        exchange.charge_multiplier = multiplier
        high = luck.randrange(1, 1_000)
        likely = luck.randrange(0, high)
        try:
            output = await hold(reserver, exchange, high, likely=likely, wanted=50, floor=5, per_token=1)
        except RelayError:
            continue
        assert exchange.hold is not None
        more = luck.randrange(1, 200)
        is_refused = await reserver.extend(exchange.hold, exchange.id, more, may_overdraw=False)
        costs.append(charge_of(high + output + (0 if is_refused else more), multiplier))
        surprises.append(high - likely)
    worst = -(-max(surprises) * multiplier // 10_000)
    assert left - sum(costs) >= -worst
