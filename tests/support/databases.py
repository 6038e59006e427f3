"""Fixtures: a fresh migrated database per test, on SQLite and on PostgreSQL.

A conftest takes them with `from tests.support.databases import *` (they are listed in `__all__`). `target` is
parametrised over both backends; `sqlite_target` and `postgres_target` name one. The schema is migrated once
per session and copied per test, because a migration takes longer than most tests.
"""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from headgate.kit.secret import Secret
from headgate.settings import DatabaseSettings, Settings
from headgate.storage.engine import DatabaseTarget, create_engine, database_target, session_factory
from headgate.storage.migrate import upgrade
from tests.support.postgres import PostgresServer, running_postgres

__all__ = [
    "empty_target", "engine", "postgres_server", "postgres_target", "postgres_template", "sessions",
    "sqlite_target",
    "sqlite_template", "target",
]  # fmt: skip

_TEMPLATE = "headgate_template"
_numbers = itertools.count(1)
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.pg)]


def target_for(url: str, *, commit_timeout_s: float = 5) -> DatabaseTarget:
    """A target as the settings would give it."""
    database = DatabaseSettings(url=Secret(url), commit_timeout_s=commit_timeout_s)
    return database_target(Settings(database=database))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """Name of a migrated database to copy."""

    async def make() -> None:
        await _migrate(target_for(await postgres_server.create_database(_TEMPLATE)))

    asyncio.run(make())
    return _TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrate(target_for(f"sqlite:///{path}")))
    return path


@pytest.fixture
def sqlite_target(sqlite_template: Path, tmp_path: Path) -> DatabaseTarget:
    path = tmp_path / "headgate.db"
    shutil.copyfile(sqlite_template, path)
    return target_for(f"sqlite:///{path}")


@pytest.fixture
async def postgres_target(
    postgres_server: PostgresServer, postgres_template: str
) -> AsyncIterator[DatabaseTarget]:
    name = f"test_{next(_numbers)}"
    yield target_for(await postgres_server.create_database(name, template=postgres_template))
    await postgres_server.drop_database(name)


@pytest.fixture(params=BOTH)
def target(request: pytest.FixtureRequest) -> DatabaseTarget:
    """A migrated database, once on each backend."""
    name = "sqlite_target" if request.param == "sqlite" else "postgres_target"
    found: DatabaseTarget = request.getfixturevalue(name)
    return found


@pytest.fixture(params=BOTH)
async def empty_target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DatabaseTarget]:
    """A database without any table, once on each backend."""
    if request.param == "sqlite":
        yield target_for(f"sqlite:///{tmp_path / 'empty.db'}")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"empty_{next(_numbers)}"
    yield target_for(await server.create_database(name))
    await server.drop_database(name)


@pytest.fixture
async def engine(target: DatabaseTarget) -> AsyncIterator[AsyncEngine]:
    made = create_engine(target)
    yield made
    await made.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return session_factory(engine)


async def _migrate(target: DatabaseTarget) -> None:
    engine = create_engine(target)
    try:
        await upgrade(engine)
    finally:
        await engine.dispose()
