"""Schema migrations, runnable from an installed wheel: up, down, current revision, drift (DESIGN 7).

On PostgreSQL one advisory lock lets replicas start together: the first migrates, the others wait and find
it done. On SQLite the write lock of the migration's own transaction does the same.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.errors import StartupError
from headgate.storage.models import Base

_LOCK_ID = 0x68656164_67617465
"""Arbitrary but fixed: "headgate" in ASCII."""


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the schema up to `revision`. Raises `StartupError` when the database is newer than the
    program."""
    await _run(engine, lambda config: command.upgrade(config, revision))


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    """Take the schema back to `revision` (`base` = empty). Data of dropped tables is lost."""
    await _run(engine, lambda config: command.downgrade(config, revision))


async def current(engine: AsyncEngine) -> str | None:
    """The revision of the database; None when it holds no schema of ours."""
    async with engine.connect() as connection:
        return await connection.run_sync(_revision)


def newest() -> str:
    """The revision that this program needs."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


async def is_current(engine: AsyncEngine) -> bool:
    """Whether the database has exactly this program's schema revision (for `/ready`)."""
    return await current(engine) == newest()


async def require_current(engine: AsyncEngine, *, name: str) -> None:
    """Raises `StartupError` when migrations are pending or the database is newer than the program."""
    found = await current(engine)
    _refuse_newer(found, name)
    if found != newest():
        shown = found or "none"
        raise StartupError(
            f"database {name} has schema revision {shown}, this program needs {newest()};"
            " run `headgate migrate`"
        )


async def drift(engine: AsyncEngine) -> list[Any]:
    """What differs between the database and the models, as Alembic operations; empty when they agree."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with engine.connect() as connection:
        return await connection.run_sync(compare)


async def _run(engine: AsyncEngine, action: Callable[[Config], None]) -> None:
    def locked(connection: Connection) -> None:
        _lock(connection)
        _refuse_newer(_revision(connection), str(engine.url.database))
        config = _config()
        config.attributes["connection"] = connection
        action(config)

    async with engine.begin() as connection:
        await connection.run_sync(locked)


def _lock(connection: Connection) -> None:
    """Held to the end of the transaction; long migrations outlive the usual deadlines."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK_ID})
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _refuse_newer(revision: str | None, name: str) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise StartupError(
            f"database {name} has schema revision {revision}, which is newer than this program; "
            "install the Headgate version that made it, or restore a backup"
        )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
