"""Where the database is, and the connections to it: one engine per process, right pragmas and deadlines
(DESIGN 7).

SQLite runs in WAL mode. Its connections take the write lock with the first writing statement of a transaction
(`BEGIN IMMEDIATE`), never for reads: a read followed by a write can therefore not end in
SQLITE_BUSY_SNAPSHOT while the journal commits, and a page that only reads never holds the journal up. That
equals READ COMMITTED on PostgreSQL.
"""

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.util import await_only

from headgate.errors import StartupError
from headgate.kit.secret import Secret
from headgate.settings import Settings
from headgate.storage.ledger_chain import LEDGER_KEY, NO_KEY
from headgate.storage.unit_of_work import UnitOfWork

_WAL_TRIES = 200
_WAL_RETRY_S = 0.02

__all__ = [
    "DatabaseTarget",
    "UnitOfWork",
    "check_reachable",
    "create_engine",
    "database_target",
    "session_factory",
]

_POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
_SQLITE_SCHEMES = ("sqlite", "sqlite+aiosqlite")
_REMEDY = "use sqlite:///PATH or postgresql://user:password@host:port/name in HEADGATE_DATABASE_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseTarget:
    """A database and how to speak to it. `repr` shows no password."""

    backend: Literal["sqlite", "postgresql"]
    url: URL
    """SQLAlchemy URL with the async driver; printing it hides the password."""
    path: Path | None
    """The file, on SQLite."""
    pool_size: int = 5
    statement_timeout_s: float = 10.0
    commit_timeout_s: float = 5.0
    sqlite_synchronous: Literal["normal", "full"] = "normal"

    @property
    def name(self) -> str:
        """For messages: the file, or host and database; never a password."""
        if self.path is not None:
            return str(self.path)
        return f"{self.url.host or 'localhost'}:{self.url.port or 5432}/{self.url.database}"

    @property
    def asyncpg_options(self) -> dict[str, Any]:
        """Arguments of `asyncpg.connect` for connections outside the pool (the journal's)."""
        url = self.url
        options: dict[str, Any] = {key: value for key, value in url.query.items() if key in ("ssl", "host")}
        given = {"host": url.host, "port": url.port, "user": url.username, "database": url.database}
        options.update({key: value for key, value in given.items() if value is not None})
        if url.password is not None:
            options["password"] = str(url.password)
        return options


def database_target(settings: Settings) -> DatabaseTarget:
    """Read the target from settings. Raises `StartupError` on a URL that we cannot serve."""
    database = settings.database
    given = database.url or Secret(f"sqlite:///{settings.data_dir / 'headgate.db'}")
    url = _parsed(given)
    is_sqlite = url.drivername in _SQLITE_SCHEMES
    return DatabaseTarget(
        backend="sqlite" if is_sqlite else "postgresql",
        url=_sqlite_url(url) if is_sqlite else _postgres_url(url),
        path=Path(url.database) if is_sqlite and url.database else None,
        pool_size=database.pool_size,
        statement_timeout_s=database.statement_timeout_s,
        commit_timeout_s=database.commit_timeout_s,
        sqlite_synchronous=database.sqlite_synchronous,
    )


def create_engine(target: DatabaseTarget) -> AsyncEngine:
    """The process's engine. Opens nothing yet; see `check_reachable`."""
    if target.backend == "sqlite":
        return _sqlite_engine(target)
    return create_async_engine(
        target.url,
        pool_size=target.pool_size,
        max_overflow=target.pool_size,
        pool_timeout=target.statement_timeout_s,
        pool_pre_ping=True,
        connect_args={
            "timeout": target.statement_timeout_s,
            "command_timeout": target.statement_timeout_s * 2,
            "server_settings": postgres_session(target),
        },
    )


def postgres_session(target: DatabaseTarget) -> dict[str, str]:
    """Server-side deadlines of every connection: a lost client or a forgotten transaction cannot hold locks
    for ever."""
    statement_ms = str(round(target.statement_timeout_s * 1000))
    return {
        "application_name": "headgate",
        "statement_timeout": statement_ms,
        "lock_timeout": statement_ms,
        "idle_in_transaction_session_timeout": str(round(target.statement_timeout_s * 6000)),
        "timezone": "UTC",
    }


def session_factory(engine: AsyncEngine, ledger_key: bytes = NO_KEY) -> async_sessionmaker[AsyncSession]:
    """Sessions whose objects stay readable after the commit (answers are rendered after it). `ledger_key`:
    what they chain ledger entries with (`Vault.ledger_key`)."""
    return async_sessionmaker(engine, expire_on_commit=False, info={LEDGER_KEY: ledger_key})


