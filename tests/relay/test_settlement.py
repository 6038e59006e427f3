"""From the end of an attempt to the books: the right price, once, and the reservation back."""

import json
from dataclasses import replace as replace_fields
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.dialects.contract import Reading
from headgate.core.faults import Fault, FaultKind
from headgate.core.limits.budget import budget_of
from headgate.core.limits.rate_limit import RateLimit
from headgate.core.usage import TokenUsage, UsageSource
from headgate.kit.clock import FakeClock
from headgate.observability.metrics import RelayMetrics, render
from headgate.relay.account_gate import AccountGate
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange, Hold
from headgate.relay.experience import Experience
from headgate.relay.rate_gate import RateGate
from headgate.relay.reserver import Reserver
from headgate.relay.settlement import (
    COMPLETED,
    FAILED,
    NOTHING_READ,
    PARTIAL,
    AttemptEnd,
    Settler,
)
from headgate.settings import LimitsSettings
from headgate.state.protocols import Claim, SharedState
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal import Intent, Journal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.read_model import ReadModel
from tests.relay.conftest import DOLLAR
from tests.relay.people import NOW_MS, caller, exchange_for, tokens_left
from tests.storage.books import intent, value

MODEL = "a-house-model"
"""Nobody's: priced by the operator's default, 10 USD in and 50 USD out per million tokens."""
CHARGE = 10_000 * 1000 + 50_000 * 100
READ = Reading(usage=TokenUsage(input=1000, output=100), source=UsageSource.REPORTED, served_model="served")
BALANCE = "user:1:balance"
CUT = Fault(kind=FaultKind.UPSTREAM_CUT, message="m")


@pytest.fixture
def rates(state: SharedState, clock: FakeClock) -> RateGate:
    return RateGate(state.rates, clock, Experience(), LimitsSettings())


@pytest.fixture
def settler(
    directory: Directory, journal: Journal, state: SharedState, rates: RateGate, clock: FakeClock,
    metrics: RelayMetrics, quotas: AccountQuotas, gate: AccountGate,
) -> Settler:  # fmt: skip
    return Settler(directory, journal, state.reservations, rates, clock, metrics, Experience(), quotas, gate)


@pytest.fixture
def quotas(state: SharedState, read_model: ReadModel, clock: FakeClock) -> AccountQuotas:
    reserver = Reserver(state.reservations, read_model, clock, LimitsSettings())
    return AccountQuotas(reserver, state.reservations, clock)


def ended(outcome: str = COMPLETED, *, of: Intent | None = None, **changes: Any) -> AttemptEnd:
    end = AttemptEnd(
        intent=of or intent("x1", client_model=MODEL, upstream_model=MODEL), outcome=outcome, reading=READ,
        fault=None, upstream_request_id="req_up", upstream_endpoint="/v1/messages", first_byte_ms=5,
        is_last=True,
    )  # fmt: skip
    return replace(end, **changes)


async def reserved(state: SharedState, nano: int = DOLLAR) -> Exchange:
    """An exchange that holds money on the caller's balance of one USD."""
    exchange = exchange_for()
    await state.reservations.load({BALANCE: DOLLAR})
    await state.reservations.reserve(exchange.id, [Claim(BALANCE, nano)], expires_at_ms=2**60)
    budget = budget_of(exchange.caller, 10_000, now_ms=NOW_MS)
    exchange.hold = Hold(budget=budget, list_nano=nano)
    return exchange


