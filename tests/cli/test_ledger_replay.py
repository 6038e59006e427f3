"""`headgate ledger replay` as an operator types it."""

import pytest
from msgspec.structs import replace
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.cli.ledger_replay import compared
from headgate.core.pricing.book import PriceBook, always
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import flat_price
from headgate.core.usage import TokenUsage
from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.models import PriceOverrideRow
from headgate.storage.price_books import PriceBooks
from tests.cli.conftest import KEY, Run
from tests.storage.books import NOW, account_row, intent, key_row, settlement, store, user_row, value

Sessions = async_sessionmaker[AsyncSession]
DAYS = ("--from", "2025-06-15", "--to", "2025-06-16")
MILLION = TokenUsage(input=1_000_000)


@pytest.fixture
async def books(
    engine: AsyncEngine, keyed_sessions: Sessions, target: DatabaseTarget, clock: FakeClock
) -> AsyncEngine:
    """A million tokens of `[/model]`, charged 2 USD and costing 2 USD; the price in force is 3."""
    await store(keyed_sessions, user_row(1), key_row(1), account_row(1))
    price = {"input_nano": 3 * 10**9, "output_nano": 0, "created_at": NOW, "updated_at": NOW}
    await store(keyed_sessions, PriceOverrideRow(model="[/model]", **price))
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    of = intent("x1", client_model="[/model]", upstream_model="m")
    call = settlement(of, usage=MILLION)
    cost = replace(call.cost, input=2 * 10**9, output=0, cache_read=0, list_cost=2 * 10**9, charge=2 * 10**9)
    await journal.settle(replace(call, cost=replace(cost, account_cost=2 * 10**9)))
    await journal.close()
    return engine


async def balance(engine: AsyncEngine) -> int:
    return int(await value(engine, "SELECT balance_nano FROM users"))


async def test_a_dry_run_prints_the_difference_and_changes_nothing(headgate: Run, books: AsyncEngine) -> None:
    done = await headgate("ledger", "replay", *DAYS, "--dry-run")
    assert (done.code, done.problems) == (0, "")
    assert "1 calls, 1 of them differ" in done.out
    assert "+1.000000000" in done.out
    assert "[/model]" in done.out
    assert "user1@example.com (1)" in done.out
    assert await balance(books) == -2 * 10**9


async def test_corrections_are_booked_with_yes_and_the_ledger_stays_sound(
    headgate: Run, books: AsyncEngine
) -> None:
    done = await headgate("ledger", "replay", *DAYS, "--yes")
    assert (done.code, done.problems) == (0, "")
    assert "corrected 1 calls: 1.000000000 USD charged more than was booked" in done.out
    assert await balance(books) == -3 * 10**9
    assert (await headgate("ledger", "verify", "--allow-negative", "3")).code == 0
    again = await headgate("ledger", "replay", *DAYS, "--yes")
    assert "1 calls, 0 of them differ" in again.out
    assert await value(books, "SELECT COUNT(*) FROM audit_log") == 1
    assert await value(books, "SELECT action FROM audit_log") == "headgate ledger replay"
    assert '"charged_more_usd":1.0' in str(await value(books, "SELECT asked FROM audit_log")).replace(" ", "")


async def test_what_was_too_dear_is_told_as_charged_less(
    headgate: Run, books: AsyncEngine, keyed_sessions: Sessions
) -> None:
    async with keyed_sessions.begin() as session:
        await session.execute(update(PriceOverrideRow).values(input_nano=15 * 10**8))
    done = await headgate("ledger", "replay", *DAYS, "--yes")
    assert "corrected 1 calls: 0.500000000 USD charged less than was booked" in done.out
    assert await balance(books) == -15 * 10**8


def test_what_only_changes_costs_charges_as_much() -> None:
    assert compared(0) == "as much charged as"


async def test_without_a_terminal_nothing_is_booked_unasked(headgate: Run, books: AsyncEngine) -> None:
    done = await headgate("ledger", "replay", *DAYS)
    assert done.code == 1
    assert "nothing was changed; book the corrections with --yes" in done.problems
    assert await balance(books) == -2 * 10**9


async def test_a_stored_price_book_is_named_by_its_version(
    headgate: Run, books: AsyncEngine, clock: FakeClock
) -> None:
    price = flat_price(input_usd_per_mtok="2.5", output_usd_per_mtok=0)
    book = PriceBook(catalogue=bundled_catalogue(), default=price, overrides={"[/model]": always(price)})
    await PriceBooks(books, clock).keep(book)
    done = await headgate("ledger", "replay", *DAYS, "--price-book", book.version, "--dry-run")
    assert f"price book {book.version}: 1 calls, 1 of them differ" in done.out
    assert "+0.500000000" in done.out
    unknown = await headgate("ledger", "replay", *DAYS, "--price-book", "v-0")
    assert unknown.code == 1
    assert "--price-book 'v-0' is not stored" in unknown.problems


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("days", "problem"),
    [
        (("--from", "yesterday", "--to", "2025-06-16"), "--from 'yesterday' is no day or instant"),
        (("--from", "2025-06-15", "--to", "2025-06-31"), "--to '2025-06-31' is no day"),
        (("--from", "2025-06-15", "--to", "2025-06-15"), "the period would be empty"),
        (("--from", "2025-06-16T00:00:00+02:00", "--to", "2025-06-15T22:00:00Z"), "is not before --to"),
        (("--from", "", "--to", "9999999999999"), "--from '' is no day"),
    ],
)
async def test_a_bad_period_is_named_in_one_line(headgate: Run, days: tuple[str, ...], problem: str) -> None:
    done = await headgate("ledger", "replay", *days, "--yes")
    assert (done.code, done.out) == (1, "")
    assert problem in done.problems
    assert done.problems.count("\n") == 1


@pytest.mark.usefixtures("books")
async def test_a_period_without_calls_says_so(headgate: Run) -> None:
    done = await headgate("ledger", "replay", "--from", "2025-06-16", "--to", "2025-06-17", "--yes")
    assert (done.code, done.problems) == (0, "")
    assert "0 calls, 0 of them differ" in done.out