async def check_reachable(engine: AsyncEngine, target: DatabaseTarget) -> None:
    """Open a connection and, on SQLite, prove that the file can be written. Raises `StartupError`."""
    try:
        if target.path is not None:
            _require_sqlite(sqlite3.sqlite_version_info)
            _make_folder(target.path)
            await asyncio.to_thread(_prove_writable, target.path, target.statement_timeout_s)
        async with engine.connect() as connection:
            read_only = "SHOW transaction_read_only" if target.backend == "postgresql" else "SELECT 'off'"
            if (await connection.execute(text(read_only))).scalar() == "on":
                raise StartupError(
                    f"database {target.name} takes no writes (a standby?);"
                    " point HEADGATE_DATABASE_URL at the primary"
                )
    except (DBAPIError, sqlite3.Error, OSError, asyncpg.PostgresError) as error:
        raise StartupError(_unreachable(target, error)) from None


def _require_sqlite(version: tuple[int, ...]) -> None:
    """The journal needs UPDATE ... FROM (SQLite 3.33, 2020)."""
    if version < (3, 33):
        raise StartupError(
            f"SQLite {'.'.join(map(str, version))} is too old for the database file, 3.33 is needed;"
            " use a newer Python build or PostgreSQL"
        )


def _prove_writable(path: Path, timeout_s: float) -> None:
    """An empty write transaction: fails on a read-only file, folder or disk. With the plain driver, because a
    connection of the asynchronous one that fails to open leaves a thread behind that complains at exit."""
    with contextlib.closing(sqlite3.connect(path, timeout=timeout_s, isolation_level=None)) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("ROLLBACK")


def _parsed(given: Secret) -> URL:
    try:
        url = make_url(given.reveal())
    except (ArgumentError, ValueError):
        raise StartupError(f"database.url is not a URL; {_REMEDY}") from None
    if url.drivername not in _SQLITE_SCHEMES + _POSTGRES_SCHEMES:
        raise StartupError(
            f"database.url has the scheme {url.drivername!r}, which Headgate cannot use; {_REMEDY}"
        )
    unknown = sorted(set(url.query) - {"sslmode", "ssl", "host"})
    if unknown and url.drivername in _POSTGRES_SCHEMES:
        raise StartupError(f"database.url has the option {unknown[0]!r}, only sslmode is known; {_REMEDY}")
    if not url.database or url.database == ":memory:":
        what = "a file" if url.drivername in _SQLITE_SCHEMES else "a database name"
        raise StartupError(f"database.url names no {what[2:]}; {_REMEDY}")
    return url


def _sqlite_url(url: URL) -> URL:
    return URL.create("sqlite+aiosqlite", database=url.database)


def _postgres_url(url: URL) -> URL:
    """libpq's `sslmode` is asyncpg's `ssl`; the values are the same."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return url.set(drivername="postgresql+asyncpg", query=query)


def _sqlite_engine(target: DatabaseTarget) -> AsyncEngine:
    busy_s = target.statement_timeout_s
    engine = create_async_engine(
        target.url,
        pool_size=target.pool_size,
        max_overflow=target.pool_size,
        pool_timeout=busy_s,
        connect_args={"timeout": busy_s, "isolation_level": "IMMEDIATE"},
    )
    pragmas = sqlite_pragmas(target)

    def configure(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        for pragma in pragmas:
            _execute_when_free(cursor, pragma)
        cursor.close()

    def begin_before_savepoint(connection: Any, _name: str) -> None:
        if not connection.connection.driver_connection.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine.sync_engine, "connect", configure)
    event.listen(engine.sync_engine, "savepoint", begin_before_savepoint)
    return engine


def _execute_when_free(cursor: Any, pragma: str) -> None:
    """Of processes that open a new file together only one may turn it to WAL; SQLite tells the others
    "locked" at once, without its usual patience."""
    for _ in range(_WAL_TRIES):
        try:
            cursor.execute(pragma)
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            await_only(asyncio.sleep(_WAL_RETRY_S))
    cursor.execute(pragma)


def sqlite_pragmas(target: DatabaseTarget) -> tuple[str, ...]:
    """Of every connection; `busy_timeout` is the driver's `timeout` argument. Checkpoints every 16 MB
    instead of 4: the pages that every group touches are copied to the file four times less often."""
    return (
        "PRAGMA journal_mode = WAL",
        f"PRAGMA synchronous = {target.sqlite_synchronous.upper()}",
        "PRAGMA foreign_keys = ON",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA wal_autocheckpoint = 4000",
        "PRAGMA journal_size_limit = 67108864",
    )


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(
            f"database folder {path.parent} cannot be created: {error.strerror};"
            " create it or set HEADGATE_DATA_DIR"
        ) from None


def _unreachable(target: DatabaseTarget, error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    reason = " ".join(str(cause).split()) or type(cause).__name__
    password = target.url.password
    if password:
        reason = reason.replace(str(password), "***")
    name = target.name
    if target.backend == "postgresql":
        return f"database {name} is not reachable: {reason:.200}; start it or correct HEADGATE_DATABASE_URL"
    if "readonly" in reason or "unable to open" in reason:
        return f"database {name} is not writable: {reason}; give this user write access to file and folder"
    if "not a database" in reason:
        return f"database {name} is no SQLite file; move it away or correct HEADGATE_DATABASE_URL"
    return f"database {name} cannot be used: {reason:.200}; free its lock or correct HEADGATE_DATABASE_URL"
