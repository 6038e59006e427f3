"""Corrections are new lines, and move what the charge had moved; on both databases."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_group import GroupJournal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import note_window_resets, verify
from headgate.storage.ledger_corrections import (
    ChargeMoved,
    Correction,
    NoSuchExchange,
    booked_charge,
    correct_charge,
)
from headgate.storage.models import SubscriptionRow
from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import (
    account_row,
    group_row,
    intent,
    key_row,
    settlement,
    store,
    subscription_row,
    user_row,
    value,
)

Sessions = async_sessionmaker[AsyncSession]
DAY_S = 86_400


@pytest.fixture
async def journal(
    target: DatabaseTarget, sessions: Sessions, clock: FakeClock
) -> AsyncIterator[GroupJournal]:
    """Exchange `x1` was charged 800: to the balance, to key 1 with its quota, 500 to account 1."""
    await store(sessions, user_row(1), group_row(1), subscription_row(1), key_row(1, quota_nano=1000))
    await store(sessions, account_row(1))
    opened = await open_journal_at(target, clock, "p")
    await opened.settle(settlement(intent("x1", counts_key=True), finished_at_ms=clock.now_ms()))
    yield opened
    await opened.close()


async def correct(sessions: Sessions, clock: FakeClock, **fields: Any) -> list[str]:
    given: dict[str, Any] = {
        "exchange_id": "x1",
        "attempt": 1,
        "reason": "wrong price",
        "actor_id": 9,
    } | fields
    async with UnitOfWork(sessions) as uow:
        if "paid_before_nano" not in given:
            booked = await booked_charge(uow.session, given["exchange_id"])
            given["paid_before_nano"] = booked.paid_nano if booked is not None else 0
        return await correct_charge(uow.session, Correction(now_ms=clock.now_ms(), **given))


async def corrections(engine: AsyncEngine) -> list[str]:
    query = (
        "SELECT kind || ' ' || debit_book || ' ' || credit_book || ' ' || amount_nano FROM ledger_entries"
        " WHERE kind LIKE 'correction%' ORDER BY id"
    )
    async with engine.connect() as connection:
        return list((await connection.exec_driver_sql(query)).scalars())


@pytest.mark.usefixtures("journal")
async def test_money_given_back_is_a_line_from_revenue(
    engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    bounds = await correct(sessions, clock, charge_nano=-300)
    assert bounds == ["user:1:balance"]
    assert await corrections(engine) == ["correction revenue user:1 300"]
    assert await value(engine, "SELECT balance_nano FROM users") == -500
    assert await value(engine, "SELECT note FROM ledger_entries WHERE kind = 'correction'") == "wrong price"
    assert await value(engine, "SELECT actor_id FROM ledger_entries WHERE kind = 'correction'") == 9
    assert await value(engine, "SELECT charge_nano FROM usage_records") == 800
    assert (await verify(engine)).is_sound


@pytest.mark.usefixtures("journal")
async def test_one_exchange_can_be_corrected_in_every_book_and_again(
    engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    bounds = await correct(sessions, clock, charge_nano=100, key_nano=100, account_nano=-50)
    await correct(sessions, clock, charge_nano=7)
    assert bounds[1:] == ["key:1:quota", "key:1:5h", "key:1:1d", "key:1:7d"]
    assert await corrections(engine) == [
        "correction user:1 revenue 100",
        "correction.2 key:1 usage 100",
        "correction.3 account:1 cost 50",
        "correction.4 user:1 revenue 7",
    ]
    assert await value(engine, "SELECT quota_used_nano FROM api_keys") == 900
    assert await value(engine, "SELECT used_5h_nano FROM api_keys") == 0  # it has no windows
    assert (await verify(engine)).is_sound


async def test_a_subscription_is_corrected_in_the_windows_that_still_run(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    given = settlement(intent("s1", subscription_id=1), finished_at_ms=clock.now_ms())
    await journal.settle(given)
    clock.advance(2 * DAY_S)
    await journal.settle(settlement(intent("s2", subscription_id=1), charge=10))  # opens another day
    bounds = await correct(sessions, clock, exchange_id="s1", charge_nano=-300)
    assert bounds == ["sub:1:daily", "sub:1:weekly", "sub:1:monthly"]
    used = [
        await value(engine, f"SELECT {name}_used_nano FROM user_subscriptions")
        for name in ("daily", "weekly", "monthly", "total")
    ]
    assert used == [10, 510, 510, 510]
    assert await value(engine, "SELECT balance_nano FROM users") == -800
    assert (await verify(engine)).is_sound


async def test_a_correction_of_a_charge_leaves_a_window_that_was_reset_since(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    """The reset forgave the charge: giving it back as well would take later charges out of the window."""
    at = clock.now_ms()
    await journal.settle(settlement(intent("s1", subscription_id=1), finished_at_ms=at))
    async with UnitOfWork(sessions) as uow:
        await note_window_resets(
            uow.session,
            subscription_id=1,
            used_nano={"daily": 800},
            actor_id=9,
            operation_id="op:1",
            now_ms=at,
        )
        await uow.session.execute(update(SubscriptionRow).values(daily_used_nano=0))
    await journal.settle(settlement(intent("s2", subscription_id=1), charge=70, finished_at_ms=at))
    await correct(sessions, clock, exchange_id="s1", charge_nano=-50)
    await correct(sessions, clock, exchange_id="s2", charge_nano=-5)
    used = [
        await value(engine, f"SELECT {name}_used_nano FROM user_subscriptions")
        for name in ("daily", "weekly", "total")
    ]
    assert used == [65, 815, 815]
    assert (await verify(engine)).is_sound


async def test_a_key_that_used_its_quota_up_by_mistake_works_again(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    await journal.settle(settlement(intent("x2", counts_key=True), charge=200))
    assert await value(engine, "SELECT status FROM api_keys") == "quota_exhausted"
    await correct(sessions, clock, charge_nano=-800, key_nano=-800)
    assert await value(engine, "SELECT status FROM api_keys") == "active"


@pytest.mark.usefixtures("journal")
async def test_what_was_never_called_cannot_be_corrected(
    engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    with pytest.raises(NoSuchExchange, match="x1/2"):
        await correct(sessions, clock, attempt=2, charge_nano=1)
    assert await corrections(engine) == []


@pytest.mark.usefixtures("journal")
async def test_two_corrections_worked_out_from_the_same_charge_are_one(
    engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    """Both would give everything back; ten at once give it back once."""
    tries = (correct(sessions, clock, charge_nano=-800, paid_before_nano=800) for _ in range(10))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 1
    assert await value(engine, "SELECT balance_nano FROM users") == 0
    assert len(await corrections(engine)) == 1


@pytest.mark.usefixtures("journal")
async def test_a_charge_that_was_corrected_meanwhile_is_left_alone(
    engine: AsyncEngine, sessions: Sessions, clock: FakeClock
) -> None:
    await correct(sessions, clock, charge_nano=-300)
    with pytest.raises(ChargeMoved, match="meanwhile"):
        await correct(sessions, clock, charge_nano=-300, paid_before_nano=800)
    assert await value(engine, "SELECT balance_nano FROM users") == -500
