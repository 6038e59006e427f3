import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import SystemClock
from headgate.storage.engine import DatabaseTarget, create_engine, session_factory
from headgate.storage.journal import StorageUnavailable
from headgate.storage.journal_group import GroupJournal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.journal_sqlite import SqliteWriter
from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import counts, intent, settlement, store, user_row
from tests.support.databases import target_for


@pytest.fixture
async def engine(sqlite_target: DatabaseTarget) -> AsyncIterator[AsyncEngine]:
    made = create_engine(sqlite_target)
    yield made
    await made.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return session_factory(engine)


def _lock(target: DatabaseTarget) -> sqlite3.Connection:
    """Somebody else holds the write lock."""
    assert target.path is not None
    other = sqlite3.connect(target.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_a_locked_database_refuses_the_intent_in_time_and_keeps_the_settlement(
    sqlite_target: DatabaseTarget, engine: AsyncEngine
) -> None:
    hasty = target_for(f"sqlite:///{sqlite_target.path}", commit_timeout_s=0.3)
    journal = await open_journal_at(hasty, SystemClock(), "p")
    other = _lock(sqlite_target)
    started = asyncio.get_running_loop().time()
    results = await asyncio.gather(
        journal.open_intent(intent("a")), journal.settle(settlement(intent("b"))), return_exceptions=True
    )
    assert asyncio.get_running_loop().time() - started < 0.5
    assert [type(result) for result in results] == [StorageUnavailable, StorageUnavailable]
    other.execute("COMMIT")
    other.close()
    await journal.settle(settlement(intent("c")))
    assert await counts(engine) == (0, 2, 4)
    await journal.close()


async def test_the_event_loop_runs_on_while_the_database_is_locked(
    sqlite_target: DatabaseTarget, engine: AsyncEngine
) -> None:
    journal = await open_journal_at(sqlite_target, SystemClock(), "p")
    other = _lock(sqlite_target)
    waiting = asyncio.ensure_future(journal.open_intent(intent("a")))
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await counts(engine) == (1, 0, 0)
    await journal.close()


async def test_a_management_page_that_only_reads_does_not_hold_the_journal_up(
    sqlite_target: DatabaseTarget, sessions: async_sessionmaker[AsyncSession]
) -> None:
    hasty = target_for(f"sqlite:///{sqlite_target.path}", commit_timeout_s=0.5)
    journal = await open_journal_at(hasty, SystemClock(), "p")
    await store(sessions, user_row())
    async with UnitOfWork(sessions) as uow:
        await uow.session.get(type(user_row()), 1)
        await journal.open_intent(intent("a"))
    await journal.close()


async def test_management_writes_and_the_journal_share_the_file(
    sqlite_target: DatabaseTarget, engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession]
) -> None:
    journal = await open_journal_at(sqlite_target, SystemClock(), "p")

    async def edit(number: int) -> None:
        await store(sessions, user_row(number))

    async def exchange() -> None:
        opened = intent()
        await journal.open_intent(opened)
        await journal.settle(settlement(opened))

    await asyncio.gather(*(edit(n) for n in range(1, 31)), *(exchange() for _ in range(200)))
    assert await counts(engine) == (0, 200, 400)
    await journal.close()


async def test_a_bug_in_the_writer_fails_its_callers_instead_of_hanging_them() -> None:
    class Broken:
        def write(self, ops: object) -> dict[object, object]:
            raise ZeroDivisionError

        def close(self) -> None:
            pass

    heard: list[object] = []
    hook, threading.excepthook = threading.excepthook, lambda args: heard.append(args.exc_type)
    try:
        journal = GroupJournal(SqliteWriter(Broken()), commit_timeout_s=0.1)  # type: ignore[arg-type]
        for name in ("a", "b"):
            with pytest.raises(StorageUnavailable):
                await journal.open_intent(intent(name))
        await journal.close()
    finally:
        threading.excepthook = hook
    assert heard == [ZeroDivisionError]
