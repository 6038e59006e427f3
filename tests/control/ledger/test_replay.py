"""A period billed again: looked at, and booked as corrections; on both databases."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.control.ledger.replay import OTHERS, ReplayReport, book_corrections, preview
from headgate.core.pricing.book import PriceBook, PriceUnknown, always
from headgate.core.pricing.catalogue import Catalogue
from headgate.core.pricing.cost import price_usage
from headgate.core.pricing.price import flat_price
from headgate.core.usage import TokenUsage
from headgate.kit.clock import FakeClock
from headgate.storage import billed_calls
from headgate.storage.billed_calls import Period
from headgate.storage.engine import DatabaseTarget, session_factory
from headgate.storage.journal import Intent, Settlement
from headgate.storage.journal_group import GroupJournal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import adjust_balance
from headgate.storage.ledger_verify import verify
from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import (
    NOW_MS,
    VAULT,
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

KEY = VAULT.ledger_key()
Sessions = async_sessionmaker[AsyncSession]
PERIOD = Period(NOW_MS, NOW_MS + 1)


def book(**usd_per_mtok: int) -> PriceBook:
    prices = {
        name: always(flat_price(input_usd_per_mtok=usd, output_usd_per_mtok=usd))
        for name, usd in usd_per_mtok.items()
    }
    default = flat_price(input_usd_per_mtok=9, output_usd_per_mtok=9)
    return PriceBook(catalogue=Catalogue(version="c", entries=()), default=default, overrides=prices)


THEN = book(a=3, b=5)


def billed(of: Intent, **fields: Any) -> Settlement:
    """Settled as the gateway does it: 1000 tokens at the prices of `THEN`."""
    usage = fields.pop("usage", TokenUsage(input=400, output=600))
    quote = THEN.quote(of.client_model, at_ms=of.started_at_ms)
    assert not isinstance(quote, PriceUnknown)
    failed = fields.get("outcome") == "failed"
    cost = price_usage(
        quote.price, usage, charge_multiplier=0 if failed else of.charge_multiplier,
        cost_multiplier=of.cost_multiplier, price_version=quote.version,
    )  # fmt: skip
    return replace(settlement(of, usage=usage, **fields), cost=cost)


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return session_factory(engine, KEY)


@pytest.fixture
async def journal(
    target: DatabaseTarget, sessions: Sessions, clock: FakeClock
) -> AsyncIterator[GroupJournal]:
    await store(sessions, user_row(1), user_row(2), group_row(1), subscription_row(1, user_id=2))
    await store(sessions, key_row(1, quota_nano=10**12), key_row(2, user_id=2), account_row(1))
    opened = await open_journal_at(target, clock, "p", ledger_key=KEY)
    yield opened
    await opened.close()


@pytest.fixture
async def traffic(journal: GroupJournal) -> None:
    """Four calls of user 1 (a, with a quota), two of a subscriber who counts list cost at x2 (b), a failed
    one, and one after the period."""
    calls = [
        billed(intent(f"a{n}", client_model="a", counts_key=True, charge_multiplier=15_000)) for n in range(4)
    ]
    calls += [
        billed(intent(
            f"b{n}", client_model="b", user_id=2, key_id=2, subscription_id=1, quota_basis="list_cost",
            charge_multiplier=20_000,
        ))
        for n in range(2)
    ]  # fmt: skip
    calls.append(billed(intent("f", client_model="a"), outcome="failed"))
    calls.append(billed(intent("later", client_model="a"), finished_at_ms=NOW_MS + 1))
    await asyncio.gather(*(journal.settle(call) for call in calls))


async def correct(sessions: Sessions, prices: PriceBook) -> ReplayReport:
    return await book_corrections(lambda: UnitOfWork(sessions), prices, PERIOD, {}, now_ms=NOW_MS + 5)


@pytest.mark.usefixtures("traffic")
async def test_the_prices_of_the_time_change_nothing(engine: AsyncEngine, sessions: Sessions) -> None:
    report = await preview(engine, THEN, PERIOD, {})
    assert (report.total.calls, report.total.changed, report.total.difference) == (7, 0, 0)
    assert report.version == THEN.version
    assert (await correct(sessions, THEN)).total.calls == 0
    assert await value(engine, "SELECT COUNT(*) FROM ledger_entries WHERE kind LIKE 'correction%'") == 0


@pytest.mark.usefixtures("traffic")
async def test_a_look_says_the_difference_by_model_and_user_and_changes_nothing(engine: AsyncEngine) -> None:
    before = await value(engine, "SELECT COUNT(*) FROM ledger_entries")
    report = await preview(engine, book(a=4, b=4), PERIOD, {})
    a, b = report.by_model["a"], report.by_model["b"]
    assert (a.calls, a.booked, a.replayed) == (5, 4 * 4_500_000, 4 * 6_000_000)
    assert (b.calls, b.booked, b.replayed) == (2, 2 * 5_000_000, 2 * 4_000_000)
    assert (a.cost_booked, a.cost_replayed) == (5 * 3_000_000, 5 * 4_000_000)
    assert report.by_user[1].difference == 6_000_000
    assert report.by_user[2].difference == -2_000_000
    assert report.most_changed_users() == [1, 2]
    assert report.emails == {1: "user1@example.com", 2: "user2@example.com"}
    assert await value(engine, "SELECT COUNT(*) FROM ledger_entries") == before


@pytest.mark.usefixtures("traffic")
async def test_booked_corrections_move_every_counter_and_are_booked_once(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    charged = 4 * 4_500_000 + 3_000_000  # the period's, and the later one's
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -charged
    report = await correct(sessions, book(a=4, b=4))
    assert (report.total.changed, report.total.difference) == (7, 4_000_000)
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -charged - 6_000_000
    assert await value(engine, "SELECT quota_used_nano FROM api_keys WHERE id = 1") == 24_000_000
    assert await value(engine, "SELECT total_used_nano FROM user_subscriptions") == 8_000_000
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 2") == 0
    assert (await verify(engine, ledger_key=KEY)).findings == []
    assert (await correct(sessions, book(a=4, b=4))).total.changed == 0
    assert (await preview(engine, book(a=4, b=4), PERIOD, {})).total.changed == 0
    assert (await correct(sessions, THEN)).total.difference == -4_000_000
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -charged
    assert (await verify(engine, ledger_key=KEY)).findings == []


@pytest.mark.usefixtures("traffic")
async def test_a_correction_says_which_prices_it_applies(engine: AsyncEngine, sessions: Sessions) -> None:
    prices = book(a=4, b=5)
    await correct(sessions, prices)
    line = (
        "SELECT note || ' | ' || price_version || ' | ' || tariff FROM ledger_entries"
        " WHERE kind = 'correction'"
    )
    told = f"replay with price book {prices.version} | {prices.version} | input=1600000 output=2400000"
    assert await value(engine, f"{line} AND exchange_id = 'a1'") == told
    assert await value(engine, "SELECT version FROM directory_version") == 1


@pytest.mark.usefixtures("traffic")
async def test_pages_of_any_size_find_every_call_once(
    engine: AsyncEngine, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(billed_calls, "PAGE", 2)
    assert (await preview(engine, THEN, PERIOD, {})).total.calls == 7
    assert (await correct(sessions, book(a=4, b=4))).total.changed == 7
    assert (await preview(engine, book(a=4, b=4), PERIOD, {})).total.changed == 0


async def test_names_that_clients_invent_do_not_fill_the_report(
    journal: GroupJournal, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headgate.control.ledger.replay.MAX_NAMES", 3)
    calls = [billed(intent(f"x{n}", client_model=f"invented-{n}")) for n in range(6)]
    await asyncio.gather(*(journal.settle(call) for call in calls))
    report = await preview(engine, THEN, PERIOD, {})
    assert len(report.by_model) == 4
    assert report.by_model[OTHERS].calls == 3


@pytest.mark.usefixtures("traffic")
async def test_charges_and_corrections_at_once_all_count(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions
) -> None:
    async def charge() -> None:
        for number in range(30):
            await journal.settle(
                billed(intent(f"n{number}", client_model="a", counts_key=True), finished_at_ms=NOW_MS + 9)
            )

    await asyncio.gather(charge(), correct(sessions, book(a=4, b=4)), top_up(sessions))
    assert (await verify(engine, ledger_key=KEY)).findings == []


async def top_up(sessions: Sessions) -> None:
    """Somebody else who writes the management plane's chain."""
    for number in range(10):
        async with UnitOfWork(sessions) as uow:
            await adjust_balance(
                uow.session, user_id=number % 2 + 1, delta_nano=1, note="", actor_id=None,
                operation_id=f"op:{number}", now_ms=1,
            )  # fmt: skip


async def test_an_empty_period_is_no_problem(engine: AsyncEngine, sessions: Sessions) -> None:
    assert (await preview(engine, THEN, PERIOD, {})).total.calls == 0
    assert (await correct(sessions, THEN)).total.calls == 0