async def test_a_completed_answer_is_charged_to_the_user(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    await settler.book(await reserved(state), ended())
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR - CHARGE
    assert await value(engine, "SELECT charge_nano FROM usage_records") == CHARGE


async def test_a_partial_answer_is_charged_for_what_was_read(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    partial = replace(READ, source=UsageSource.PARTIAL)
    await settler.book(await reserved(state), ended(PARTIAL, reading=partial, fault=CUT))
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR - CHARGE
    assert await value(engine, "SELECT fault FROM usage_records") == "upstream_cut"


async def test_a_failed_attempt_is_recorded_and_never_charged(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    await settler.book(await reserved(state), ended(FAILED, fault=CUT, is_last=False))
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR
    assert await value(engine, "SELECT charge_nano FROM usage_records") == 0
    assert await value(engine, "SELECT list_cost_nano FROM usage_records") == CHARGE


async def test_a_failed_attempt_keeps_the_reservation_for_the_next_one(
    settler: Settler, state: SharedState
) -> None:
    exchange = await reserved(state)
    await settler.book(exchange, ended(FAILED, fault=CUT, is_last=False))
    assert await state.reservations.outstanding(BALANCE) == DOLLAR
    assert exchange.hold is not None


async def test_the_reservation_becomes_the_true_charge(settler: Settler, state: SharedState) -> None:
    await settler.book(await reserved(state), ended())
    assert await state.reservations.outstanding(BALANCE) == 0
    left = DOLLAR - CHARGE
    refused = await state.reservations.reserve("x2", [Claim(BALANCE, left + 1)], expires_at_ms=2**60)
    assert refused.__class__.__name__ == "Refused"
    taken = await state.reservations.reserve("x3", [Claim(BALANCE, left)], expires_at_ms=2**60)
    assert taken.__class__.__name__ == "Reserved"


async def test_booking_twice_charges_once(settler: Settler, state: SharedState, engine: AsyncEngine) -> None:
    exchange = await reserved(state)
    await settler.book(exchange, ended())
    await settler.book(exchange, ended())
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR - CHARGE


async def test_an_answer_that_said_nothing_costs_nothing(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    await settler.book(await reserved(state), ended(reading=NOTHING_READ))
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR


async def test_the_multiplier_of_the_intent_decides_the_charge(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    dear = intent("x1", client_model=MODEL, upstream_model=MODEL, charge_multiplier=15_000)
    await settler.book(await reserved(state), ended(of=dear))
    assert await value(engine, "SELECT charge_nano FROM usage_records") == CHARGE * 3 // 2


async def test_the_price_of_the_clients_model_comes_before_the_upstreams(
    settler: Settler, directory: Directory
) -> None:
    renamed = intent("x1", client_model="claude-sonnet-4-5", upstream_model=MODEL)
    cost = settler.bill_of(exchange_for(), ended(of=renamed)).cost
    quote = directory.prices.quote("claude-sonnet-4-5", at_ms=renamed.started_at_ms)
    assert (cost.is_default, cost.price_version) == (False, quote.version)  # type: ignore[union-attr]


async def test_the_upstreams_price_serves_where_the_clients_model_has_none(settler: Settler) -> None:
    renamed = intent("x1", client_model=MODEL, upstream_model="claude-sonnet-4-5")
    assert not settler.bill_of(exchange_for(), ended(of=renamed)).cost.is_default


async def test_a_default_price_is_flagged(settler: Settler) -> None:
    assert settler.bill_of(exchange_for(), ended()).cost.is_default


async def test_a_billion_tokens_are_not_billed_but_quarantined_for_review(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    said = TokenUsage(input=10**9, cache_read=10**15, output=100)
    estimated = intent("x1", client_model=MODEL, upstream_model=MODEL, input_estimate=1000)
    await settler.book(await reserved(state), ended(of=estimated, reading=replace(READ, usage=said)))
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR - CHARGE
    assert await value(engine, "SELECT review FROM usage_records") == "implausible"
    assert await value(engine, "SELECT usage_source FROM usage_records") == "estimated"
    kept = json.loads(await value(engine, "SELECT quarantined FROM usage_records"))
    assert kept == {"input": 10**9, "cache_read": 10**15, "output": 100}


async def test_output_far_above_the_requests_own_limit_is_quarantined(settler: Settler) -> None:
    exchange = exchange_for()
    exchange.peek = replace(exchange.peek, max_output_tokens=100)
    said = replace(READ, usage=TokenUsage(input=10, output=50_000), output_estimate=90)
    bill = settler.bill_of(exchange, ended(reading=said))
    assert (bill.usage, bill.review) == (TokenUsage(input=10, output=90), "implausible")


@pytest.mark.parametrize(
    ("source", "model", "outcome", "review"),
    [
        (UsageSource.REPORTED, "claude-sonnet-4-5", COMPLETED, None),
        (UsageSource.ESTIMATED, "claude-sonnet-4-5", COMPLETED, "estimated"),
        (UsageSource.ESTIMATED, "claude-sonnet-4-5", FAILED, None),
        (UsageSource.REPORTED, MODEL, COMPLETED, "default_price"),
    ],
)
async def test_estimates_and_default_prices_are_listed_for_review(
    settler: Settler, source: UsageSource, model: str, outcome: str, review: str | None
) -> None:
    named = intent("x1", client_model=model, upstream_model=model)
    end = ended(outcome, of=named, reading=replace(READ, source=source))
    assert settler.bill_of(exchange_for(), end).review == review


async def test_the_groups_price_of_a_picture_is_charged(settler: Settler) -> None:
    exchange = exchange_for()
    group = replace_fields(exchange.caller.group, image_prices_nano={"2K": 40_000_000})
    exchange.caller = replace(exchange.caller, group=group)
    drawn = TokenUsage(input=10, output=1290, images=2, image_size="2K")
    named = intent("x1", client_model="gemini-2.5-flash-image", upstream_model="gemini-2.5-flash-image")
    bill = settler.bill_of(exchange, ended(of=named, reading=replace(READ, usage=drawn)))
    assert (bill.cost.other, bill.cost.charge) == (80_000_000, 80_000_000)


async def test_the_served_tier_is_billed_and_not_the_requested_one(settler: Settler) -> None:
    exchange = exchange_for()
    exchange.peek = replace(exchange.peek, service_tier="priority")
    named = intent("x1", client_model="gpt-5", upstream_model="gpt-5")
    served = settler.bill_of(exchange, ended(of=named, reading=replace(READ, service_tier="default")))
    asked = settler.bill_of(exchange, ended(of=named))
    assert asked.cost.charge == 2 * served.cost.charge
    assert (asked.service_tier, served.service_tier) == ("priority", "default")


async def test_the_last_attempt_writes_the_trace_with_its_bill(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    await settler.book(await reserved(state), ended())
    trace = json.loads(await value(engine, "SELECT trace FROM exchange_traces"))
    assert (trace["bill"]["charge_nano"], trace["bill"]["usage"]["output"]) == (CHARGE, 100)


async def test_an_attempt_before_the_last_writes_no_trace(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    await settler.book(await reserved(state), ended(FAILED, fault=CUT, is_last=False))
    assert await value(engine, "SELECT COUNT(*) FROM exchange_traces") == 0


async def test_the_record_says_who_called_and_what_served(
    settler: Settler, state: SharedState, engine: AsyncEngine
) -> None:
    exchange = await reserved(state)
    exchange.headers = {"user-agent": "agent/" + "x" * 600}
    await settler.book(exchange, ended())
    assert await value(engine, "SELECT length(user_agent) FROM usage_records") == 512
    assert await value(engine, "SELECT served_model FROM usage_records") == "served"
    assert await value(engine, "SELECT upstream_request_id FROM usage_records") == "req_up"


async def test_what_was_booked_is_counted(
    settler: Settler, state: SharedState, metrics: RelayMetrics
) -> None:
    await settler.book(await reserved(state), ended())
    text = render(metrics).decode()
    assert f'headgate_tokens_total{{bucket="input",model="{MODEL}"}} 1000.0' in text


async def test_the_tokens_that_were_used_replace_the_estimate(
    settler: Settler, rates: RateGate, state: SharedState
) -> None:
    exchange = await reserved(state)
    exchange.caller = caller(key_rate=RateLimit(tokens=10_000))
    await rates.enter(exchange)
    await settler.book(exchange, ended())
    assert exchange.rate_tokens == 0
    assert await tokens_left(state) == 10_000 - 1_100


async def test_a_failed_attempt_leaves_the_estimate_to_the_next(
    settler: Settler, rates: RateGate, state: SharedState
) -> None:
    exchange = await reserved(state)
    exchange.caller = caller(key_rate=RateLimit(tokens=10_000))
    await rates.enter(exchange)
    drawn = exchange.rate_tokens
    await settler.book(exchange, ended(FAILED, fault=CUT))
    assert exchange.rate_tokens == drawn > 0


async def test_a_release_without_a_reservation_changes_nothing(settler: Settler, state: SharedState) -> None:
    await state.reservations.load({BALANCE: DOLLAR})
    await settler.release(exchange_for(), settler.bill_of(exchange_for(), ended()).cost)
    taken = await state.reservations.reserve("x9", [Claim(BALANCE, DOLLAR)], expires_at_ms=2**60)
    assert taken.__class__.__name__ == "Reserved"


async def test_while_the_database_is_away_the_answer_is_not_withheld_and_the_money_not_lost(
    directory: Directory, state: SharedState, rates: RateGate, clock: FakeClock, engine: AsyncEngine,
    sqlite_target: DatabaseTarget, quotas: AccountQuotas, gate: AccountGate,
) -> None:  # fmt: skip
    journal = await open_journal_at(replace_fields(sqlite_target, commit_timeout_s=0.2), clock, "impatient")
    settler = Settler(
        directory, journal, state.reservations, rates, clock, RelayMetrics(), Experience(), quotas, gate
    )
    async with engine.connect() as blocker:
        await blocker.exec_driver_sql("BEGIN IMMEDIATE")
        exchange = await reserved(state)
        await settler.book(exchange, ended())
        assert exchange.hold is None
        await blocker.rollback()
    await journal.close()
    assert await value(engine, "SELECT balance_nano FROM users") == DOLLAR - CHARGE
