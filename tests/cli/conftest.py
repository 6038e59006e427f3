"""The command line on a database of the test, on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from typer.testing import CliRunner

from headgate.cli.main import cli
from headgate.storage.engine import DatabaseTarget, session_factory
from tests.storage.books import VAULT
from tests.support.databases import *  # noqa: F403

KEY = VAULT.ledger_key()


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    problems: str


Run = Callable[..., Awaitable[Done]]


@pytest.fixture(autouse=True)
def logging_ends_with_the_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module's logger keeps what it was first bound with: a command that runs inside the test process must
    not leave it the command's stderr, which is closed when the command ends."""
    configure = structlog.configure

    def configure_uncached(**words: Any) -> None:
        configure(**{**words, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_uncached)
    yield
    structlog.reset_defaults()


@pytest.fixture
def keyed_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return session_factory(engine, KEY)


@pytest.fixture
def headgate(target: DatabaseTarget, tmp_path: Path) -> Run:
    """`await headgate("ledger", "verify")`, in a thread with a loop of its own, as a process would have."""
    environment = {
        "HEADGATE_DATABASE_URL": target.url.render_as_string(hide_password=False),
        "COLUMNS": "240",
    }

    async def run(*words: str, typed: str = "", secret_key: str = (b"k" * 32).hex()) -> Done:
        given = [*words, "--data-dir", str(tmp_path / "data")]
        env = {**environment, "HEADGATE_SECRET_KEY": secret_key}
        done = await asyncio.to_thread(CliRunner().invoke, cli, given, env=env, input=typed)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    return run
