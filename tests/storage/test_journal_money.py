"""Who pays a charge and what counts it: balance, subscription windows, key quota, account quota; on both
databases."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.core.pricing.cost import MAX_AMOUNT
from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal import AccountWindows, Intent, RowRefused, Settlement
from headgate.storage.journal_group import GroupJournal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import verify
from tests.storage.books import (
    account_row,
    counts,
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
HOUR_S = 3600
DAY_S = 24 * HOUR_S
LIST_COST = 800
"""Of every settlement here; the charge is what the test says."""


@pytest.fixture
async def journal(
    target: DatabaseTarget, sessions: Sessions, clock: FakeClock
) -> AsyncIterator[GroupJournal]:
    """User 1 with a subscription, a key with a quota (1), one with windows (2), one without (3)."""
    await store(sessions, user_row(1), user_row(2), group_row(1), subscription_row(1))
    await store(sessions, key_row(1, quota_nano=10_000), key_row(2, limit_1d_nano=10_000), key_row(3))
    await store(sessions, account_row(1))
    opened = await open_journal_at(target, clock, "process-1", timezone="Europe/Berlin")
    yield opened
    await opened.close()


def subscribed(name: str, **fields: Any) -> Intent:
    return intent(name, subscription_id=1, **fields)


async def lines(engine: AsyncEngine, kind: str) -> list[tuple[Any, ...]]:
    columns = "debit_book, credit_book, amount_nano, multiplier, tariff, price_version"
    query = f"SELECT {columns} FROM ledger_entries WHERE kind = '{kind}' ORDER BY id"
    async with engine.connect() as connection:
        return [tuple(row) for row in (await connection.exec_driver_sql(query)).all()]


async def windows(engine: AsyncEngine) -> tuple[Any, ...]:
    """(used, start) of the subscription's day, week, month, and all that it has used."""
    columns = [
        f"{name}_{what}" for name in ("daily", "weekly", "monthly") for what in ("used_nano", "window_start")
    ]
    columns.append("total_used_nano")
    return tuple([await value(engine, f"SELECT {column} FROM user_subscriptions") for column in columns])


async def test_a_line_says_how_its_amount_came_about(journal: GroupJournal, engine: AsyncEngine) -> None:
    given = settlement(
        intent("x1", charge_multiplier=15_000, cost_multiplier=5000), charge=1200, account_cost=400
    )
    await journal.settle(given)
    tariff = "input=300 output=400 cache_read=100"
    assert await lines(engine, "charge") == [("user:1", "revenue", 1200, 15_000, tariff, "v1")]
    assert await lines(engine, "cost") == [("cost", "account:1", 400, 5000, tariff, "v1")]
    assert await lines(engine, "key") == []


