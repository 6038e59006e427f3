import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import adjust_balance, reset_key_quota, verify
from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import intent, key_row, settlement, store, user_row, value

Sessions = async_sessionmaker[AsyncSession]


async def _adjust(sessions: Sessions, delta: int, operation: str = "op:1") -> None:
    async with UnitOfWork(sessions) as uow:
        await adjust_balance(
            uow.session,
            user_id=1,
            delta_nano=delta,
            note="top-up",
            actor_id=9,
            operation_id=operation,
            now_ms=1,
        )


@pytest.fixture
async def books(
    engine: AsyncEngine, sessions: Sessions, target: DatabaseTarget, clock: FakeClock
) -> AsyncEngine:
    """A user with a top-up of 10,000 who spent 800."""
    await store(sessions, user_row(1), key_row(1))
    await _adjust(sessions, 10_000)
    journal = await open_journal_at(target, clock, "p")
    await journal.settle(settlement(intent("x1")))
    await journal.close()
    return engine


async def test_a_top_up_moves_money_from_equity_to_the_user(engine: AsyncEngine, sessions: Sessions) -> None:
    await store(sessions, user_row(1))
    await _adjust(sessions, 500)
    query = "SELECT debit_book || ' ' || credit_book || ' ' || amount_nano || ' ' || kind FROM ledger_entries"
    assert await value(engine, query) == "equity user:1 500 adjustment"
    assert await value(engine, "SELECT balance_nano FROM users") == 500
    assert await value(engine, "SELECT actor_id FROM ledger_entries") == 9


async def test_a_deduction_is_the_movement_back(engine: AsyncEngine, sessions: Sessions) -> None:
    await store(sessions, user_row(1))
    await _adjust(sessions, -500)
    query = "SELECT debit_book || ' ' || credit_book || ' ' || amount_nano FROM ledger_entries"
    assert await value(engine, query) == "user:1 equity 500"
    assert await value(engine, "SELECT balance_nano FROM users") == -500


async def test_one_operation_is_booked_once(engine: AsyncEngine, sessions: Sessions) -> None:
    await store(sessions, user_row(1))
    await _adjust(sessions, 500, "op:a")
    with pytest.raises(IntegrityError):
        await _adjust(sessions, 500, "op:a")
    assert await value(engine, "SELECT balance_nano FROM users") == 500


async def test_a_reset_quota_is_a_movement_back(engine: AsyncEngine, sessions: Sessions) -> None:
    await store(sessions, user_row(1), key_row(1, quota_nano=1000, quota_used_nano=70))

    async def reset(operation: str) -> int:
        async with UnitOfWork(sessions) as uow:
            return await reset_key_quota(uow.session, key_id=1, actor_id=9, operation_id=operation, now_ms=1)

    assert [await reset("op:1"), await reset("op:2")] == [70, 0]
    query = "SELECT debit_book || ' ' || credit_book || ' ' || amount_nano || ' ' || kind FROM ledger_entries"
    assert await value(engine, query) == "equity key:1 70 adjustment"
    assert await value(engine, "SELECT quota_used_nano FROM api_keys") == 0


async def test_untouched_books_are_sound(books: AsyncEngine) -> None:
    report = await verify(books)
    assert report.is_sound
    assert report.entries == 3
    assert await value(books, "SELECT balance_nano FROM users") == 9_200
