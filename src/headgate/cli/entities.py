"""Running a management use case from the command line, straight on the database (control/commands.py)."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table
from rich.text import Text

from headgate.cli.options import console, explained, settings_from
from headgate.control.commands import command_deps
from headgate.control.deps import WorkDeps
from headgate.errors import StartupError
from headgate.kit.clock import SystemClock
from headgate.kit.secret import Secret
from headgate.observability.logging import configure_logging
from headgate.secrets_file import open_vault, require_same_key
from headgate.storage.engine import session_factory
from headgate.storage.opening import open_database
from headgate.storage.unit_of_work import UnitOfWork
from headgate.upstream.guard import AddressGuard

T = TypeVar("T")

SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", help="File with the secret; '-' reads standard input; default: a prompt."),
]


def run(data_dir: Path | None, config: Path | None, use_case: Callable[[WorkDeps], Awaitable[T]]) -> T:
    """Open the database, run the use case, close. Expected failures end the command with one line."""
    with explained():
        settings = settings_from(data_dir, config)
        command = _command()

        async def work() -> T:
            async with AsyncExitStack() as stack:
                quiet = settings.log.model_copy(update={"level": "warning"})
                stack.callback(configure_logging(quiet).flush)  # to stderr: what is printed is the answer
                clock = SystemClock()
                vault = open_vault(settings)
                engine = await open_database(settings, stack)
                await require_same_key(engine, vault, clock)
                sessions = session_factory(engine, vault.ledger_key())
                guard = AddressGuard(settings.security.url_allowlist, clock=clock)
                deps = command_deps(
                    settings,
                    lambda: UnitOfWork(sessions),
                    vault,
                    clock,
                    check_base_url=guard.problem_with,
                    command=command,
                )
                return await use_case(deps)

        return asyncio.run(work())


def _command() -> str:
    """`headgate user create`: the two words that chose the command, without arguments, which can be
    anything."""
    return " ".join(["headgate", *(word for word in sys.argv[1:3] if word.replace("-", "").isalpha())])


def read_secret(file: Path | None, prompt: str) -> Secret:
    """A secret from a prompt, a file or standard input; never from the command line, where others can read
    it."""
    with explained():
        try:
            if file is None and sys.stdin.isatty():
                text = getpass.getpass(f"{prompt}: ")
            elif file is None or str(file) == "-":
                text = sys.stdin.readline()
            else:
                text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = error.strerror if isinstance(error, OSError) else "not text"
            raise StartupError(f"--secret-file {file}: {problem}; name a readable file") from None
        if not text.strip():
            raise StartupError(f"the {prompt.lower()} is empty; type it, or pass --secret-file FILE")
        return Secret(text.strip())


def show(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table, one row a thing. Cells are shown as they are: names may look like markup."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)
