"""After `kill -9` at any point: what was promised is there, nothing is there twice, the rest is found
open."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.clock import SystemClock
from headgate.storage.engine import DatabaseTarget
from headgate.storage.journal import Journal, OpenIntent
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.ledger import verify
from tests.storage.books import settlement, store, user_row, value

_ROOT = Path(__file__).resolve().parents[2]


async def _book_and_kill(target: DatabaseTarget, process: str, after_lines: int) -> tuple[set[str], set[str]]:
    """Returns the exchanges that the killed process had been told to be opened, and to be settled."""
    url = target.url.render_as_string(hide_password=False)
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.crash_writer", url, process,
        cwd=_ROOT, env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(after_lines)]
    writer.kill()
    lines += (await writer.stdout.read()).splitlines(keepends=True)
    await writer.wait()
    told: dict[str, set[str]] = {"opened": set(), "settled": set()}
    for line in lines:
        if line.endswith(b"\n"):
            what, _, name = line.decode().strip().partition(" ")
            told[what].add(name)
    return told["opened"], told["settled"]


@pytest.mark.parametrize("after_lines", [1, 400])
async def test_after_kill_9_every_call_has_one_record_or_is_found_open(
    target: DatabaseTarget, engine: AsyncEngine, sessions: async_sessionmaker[AsyncSession], after_lines: int
) -> None:
    await store(sessions, *(user_row(number) for number in range(1, 5)))
    opened, settled = await _book_and_kill(target, "doomed", after_lines)

    journal = await open_journal_at(target, SystemClock(), "heir")
    found = await _open_after_death(journal)
    left = {str(open_.intent.exchange_id) for open_ in found}
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT exchange_id FROM usage_records"))
        recorded = [row[0] for row in rows]
    assert len(recorded) == len(set(recorded))
    assert settled <= set(recorded)
    assert not left & set(recorded)
    assert opened <= left | set(recorded)

    for open_ in found:
        await journal.settle(settlement(open_.intent, outcome="interrupted", charge=0, account_cost=0))
    assert await value(engine, "SELECT COUNT(*) FROM usage_intents") == 0
    assert (await verify(engine)).is_sound
    assert await value(engine, "SELECT SUM(balance_nano) FROM users") == -3 * len(recorded)
    await journal.close()


async def _open_after_death(journal: Journal) -> list[OpenIntent]:
    """PostgreSQL notices a killed client within moments, not at once; SQLite at once."""
    seen: list[OpenIntent] = []
    for _ in range(40):
        seen = list(await journal.open_intents())
        if seen:
            break
        await asyncio.sleep(0.05)
    return seen
