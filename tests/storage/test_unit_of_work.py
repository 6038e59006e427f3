import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import user_row, value

Sessions = async_sessionmaker[AsyncSession]


async def test_a_block_that_ends_well_is_committed(engine: AsyncEngine, sessions: Sessions) -> None:
    async with UnitOfWork(sessions) as uow:
        uow.session.add(user_row())
    assert await value(engine, "SELECT COUNT(*) FROM users") == 1


async def test_a_block_that_raises_leaves_nothing(engine: AsyncEngine, sessions: Sessions) -> None:
    async def doomed() -> None:
        async with UnitOfWork(sessions) as uow:
            uow.session.add(user_row())
            await uow.session.flush()
            uow.touch_directory()
            raise LookupError

    with pytest.raises(LookupError):
        await doomed()
    assert await value(engine, "SELECT COUNT(*) FROM users") == 0
    assert await value(engine, "SELECT version FROM directory_version") == 0


async def test_touching_the_directory_bumps_its_version_once(engine: AsyncEngine, sessions: Sessions) -> None:
    async with UnitOfWork(sessions) as uow:
        uow.touch_directory()
        uow.touch_directory()
    assert await value(engine, "SELECT version FROM directory_version") == 1


async def test_callbacks_run_after_the_commit_and_not_after_a_rollback(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    seen: list[int] = []

    async def look() -> None:
        seen.append(await value(engine, "SELECT COUNT(*) FROM users"))

    async with UnitOfWork(sessions) as uow:
        uow.session.add(user_row())
        uow.after_commit(look)
        uow.after_commit(lambda: seen.append(99))
        assert seen == []

    async def doomed() -> None:
        async with UnitOfWork(sessions) as uow:
            uow.after_commit(look)
            raise LookupError

    with pytest.raises(LookupError):
        await doomed()
    assert seen == [1, 99]


async def test_a_savepoint_that_fails_undoes_its_part_only(engine: AsyncEngine, sessions: Sessions) -> None:
    async def doomed(session: AsyncSession) -> None:
        async with session.begin_nested():
            session.add(user_row(2))
            await session.flush()
            raise LookupError

    async with UnitOfWork(sessions) as uow:
        uow.session.add(user_row(1))
        await uow.session.flush()
        with pytest.raises(LookupError):
            await doomed(uow.session)
    assert await value(engine, "SELECT COUNT(*) FROM users") == 1


async def test_reading_first_does_not_stop_a_later_write(engine: AsyncEngine, sessions: Sessions) -> None:
    """SQLite answers SQLITE_BUSY at once when a read transaction wants to write after somebody else wrote."""
    async with UnitOfWork(sessions) as slow:
        await slow.session.get(type(user_row()), 1)
        async with UnitOfWork(sessions) as quick:
            quick.session.add(user_row(1))
        slow.session.add(user_row(2))
    assert await value(engine, "SELECT COUNT(*) FROM users") == 2