async def test_a_subscription_pays_and_the_balance_does_not(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    await journal.settle(settlement(subscribed("x1"), charge=900))
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == 0
    assert [line[:3] for line in await lines(engine, "charge")] == [("subscription:1", "revenue", 900)]
    day = 1_749_938_400_000  # 2025-06-15 00:00 in Berlin
    assert await windows(engine) == (900, day, 900, day, 900, day, 900)
    assert (await verify(engine)).is_sound


async def test_subscription_windows_restart_each_in_its_own_time(
    journal: GroupJournal, engine: AsyncEngine, clock: FakeClock
) -> None:
    await journal.settle(settlement(subscribed("x1"), charge=1))
    first = (await windows(engine))[1]
    clock.advance(DAY_S)
    await journal.settle(settlement(subscribed("x2"), charge=10))
    assert await windows(engine) == (10, first + DAY_S * 1000, 11, first, 11, first, 11)
    clock.advance(6 * DAY_S)
    await journal.settle(settlement(subscribed("x3"), charge=100))
    week = first + 7 * DAY_S * 1000
    assert await windows(engine) == (100, week, 100, week, 111, first, 111)
    clock.advance(23 * DAY_S)
    await journal.settle(settlement(subscribed("x4"), charge=1000))
    month = first + 30 * DAY_S * 1000
    assert await windows(engine) == (1000, month, 1000, month, 1000, month, 1111)


async def test_a_clock_set_back_a_little_resets_no_window(
    journal: GroupJournal, engine: AsyncEngine, clock: FakeClock
) -> None:
    await journal.settle(settlement(subscribed("x1"), charge=1))
    clock.advance(-20 * HOUR_S)  # yesterday, before the window began
    await journal.settle(settlement(subscribed("x2"), charge=10))
    assert (await windows(engine))[::2] == (11, 11, 11, 11)


async def test_a_window_of_a_clock_that_ran_far_ahead_does_not_last_for_years(
    journal: GroupJournal, engine: AsyncEngine, clock: FakeClock
) -> None:
    clock.advance(400 * DAY_S)
    await journal.settle(settlement(subscribed("x1", counts_key=True, key_id=2), charge=1))
    clock.advance(-400 * DAY_S)
    await journal.settle(settlement(subscribed("x2", counts_key=True, key_id=2), charge=10))
    assert (await windows(engine))[::2] == (10, 10, 10, 11)
    assert await value(engine, "SELECT used_1d_nano FROM api_keys WHERE id = 2") == 10


async def test_a_hundred_charges_at_once_all_reach_the_subscription(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    given = [settlement(subscribed(f"x{n}", counts_key=True), charge=n) for n in range(100)]
    await asyncio.gather(*(journal.settle(one) for one in given))
    assert (await windows(engine))[-1] == sum(range(100))
    assert await value(engine, "SELECT quota_used_nano FROM api_keys WHERE id = 1") == sum(range(100))
    assert (await verify(engine)).is_sound


async def test_a_quota_that_counts_list_cost_leaves_the_balance_its_charge(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    paid = intent("x1", quota_basis="list_cost", counts_key=True, charge_multiplier=5000)
    await journal.settle(settlement(paid, charge=400))
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -400
    assert await value(engine, "SELECT quota_used_nano FROM api_keys WHERE id = 1") == LIST_COST
    assert [line[2:4] for line in await lines(engine, "charge")] == [(400, 5000)]
    assert [line[:4] for line in await lines(engine, "key")] == [("key:1", "usage", LIST_COST, 10_000)]
    assert (await verify(engine)).is_sound


async def test_a_subscription_that_counts_list_cost_is_booked_with_it(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    await journal.settle(settlement(subscribed("x1", quota_basis="list_cost"), charge=400))
    assert await value(engine, "SELECT charge_nano FROM usage_records") == 400
    assert [line[2:4] for line in await lines(engine, "charge")] == [(LIST_COST, 10_000)]
    assert (await windows(engine))[-1] == LIST_COST
    assert (await verify(engine)).is_sound


@pytest.mark.parametrize("basis", ["charge", "list_cost"])
@pytest.mark.parametrize(
    "given",
    [
        settlement(subscribed("x1", counts_key=True), outcome="failed", charge=0),
        settlement(subscribed("x1", counts_key=True, charge_multiplier=0), charge=0),
    ],
    ids=["failed", "free"],
)
async def test_failed_attempts_and_free_users_count_nothing(
    journal: GroupJournal, engine: AsyncEngine, given: Settlement, basis: str
) -> None:
    await journal.settle(replace(given, intent=replace(given.intent, quota_basis=basis)))
    assert await counts(engine) == (0, 1, 1)  # the account's cost
    assert (await windows(engine))[-1] == 0
    assert await value(engine, "SELECT quota_used_nano FROM api_keys WHERE id = 1") == 0


@pytest.mark.parametrize(("key", "lined"), [(1, 1), (2, 0), (3, 0)], ids=["quota", "windows", "nothing"])
async def test_only_a_key_with_a_quota_has_a_book(
    journal: GroupJournal, engine: AsyncEngine, key: int, lined: int
) -> None:
    await journal.settle(settlement(intent("x1", key_id=key, counts_key=True), charge=70))
    assert len(await lines(engine, "key")) == lined
    assert await value(engine, f"SELECT quota_used_nano FROM api_keys WHERE id = {key}") == 70 * lined
    assert (await verify(engine)).is_sound


async def test_a_key_that_admission_knew_without_limits_counts_nothing(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    await journal.settle(settlement(intent("x1"), charge=70))
    assert await value(engine, "SELECT quota_used_nano FROM api_keys WHERE id = 1") == 0
    assert await lines(engine, "key") == []


@pytest.mark.parametrize(
    ("charge", "account_cost"),
    [(-1, 0), (0, -1), (MAX_AMOUNT + 1, 0), (0, 2**63), (2**70, 0)],
)
async def test_an_impossible_amount_is_refused_and_its_neighbours_are_booked(
    journal: GroupJournal, engine: AsyncEngine, charge: int, account_cost: int
) -> None:
    bad = settlement(intent("bad", counts_key=True), charge=charge, account_cost=account_cost)
    good = [settlement(intent(f"y{n}", counts_key=True), charge=10) for n in range(6)]
    given = [*good[:3], bad, *good[3:]]
    results = await asyncio.gather(*(journal.settle(one) for one in given), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [RowRefused]
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -60
    assert await value(engine, "SELECT quota_used_nano FROM api_keys WHERE id = 1") == 60
    assert (await verify(engine)).is_sound


async def test_the_costliest_possible_calls_keep_integers_integers(
    journal: GroupJournal, engine: AsyncEngine
) -> None:
    given = [settlement(intent(f"y{n}"), charge=MAX_AMOUNT) for n in range(100)]
    await asyncio.gather(*(journal.settle(one) for one in given))
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -100 * MAX_AMOUNT


def within(start_ms: int) -> AccountWindows:
    """A day and a week from `start_ms`."""
    return AccountWindows(
        daily_start_ms=start_ms,
        daily_end_ms=start_ms + DAY_S * 1000,
        weekly_start_ms=start_ms,
        weekly_end_ms=start_ms + 7 * DAY_S * 1000,
    )


async def quota_used(engine: AsyncEngine) -> tuple[int, int, int]:
    names = ("quota_used_nano", "quota_daily_used_nano", "quota_weekly_used_nano")
    total, daily, weekly = [
        await value(engine, f"SELECT {name} FROM accounts WHERE id = 1") for name in names
    ]
    return total, daily, weekly


async def spend(journal: GroupJournal, clock: FakeClock, *costs: int) -> None:
    windows_now = within(clock.now_ms())
    given = [settlement(intent(), account_cost=cost, account_windows=windows_now) for cost in costs]
    await asyncio.gather(*(journal.settle(one) for one in given))


async def test_account_quotas_count_the_account_cost_and_open_the_given_windows(
    journal: GroupJournal, engine: AsyncEngine, clock: FakeClock
) -> None:
    await spend(journal, clock, 5, 7)
    opened = clock.now_ms()
    assert await quota_used(engine) == (12, 12, 12)
    clock.advance(DAY_S - 1)
    await spend(journal, clock, 1)
    assert await quota_used(engine) == (13, 13, 13)
    assert await value(engine, "SELECT quota_daily_start FROM accounts") == opened
    clock.advance(1)
    await spend(journal, clock, 100)
    assert await quota_used(engine) == (113, 100, 113)
    assert await value(engine, "SELECT quota_daily_end FROM accounts") == clock.now_ms() + DAY_S * 1000
    clock.advance(7 * DAY_S)
    await spend(journal, clock, 1000)
    assert await quota_used(engine) == (1113, 1000, 1000)


async def test_an_account_without_a_quota_counts_nothing(journal: GroupJournal, engine: AsyncEngine) -> None:
    await journal.settle(settlement(intent("x1"), account_cost=5))
    assert await quota_used(engine) == (0, 0, 0)


@pytest.mark.parametrize("limit", ["quota_limit_nano", "quota_daily_limit_nano", "quota_weekly_limit_nano"])
async def test_reaching_an_account_limit_tells_the_directory_once(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions, clock: FakeClock, limit: str
) -> None:
    async with sessions.begin() as session:
        setattr(await session.get(type(account_row()), 1), limit, 100)
    await spend(journal, clock, 99)
    assert await value(engine, "SELECT version FROM directory_version") == 0
    await spend(journal, clock, 1)
    await spend(journal, clock, 1)
    assert await value(engine, "SELECT version FROM directory_version") == 1
