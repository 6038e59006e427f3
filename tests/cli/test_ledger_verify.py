"""`headgate ledger verify` as an operator or a nightly job sees it."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import adjust_balance
from headgate.storage.unit_of_work import UnitOfWork
from tests.cli.conftest import KEY, Run
from tests.storage.books import account_row, group_row, intent, key_row, settlement, store, user_row

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def books(
    engine: AsyncEngine, keyed_sessions: Sessions, target: DatabaseTarget, clock: FakeClock
) -> AsyncEngine:
    """A top-up of 10,000 nano-USD, three calls for 800 each."""
    await store(keyed_sessions, user_row(1), key_row(1), account_row(1), group_row(1))
    async with UnitOfWork(keyed_sessions) as uow:
        await adjust_balance(
            uow.session, user_id=1, delta_nano=10_000, note="", actor_id=9, operation_id="op:1", now_ms=1
        )
    journal = await open_journal_at(target, clock, "p", ledger_key=KEY)
    for number in range(3):
        await journal.settle(settlement(intent(f"x{number}"), account_cost=800))
    await journal.close()
    return engine


async def do(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


@pytest.mark.usefixtures("books")
async def test_sound_books_end_with_0_and_show_each_chain(headgate: Run) -> None:
    done = await headgate("ledger", "verify")
    assert (done.code, done.problems) == (0, "")
    assert "7 entries: the ledger is sound" in done.out
    assert "management" in done.out
    assert done.out.count("ok ") == 6


async def test_a_changed_entry_ends_with_1_and_its_name(headgate: Run, books: AsyncEngine) -> None:
    await do(
        books, "UPDATE ledger_entries SET amount_nano = 700 WHERE exchange_id = 'x1' AND kind = 'charge'"
    )
    done = await headgate("ledger", "verify")
    assert done.code == 1
    assert "FAIL hash chains: 1 found" in done.out
    assert "(chain 1, seq 3, charge of x1/1) is not what was written" in done.out
    assert "says 700, but its lines add up to 800 x 1 = 800 nano-USD" in done.out
    assert "BROKEN" in done.out
    assert done.problems.strip() == "7 entries: the ledger is NOT sound"


async def test_a_balance_may_be_as_far_below_zero_as_the_operator_says(
    headgate: Run, books: AsyncEngine, keyed_sessions: Sessions
) -> None:
    async with UnitOfWork(keyed_sessions) as uow:
        await adjust_balance(
            uow.session, user_id=1, delta_nano=-(10**9), note="", actor_id=9, operation_id="op:2", now_ms=2
        )
    done = await headgate("ledger", "verify")
    assert done.code == 1
    assert "user:1 has -0.999992400 USD, the bound is -0." in done.out
    assert (await headgate("ledger", "verify", "--allow-negative", "1")).code == 0
    await do(books, "UPDATE groups SET overrun_policy = 'overdraft', overdraft_limit_nano = 2000000000")
    assert (await headgate("ledger", "verify")).code == 0


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "1e400", "much", ""])
async def test_a_bound_that_is_no_amount_is_named_in_one_line(headgate: Run, amount: str) -> None:
    done = await headgate("ledger", "verify", f"--allow-negative={amount}")
    assert (done.code, done.out) == (1, "")
    assert done.problems.count("\n") == 1
    assert "--allow-negative" in done.problems


@pytest.mark.usefixtures("books")
async def test_the_proof_needs_the_key_that_the_books_were_made_with(headgate: Run) -> None:
    await headgate("ledger", "verify")
    done = await headgate("ledger", "verify", secret_key="00" * 32)
    assert (done.code, done.out) == (1, "")
    assert "this database was made with another one" in done.problems


async def test_a_database_that_does_not_exist_is_not_made(headgate: Run, target: DatabaseTarget) -> None:
    if target.path is None:
        return
    target.path.unlink()
    done = await headgate("ledger", "verify")
    assert done.code == 1
    assert "does not exist" in done.problems
    assert not target.path.exists()
