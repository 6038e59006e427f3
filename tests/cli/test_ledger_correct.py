"""`headgate ledger correct` as an operator types it."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_opening import open_journal_at
from tests.cli.conftest import KEY, Run
from tests.storage.books import account_row, intent, key_row, settlement, store, user_row, value


@pytest.fixture
async def books(
    engine: AsyncEngine, keyed_sessions: async_sessionmaker[AsyncSession], target: DatabaseTarget,
    clock: FakeClock,
) -> AsyncEngine:  # fmt: skip
    """Exchange `x1` cost user 1 and his key's quota 800 nano-USD; `free` cost nothing."""
    await store(keyed_sessions, user_row(1), key_row(1, quota_nano=10**9), account_row(1))
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    await journal.settle(settlement(intent("x1", counts_key=True), account_cost=800))
    await journal.settle(settlement(intent("free"), charge=0, account_cost=800))
    await journal.close()
    return engine


async def test_money_is_given_back_to_balance_and_quota(headgate: Run, books: AsyncEngine) -> None:
    done = await headgate("ledger", "correct", "x1", "--by=-0.0000003", "--reason", "outage on Monday")
    assert (done.code, done.problems) == (0, "")
    assert await value(books, "SELECT balance_nano FROM users") == -500
    assert await value(books, "SELECT quota_used_nano FROM api_keys") == 500
    note = "SELECT note FROM ledger_entries WHERE kind = 'correction'"
    assert await value(books, note) == "outage on Monday"
    assert (await headgate("ledger", "verify", "--allow-negative", "1")).code == 0
    assert await value(books, "SELECT COUNT(*) FROM audit_log") == 1
    assert await value(books, "SELECT action FROM audit_log") == "headgate ledger correct"
    assert await value(books, "SELECT target_id FROM audit_log") == "x1"
    assert await value(books, "SELECT actor_kind FROM audit_log") == "cli"
    assert "outage on Monday" in str(await value(books, "SELECT asked FROM audit_log"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("x1", "--by=-0.000001", "--reason", "r"), "has cost 0.000000800 USD so far; no more than that"),
        (("free", "--by=1", "--reason", "r"), "exchange 'free' was never charged"),
        (("nobody", "--by=1", "--reason", "r"), "exchange 'nobody' was never charged"),
        (("x1", "--by=nan", "--reason", "r"), "--by 'nan' is no amount"),
        (("x1", "--by=0", "--reason", "r"), "--by '0' is no amount"),
        (("x1", "--by=1e-12", "--reason", "r"), "less than a billionth"),
        (("x1", "--by=1e30", "--reason", "r"), "--by '1e30' is no amount"),
        (("x1", "--by=1", "--reason", " "), "--reason is empty"),
        (("x1", "--by=1", "--reason", "a\nb"), "not printable"),
    ],
)
async def test_what_cannot_be_corrected_is_said_in_one_line(
    headgate: Run, books: AsyncEngine, words: tuple[str, ...], problem: str
) -> None:
    done = await headgate("ledger", "correct", *words)
    assert (done.code, done.out) == (1, "")
    assert problem in done.problems
    assert done.problems.count("\n") == 1
    assert await value(books, "SELECT COUNT(*) FROM ledger_entries WHERE kind = 'correction'") == 0
    assert await value(books, "SELECT COUNT(*) FROM audit_log") == 0
