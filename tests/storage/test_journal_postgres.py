import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.kit.clock import SystemClock
from headgate.storage.engine import DatabaseTarget, create_engine, session_factory
from headgate.storage.journal import StorageUnavailable
from headgate.storage.journal_opening import open_journal_at
from tests.storage.books import counts, intent, key_row, settlement, store, user_row, value
from tests.support.databases import target_for

pytestmark = pytest.mark.pg


@pytest.fixture
async def engine(postgres_target: DatabaseTarget) -> AsyncIterator[AsyncEngine]:
    made = create_engine(postgres_target)
    yield made
    await made.dispose()


async def _kill_journal_connections(target: DatabaseTarget) -> int:
    """What a restart of the database does to the journal: its connection is gone."""
    connection = await asyncpg.connect(**target.asyncpg_options)
    try:
        return int(
            await connection.fetchval(
                "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l"
                " JOIN pg_database d ON d.oid = l.database"
                " WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND d.datname = current_database()"
            )
        )
    finally:
        await connection.close()


async def test_a_lost_connection_is_opened_again_and_nothing_is_booked_twice(
    postgres_target: DatabaseTarget, engine: AsyncEngine
) -> None:
    journal = await open_journal_at(postgres_target, SystemClock(), "p")
    for number in range(5):
        given = settlement(intent(f"x{number}"))
        await journal.settle(given)
        assert await _kill_journal_connections(postgres_target) == 1
        await journal.settle(given)
    assert await counts(engine) == (0, 5, 10)
    await journal.close()


async def test_intents_of_a_living_process_are_left_alone(postgres_target: DatabaseTarget) -> None:
    living = await open_journal_at(postgres_target, SystemClock(), "living")
    await living.open_intent(intent("a"))
    other = await open_journal_at(postgres_target, SystemClock(), "other")
    assert await other.open_intents() == []
    await living.close()
    assert [found.process for found in await other.open_intents()] == ["living"]
    await other.close()


async def test_two_gateways_that_charge_the_same_users_do_not_deadlock(
    postgres_target: DatabaseTarget, engine: AsyncEngine
) -> None:
    sessions = session_factory(engine)
    await store(sessions, *(user_row(n) for n in range(1, 21)))
    await store(sessions, *(key_row(n, user_id=n, quota_nano=10**15) for n in range(1, 21)))
    journals = [await open_journal_at(postgres_target, SystemClock(), f"p{n}") for n in range(2)]

    async def exchange(number: int) -> None:
        user = number * 7 % 20 + 1
        opened = intent(user_id=user, key_id=user, counts_key=True)
        journal = journals[number % 2]
        await journal.open_intent(opened)
        await journal.settle(settlement(opened, charge=1))

    await asyncio.gather(*(exchange(number) for number in range(600)))
    assert await value(engine, "SELECT SUM(balance_nano) FROM users") == -600
    assert await value(engine, "SELECT SUM(quota_used_nano) FROM api_keys") == 600
    for journal in journals:
        await journal.close()


async def test_a_row_locked_by_the_management_api_delays_and_does_not_lose(
    postgres_target: DatabaseTarget, engine: AsyncEngine
) -> None:
    await store(session_factory(engine), user_row(1))
    hasty = target_for(
        postgres_target.url.render_as_string(hide_password=False).replace("+asyncpg", ""),
        commit_timeout_s=0.3,
    )
    journal = await open_journal_at(hasty, SystemClock(), "p")
    connection = await asyncpg.connect(**postgres_target.asyncpg_options)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("SELECT * FROM users WHERE id = 1 FOR UPDATE")
    with pytest.raises(StorageUnavailable):
        await journal.settle(settlement(intent("a")))
    await transaction.rollback()
    await connection.close()
    await journal.settle(settlement(intent("b")))
    assert await value(engine, "SELECT balance_nano FROM users WHERE id = 1") == -1600
    await journal.close()


async def test_a_journal_that_lost_its_connection_takes_a_free_chain(
    postgres_target: DatabaseTarget, engine: AsyncEngine
) -> None:
    journal = await open_journal_at(postgres_target, SystemClock(), "p")
    for number in range(3):
        await journal.settle(settlement(intent(f"x{number}")))
        await _kill_journal_connections(postgres_target)
    await journal.close()
    places = "SELECT COUNT(*) FROM ledger_entries WHERE seq > 0 AND chain > 0"
    assert await value(engine, places) == 6
    ends = (
        "SELECT COUNT(*) FROM ledger_chains c WHERE c.seq ="
        " (SELECT MAX(seq) FROM ledger_entries e WHERE e.chain = c.chain)"
    )
    assert await value(engine, ends) == await value(engine, "SELECT COUNT(*) FROM ledger_chains")
