"""Limits of the account that was chosen: counted when an attempt begins, given back when it is not made."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from headgate.core.ids import AccountId, SessionKey
from headgate.core.limits.account_limits import rpm_counter
from headgate.core.world import Account
from headgate.kit.clock import FakeClock
from headgate.relay.account_gate import AccountGate, Booked
from headgate.relay.directory import Directory
from headgate.state.protocols import SharedState
from headgate.storage.journal import Journal
from headgate.storage.models import AccountRow
from tests.relay.conftest import Change
from tests.relay.people import MODEL, exchange_for
from tests.storage.books import intent, settlement

ONE = AccountId(1)


Limited = Callable[..., Awaitable[Account]]


@pytest.fixture
def limited(change: Change, directory: Directory) -> Limited:
    async def limited(**extra: object) -> Account:
        await change(update(AccountRow).where(AccountRow.id == 1).values(extra=extra))
        await directory.refresh()
        found = directory.account(ONE)
        assert found is not None
        return found

    return limited


async def test_a_burst_gets_through_exactly_as_often_as_is_allowed(
    limited: Limited, gate: AccountGate, clock: FakeClock, state: SharedState
) -> None:
    account = await limited(base_rpm=5, rpm_sticky_buffer=2)
    exchanges = [exchange_for() for _ in range(20)]
    entered = await asyncio.gather(*[gate.enter(e, account, MODEL, is_home=False) for e in exchanges])
    assert sum(entered) == 5
    at_home = [await gate.enter(exchange_for(), account, MODEL, is_home=True) for _ in range(4)]
    assert at_home == [True, True, False, False]
    assert await state.counters.value(rpm_counter(ONE, clock.now_ms())) == 7
    await gate.give_back(next(e for e, is_in in zip(exchanges, entered, strict=True) if is_in))
    assert await gate.enter(exchange_for(), account, MODEL, is_home=True)
    clock.advance(60)
    assert await gate.enter(exchange_for(), account, MODEL, is_home=False)


async def test_newcomers_are_refused_what_conversations_at_home_still_get(
    limited: Limited, gate: AccountGate, clock: FakeClock
) -> None:
    account = await limited(base_rpm=1)
    for _ in range(2):
        await gate.enter(exchange_for(), account, MODEL, is_home=False)
    assert [c.reason for c in gate.refused(exchange_for(), None)] == ["base_rpm"]
    assert not gate.refused(exchange_for(), ONE)
    clock.advance(60)
    assert not gate.refused(exchange_for(), None)


async def test_another_conversation_is_one_too_many(limited: Limited, gate: AccountGate) -> None:
    account = await limited(max_sessions=1)
    first, other = exchange_for(session=SessionKey("a")), exchange_for(session=SessionKey("b"))
    assert await gate.enter(first, account, MODEL, is_home=False)
    assert not await gate.enter(other, account, MODEL, is_home=False)
    assert [c.reason for c in gate.refused(other, None)] == ["max_sessions"]
    assert not gate.refused(first, None), "the refusal is the other conversation's own"
    assert await gate.enter(exchange_for(session=SessionKey("a")), account, MODEL, is_home=False)
    await gate.give_back(first)
    assert await gate.enter(other, account, MODEL, is_home=False), "a conversation that never began is gone"


async def test_tokens_of_a_model_are_corrected_by_what_was_used(
    limited: Limited, gate: AccountGate, state: SharedState
) -> None:
    account = await limited(model_limits={MODEL: {"tpm_limit": 1000}})
    exchange = exchange_for()
    assert await gate.enter(exchange, account, MODEL, is_home=False)
    await gate.settle(exchange, Booked(tokens=1000, list_nano=0, is_served=True))
    await gate.settle(exchange, Booked(tokens=900, list_nano=0, is_served=True))
    other = exchange_for()
    assert not await gate.enter(other, account, MODEL, is_home=True)
    assert [c.reason for c in gate.refused(other, ONE)] == ["account_rate_limit"]
    assert await gate.enter(exchange_for(), account, "another-model", is_home=False)


async def test_a_window_that_cost_its_limit_is_left_to_conversations_at_home(
    limited: Limited, gate: AccountGate, journal: Journal, clock: FakeClock
) -> None:
    account = await limited(window_cost_limit=2, window_cost_sticky_reserve=1)
    assert await gate.enter(exchange_for(), account, MODEL, is_home=False)
    bill = settlement(intent("x1", account_id=ONE))
    cost = replace(bill.cost, list_cost=2_500_000_000)
    await journal.open_intent(bill.intent)
    await journal.settle(replace(bill, cost=cost, finished_at_ms=clock.now_ms()))
    clock.advance(31)
    assert not await gate.enter(exchange_for(), account, MODEL, is_home=False)
    assert [c.reason for c in gate.refused(exchange_for(), None)] == ["window_cost_limit"]
    assert await gate.enter(exchange_for(), account, MODEL, is_home=True)
    clock.advance(3600)
    assert await gate.enter(exchange_for(), account, MODEL, is_home=False), "another hour, another window"


async def test_what_is_booked_counts_at_once_and_not_twice(
    limited: Limited, gate: AccountGate, journal: Journal, clock: FakeClock
) -> None:
    account = await limited(window_cost_limit=2)
    exchange = exchange_for()
    assert await gate.enter(exchange, account, MODEL, is_home=False)
    bill = settlement(intent("x1", account_id=ONE))
    cost = replace(bill.cost, list_cost=1_500_000_000)
    await journal.open_intent(bill.intent)
    await journal.settle(replace(bill, cost=cost, finished_at_ms=clock.now_ms()))
    await gate.settle(exchange, Booked(tokens=1, list_nano=1_500_000_000, is_served=True))
    clock.advance(31)  # the records are read again: 1.50 of 2.00 USD, not 3.00
    second = exchange_for()
    assert await gate.enter(second, account, MODEL, is_home=False)
    await gate.settle(second, Booked(tokens=1, list_nano=600_000_000, is_served=True))
    assert not await gate.enter(exchange_for(), account, MODEL, is_home=False), "no reading in between"


async def test_requests_that_the_provider_did_not_serve_are_none_of_the_minute(
    limited: Limited, gate: AccountGate
) -> None:
    account = await limited(base_rpm=1)
    for _ in range(3):
        exchange = exchange_for()
        assert await gate.enter(exchange, account, MODEL, is_home=False)
        assert not await gate.enter(exchange_for(), account, MODEL, is_home=False), "while it runs it counts"
        await gate.settle(exchange, Booked(tokens=0, list_nano=0, is_served=False))
        assert not gate.refused(exchange_for(), None), "and then there is room at once"
    served = exchange_for()
    assert await gate.enter(served, account, MODEL, is_home=False)
    await gate.settle(served, Booked(tokens=5, list_nano=0, is_served=True))
    assert not await gate.enter(exchange_for(), account, MODEL, is_home=False)


async def test_what_another_process_gives_back_is_free_here_within_a_second(
    limited: Limited, gate: AccountGate, clock: FakeClock, state: SharedState
) -> None:
    """Two gates on one state are two processes."""
    account = await limited(base_rpm=1)
    other, theirs = AccountGate(state, gate._costs, clock), exchange_for()
    assert await other.enter(theirs, account, MODEL, is_home=False)
    assert not await gate.enter(exchange_for(), account, MODEL, is_home=False)
    (refusal,) = gate.refused(exchange_for(), None)
    assert refusal.until_ms % 60_000 == 0, "clients are told the minute's end"
    await other.give_back(theirs)
    clock.advance(1)
    assert not gate.refused(exchange_for(), None)
    assert await gate.enter(exchange_for(), account, MODEL, is_home=False)
