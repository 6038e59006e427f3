import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.errors import StartupError
from headgate.settings import Settings
from headgate.storage.engine import DatabaseTarget, check_reachable, create_engine, database_target
from tests.support.databases import target_for


async def _problem(target: DatabaseTarget) -> str:
    engine = create_engine(target)
    with pytest.raises(StartupError) as caught:
        await check_reachable(engine, target)
    await engine.dispose()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_a_url_the_database_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    target = database_target(Settings(data_dir=tmp_path))
    assert target.backend == "sqlite"
    assert target.path == tmp_path / "headgate.db"


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@db.example:5433/name", "postgres://u:p@db.example:5433/name"]
)
def test_both_spellings_of_postgres_are_understood(url: str) -> None:
    target = target_for(url)
    assert target.backend == "postgresql"
    assert target.asyncpg_options == {
        "host": "db.example", "port": 5433, "user": "u", "password": "p", "database": "name",
    }  # fmt: skip


def test_libpq_sslmode_reaches_the_driver() -> None:
    assert target_for("postgresql://u@h/d?sslmode=require").asyncpg_options["ssl"] == "require"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:hunter2@h/d", "scheme 'mysql'"),
        ("not a url hunter2", "not a URL"),
        ("postgresql://u:hunter2@h", "names no database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_cannot_work_is_named_with_a_remedy_and_without_its_password(url: str, says: str) -> None:
    with pytest.raises(StartupError) as caught:
        target_for(url)
    assert says in str(caught.value)
    assert "HEADGATE_DATABASE_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_target_never_prints_its_password() -> None:
    assert "hunter2" not in repr(target_for("postgresql://u:hunter2@h/d"))


async def test_a_fresh_database_is_reachable(empty_target: DatabaseTarget) -> None:
    engine = create_engine(empty_target)
    await check_reachable(engine, empty_target)
    await engine.dispose()


async def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be created" in await _problem(target_for(f"sqlite:///{tmp_path}/file/sub/headgate.db"))


async def test_a_folder_in_place_of_the_file_stops_the_start(tmp_path: Path) -> None:
    assert "not writable" in await _problem(target_for(f"sqlite:///{tmp_path}"))


async def test_a_folder_that_takes_no_files_stops_the_start() -> None:
    assert "not writable" in await _problem(target_for("sqlite:////proc/headgate.db"))


async def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "headgate.db"
    path.write_bytes(b"something else" * 1000)
    assert "no SQLite file" in await _problem(target_for(f"sqlite:///{path}"))


async def test_a_database_that_somebody_holds_locked_stops_the_start(sqlite_target: DatabaseTarget) -> None:
    assert sqlite_target.path is not None
    other = sqlite3.connect(sqlite_target.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    impatient = DatabaseTarget(
        backend="sqlite", url=sqlite_target.url, path=sqlite_target.path, statement_timeout_s=0.1
    )
    assert "lock" in await _problem(impatient)
    other.close()


@pytest.mark.pg
async def test_a_server_that_does_not_answer_stops_the_start_without_telling_the_password() -> None:
    problem = await _problem(target_for("postgresql://u:hunter2@127.0.0.1:1/name"))
    assert "127.0.0.1:1/name is not reachable" in problem
    assert "hunter2" not in problem


async def test_foreign_keys_are_enforced_on_both_databases(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO account_groups (account_id, group_id, priority, created_at)"
                    " VALUES (7, 7, 1, 0)"
                )
            )


async def test_sqlite_runs_in_wal_mode_with_the_chosen_durability(sqlite_target: DatabaseTarget) -> None:
    engine = create_engine(sqlite_target)
    async with engine.connect() as connection:
        assert (await connection.execute(text("PRAGMA journal_mode"))).scalar() == "wal"
        assert (await connection.execute(text("PRAGMA synchronous"))).scalar() == 1  # NORMAL
    await engine.dispose()


@pytest.mark.pg
async def test_a_standby_that_takes_no_writes_stops_the_start(postgres_target: DatabaseTarget) -> None:
    assert postgres_target.url.database is not None
    engine = create_engine(postgres_target)
    async with engine.begin() as connection:
        name = postgres_target.url.database
        await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    await engine.dispose()
    assert "takes no writes" in await _problem(postgres_target)
