"""Every writer continues its own chain of ledger entries, whatever happens to it; on both databases."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import FakeClock
from headgate.storage.engine import DatabaseTarget, session_factory
from headgate.storage.journal_group import GroupJournal
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import adjust_balance
from headgate.storage.ledger_chain import CHAINED_COLUMNS, beginning, entry_hash, resume
from headgate.storage.unit_of_work import UnitOfWork
from tests.storage.books import VAULT, account_row, intent, key_row, settlement, store, user_row, value

KEY = VAULT.ledger_key()
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
def sessions(engine: AsyncEngine) -> Sessions:
    return session_factory(engine, KEY)


@pytest.fixture
async def journal(
    target: DatabaseTarget, sessions: Sessions, clock: FakeClock
) -> AsyncIterator[GroupJournal]:
    await store(sessions, *(user_row(n) for n in range(1, 6)), key_row(1), account_row(1))
    opened = await another(target, clock)
    yield opened
    await opened.close()


async def another(target: DatabaseTarget, clock: FakeClock, name: str = "p") -> GroupJournal:
    return await open_journal_at(target, clock, name, ledger_key=KEY)


async def settle(journal: GroupJournal, count: int, **fields: Any) -> None:
    await asyncio.gather(*(journal.settle(settlement(intent(), **fields)) for _ in range(count)))


async def lengths(engine: AsyncEngine) -> dict[int, int]:
    """Entries per chain, after the proof that each is whole and ends where its head says."""
    columns = ", ".join((*CHAINED_COLUMNS, "chain", "seq", "hash"))
    async with engine.connect() as connection:
        rows = (
            await connection.execute(text(f"SELECT {columns} FROM ledger_entries ORDER BY chain, seq"))
        ).all()
        heads = (await connection.execute(text("SELECT chain, seq, hash FROM ledger_chains"))).all()
    ends = {chain: beginning(KEY, chain) for chain, _, _ in heads}
    found = {chain: (0, end.hash) for chain, end in ends.items()}
    for *row, chain, seq, digest in rows:
        before_seq, before = found[chain]
        assert seq == before_seq + 1
        assert bytes(digest) == entry_hash(KEY, chain, seq, before, row)
        found[chain] = (seq, bytes(digest))
    for chain, seq, seal in heads:
        newest = found[chain] if found[chain][0] else None
        assert resume(KEY, chain, (seq, bytes(seal)), newest) is not None
    return {chain: seq for chain, (seq, _) in found.items()}


async def test_a_journal_continues_its_chain_over_groups_and_restarts(
    target: DatabaseTarget, journal: GroupJournal, engine: AsyncEngine, clock: FakeClock
) -> None:
    await settle(journal, 1)
    await settle(journal, 70)
    await journal.close()
    heir = await another(target, clock)
    await settle(heir, 3)
    await heir.close()
    assert await lengths(engine) == {1: 148}


async def test_a_refused_row_leaves_no_gap(journal: GroupJournal, engine: AsyncEngine) -> None:
    bad = [settlement(intent(), charge=2**70), settlement(intent(), charge=-1)]
    good = [settlement(intent()) for _ in range(4)]
    given = (good[0], bad[0], good[1], good[2], bad[1], good[3], good[0])
    await asyncio.gather(*(journal.settle(one) for one in given), return_exceptions=True)
    await settle(journal, 2)
    assert await lengths(engine) == {1: 12}


async def test_two_journals_do_not_disturb_each_other(
    target: DatabaseTarget, journal: GroupJournal, engine: AsyncEngine, clock: FakeClock
) -> None:
    other = await another(target, clock, "q")
    for _ in range(5):
        await asyncio.gather(settle(journal, 3), settle(other, 4))
    await other.close()
    expected = {1: 70} if target.backend == "sqlite" else {1: 30, 2: 40}
    if target.backend == "postgresql" and (await lengths(engine))[1] == 40:
        expected = {1: 40, 2: 30}  # whoever came first
    assert await lengths(engine) == expected


@pytest.mark.parametrize(
    "tampering",
    [
        "DELETE FROM ledger_entries WHERE seq = (SELECT MAX(seq) FROM ledger_entries)",
        "DELETE FROM ledger_chains",
        "UPDATE ledger_chains SET seq = seq - 1,"
        " hash = (SELECT hash FROM ledger_entries e WHERE e.seq = ledger_chains.seq - 1)",
    ],
    ids=["tail", "head", "head set back"],
)
async def test_a_chain_that_somebody_has_been_at_is_left_alone_and_charging_goes_on(
    target: DatabaseTarget, journal: GroupJournal, engine: AsyncEngine, clock: FakeClock, tampering: str
) -> None:
    await settle(journal, 2)
    await journal.close()
    async with engine.begin() as connection:
        await connection.execute(text(tampering))
    before = await value(engine, "SELECT COUNT(*) FROM ledger_entries WHERE chain = 1")
    heir = await another(target, clock)
    await settle(heir, 3)
    await heir.close()
    assert await value(engine, "SELECT COUNT(*) FROM ledger_entries WHERE chain = 1") == before
    assert await value(engine, "SELECT COUNT(*) FROM ledger_entries WHERE chain = 2") == 6
    assert await value(engine, "SELECT COUNT(*) FROM usage_records") == 5


async def top_up(sessions: Sessions, user: int, operation: str) -> None:
    async with UnitOfWork(sessions) as uow:
        await adjust_balance(
            uow.session, user_id=user, delta_nano=5, note="ü\n", actor_id=9, operation_id=operation, now_ms=1
        )


@pytest.mark.usefixtures("journal")
async def test_the_management_plane_has_a_chain_of_its_own(
    journal: GroupJournal, engine: AsyncEngine, sessions: Sessions
) -> None:
    await asyncio.gather(*(top_up(sessions, n % 5 + 1, f"op:{n}") for n in range(20)), settle(journal, 10))
    assert await lengths(engine) == {0: 20, 1: 20}
    assert await value(engine, "SELECT SUM(balance_nano) FROM users") == 20 * 5 - 10 * 800


@pytest.mark.usefixtures("journal")
async def test_a_management_transaction_that_fails_leaves_no_gap(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    await top_up(sessions, 1, "op:1")
    with pytest.raises(IntegrityError):
        await top_up(sessions, 1, "op:1")
    uow = UnitOfWork(sessions)
    await adjust_balance(
        uow.session, user_id=1, delta_nano=5, note="", actor_id=9, operation_id="op:2", now_ms=1
    )
    await uow.rollback()
    await uow.session.close()
    await top_up(sessions, 1, "op:3")
    assert await lengths(engine) == {0: 2}


@pytest.mark.usefixtures("journal")
async def test_a_management_chain_that_somebody_has_been_at_is_left_alone(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    await top_up(sessions, 1, "op:1")
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE ledger_chains SET hash = :none"), {"none": b"0" * 16})
    await top_up(sessions, 1, "op:2")
    await top_up(sessions, 1, "op:3")
    assert await value(engine, "SELECT COUNT(*) FROM ledger_entries WHERE chain = 0") == 1
    assert await value(engine, "SELECT COUNT(*) FROM ledger_entries WHERE chain = -1") == 2
