import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.errors import StartupError
from headgate.storage import migrate
from headgate.storage.engine import DatabaseTarget, create_engine
from headgate.storage.models import Base
from tests.storage.books import value


async def test_the_migrated_schema_is_what_the_models_say(engine: AsyncEngine) -> None:
    assert await migrate.drift(engine) == []
    assert await migrate.is_current(engine)


async def test_migrations_go_up_down_and_up_again(empty_target: DatabaseTarget) -> None:
    engine = create_engine(empty_target)
    await migrate.upgrade(engine)
    await migrate.downgrade(engine, "base")
    assert await migrate.current(engine) is None
    await migrate.upgrade(engine)
    assert await migrate.drift(engine) == []
    await engine.dispose()


async def test_what_keys_had_used_before_the_ledger_kept_it_is_its_first_entry(
    empty_target: DatabaseTarget,
) -> None:
    engine = create_engine(empty_target)
    await migrate.upgrade(engine, "0001")
    user = (
        "INSERT INTO users (id, email, password_hash, role, status, username, notes, balance_nano,"
        " concurrency, token_version, created_at, updated_at) VALUES (1,'a','','','','','',0,0,0,0,0)"
    )
    key = (
        "INSERT INTO api_keys (id, user_id, key_hash, key_prefix, name, status, ip_whitelist, ip_blacklist,"
        " quota_nano, quota_used_nano, limit_5h_nano, limit_1d_nano, limit_7d_nano, used_5h_nano,"
        " used_1d_nano, used_7d_nano, created_at, updated_at) VALUES"
    )
    async with engine.begin() as connection:
        await connection.execute(text(user))
        for number, used in ((1, 70), (2, 0)):
            row = f"({number}, 1, '{number}', '', '', '', '[]', '[]', 0, {used}, 0, 0, 0, 0, 0, 0, 0, 5)"
            await connection.execute(text(f"{key} {row}"))
    await migrate.upgrade(engine)
    line = "SELECT exchange_id || ' ' || debit_book || ' ' || amount_nano FROM ledger_entries"
    assert await value(engine, line) == "opening:key:1 key:1 70"
    assert await value(engine, "SELECT COUNT(*) FROM ledger_entries") == 1
    await engine.dispose()


async def test_adjustments_from_before_the_audit_are_in_the_balance_history(
    empty_target: DatabaseTarget,
) -> None:
    engine = create_engine(empty_target)
    await migrate.upgrade(engine, "0001")
    user = (
        "INSERT INTO users (id, email, password_hash, role, status, username, notes, balance_nano,"
        " concurrency, token_version, created_at, updated_at) VALUES (12,'a','','','','','',30,0,0,0,0)"
    )
    entry = (
        "INSERT INTO ledger_entries (exchange_id, attempt, kind, debit_book, credit_book, amount_nano, note,"
        " actor_id, created_at_ms, price_version) VALUES"
    )
    async with engine.begin() as connection:
        await connection.execute(text(user))
        for values in (
            "('op:1', 0, 'adjustment', 'equity', 'user:12', 50, 'gift', 3, 7, '')",
            "('op:2', 0, 'adjustment', 'user:12', 'equity', 20, '', NULL, 8, '')",
            "('x1', 1, 'charge', 'user:12', 'revenue', 5, '', NULL, 9, '')",
        ):
            await connection.execute(text(f"{entry} {values}"))
    await migrate.upgrade(engine)
    columns = "code || ' ' || type || ' ' || value_nano || ' ' || status || ' ' || used_by || ' ' || used_at"
    line = f"SELECT {columns} || ' ' || notes FROM redeem_codes WHERE code = "
    assert await value(engine, f"{line}'op:1'") == "op:1 admin_balance 50 used 12 7 gift"
    assert await value(engine, f"{line}'op:2'") == "op:2 admin_balance -20 used 12 8 "
    assert await value(engine, "SELECT COUNT(*) FROM redeem_codes") == 2
    await migrate.downgrade(engine, "base")
    await engine.dispose()


async def test_a_column_that_is_missing_is_drift(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE users DROP COLUMN notes"))
    assert [change[0] for change in await migrate.drift(engine)] == ["add_column"]


async def test_processes_that_start_together_migrate_once(empty_target: DatabaseTarget) -> None:
    engines = [create_engine(empty_target) for _ in range(4)]
    await asyncio.gather(*(migrate.upgrade(engine) for engine in engines))
    assert await value(engines[0], "SELECT COUNT(*) FROM alembic_version") == 1
    assert await value(engines[0], "SELECT version FROM directory_version") == 0
    for engine in engines:
        await engine.dispose()


async def test_a_database_newer_than_the_program_is_refused_in_one_line(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(
        StartupError, match=r"revision 9999, which is newer .* install the Headgate version"
    ) as caught:
        await migrate.upgrade(engine)
    assert "\n" not in str(caught.value)
    assert not await migrate.is_current(engine)


async def test_pending_migrations_are_named_with_their_remedy(empty_target: DatabaseTarget) -> None:
    engine = create_engine(empty_target)
    with pytest.raises(StartupError, match="headgate migrate"):
        await migrate.require_current(engine, name="x")
    await migrate.upgrade(engine)
    await migrate.require_current(engine, name="x")
    await engine.dispose()


async def test_every_table_of_the_models_is_migrated(engine: AsyncEngine) -> None:
    for table in Base.metadata.tables:
        assert await value(engine, f'SELECT COUNT(*) FROM "{table}"') >= 0
