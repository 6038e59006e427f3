"""`headgate ledger ...`: the proof of the books."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.cli.entities import show
from headgate.cli.options import ConfigFile, DataDir, console, explained, problems, settings_from
from headgate.core.money import from_usd, to_usd
from headgate.errors import StartupError
from headgate.kit.clock import Clock, SystemClock
from headgate.kit.crypto import Vault
from headgate.secrets_file import open_vault, require_same_key
from headgate.settings import Settings
from headgate.storage.engine import check_reachable, create_engine, database_target
from headgate.storage.ledger_verify import LedgerReport, overdraft_bound, verify
from headgate.storage.migrate import require_current

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True)

_READING_S = 3600.0
"""How long one statement may take: these commands read whole tables."""
_MAX_USD = 1_000_000_000
_CHECKS: Mapping[str, str] = {
    "chain": "hash chains",
    "line": "arithmetic of lines",
    "book": "books against counters",
    "record": "usage records without their line",
    "entry": "lines without their usage record",
    "negative": "balances below the bound",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """An open database, and what is needed to judge it."""

    settings: Settings
    vault: Vault
    clock: Clock
    engine: AsyncEngine


def on_books(data_dir: Path | None, config: Path | None, work: Callable[[Books], Awaitable[T]]) -> T:
    """Open the database without changing it (no migration), do the work, close. Expected failures end the
    command with one line."""
    with explained():
        settings = settings_from(data_dir, config)

        async def run() -> T:
            async with AsyncExitStack() as stack:
                patient = settings.database.model_copy(update={"statement_timeout_s": _READING_S})
                target = database_target(settings.model_copy(update={"database": patient}))
                if target.path is not None and not target.path.exists():
                    raise StartupError(f"database {target.name} does not exist; name its --data-dir")
                engine = create_engine(target)
                stack.push_async_callback(engine.dispose)
                await check_reachable(engine, target)
                await require_current(engine, name=target.name)
                vault, clock = open_vault(settings), SystemClock()
                await require_same_key(engine, vault, clock)
                return await work(Books(settings=settings, vault=vault, clock=clock, engine=engine))

        return asyncio.run(run())


def usd(text: str, option: str) -> int:
    """Nano-USD of a typed amount from 0. Raises `StartupError`."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not (amount.is_finite() and 0 <= amount <= _MAX_USD):
        raise StartupError(f"{option} {text!r} is no amount of USD from 0 to {_MAX_USD:,}; write 1.50")
    return from_usd(amount)


@commands.command("verify")
def verify_books(
    allow_negative: Annotated[
        str, typer.Option(metavar="USD", help="How far below zero a balance may be, besides overdrafts.")
    ] = "0",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Prove the ledger: its chains, its sums against balances and quotas, its lines against usage records.

    Reads everything in one consistent picture; the gateway may go on serving. Exit code 1 when something is
    wrong."""

    with explained():
        allowed = usd(allow_negative, "--allow-negative")

    async def work(books: Books) -> tuple[LedgerReport, int]:
        bound = await overdraft_bound(books.engine) + allowed
        key = books.vault.ledger_key()
        return await verify(books.engine, ledger_key=key, allowed_negative_nano=bound), bound

    report, bound = on_books(data_dir, config, work)
    _print_report(report, bound)
    if not report.is_sound:
        raise typer.Exit(1)


def _print_report(report: LedgerReport, bound: int) -> None:
    show(
        ("chain", "written by", "entries", "newest hash", ""),
        [
            (
                end.chain, "management" if end.chain <= 0 else "journal", end.entries, end.hash.hex(),
                "whole" if end.is_whole else "BROKEN",
            )
            for end in report.chains
        ],
    )  # fmt: skip
    if report.unchained:
        _say(f"{report.unchained} entries from before there were chains: summed, not proven")
    for check, title in _CHECKS.items():
        count = report.counts.get(check, 0)
        bounded = f" ({to_usd(-bound):.2f} USD)" if check == "negative" else ""
        mark = (
            f"[red]FAIL[/red] {title}{bounded}: {count} found"
            if count
            else f"[green]ok[/green]   {title}{bounded}"
        )
        console.print(mark, highlight=False)
        for finding in report.findings:
            if finding.check == check:
                _say(f"       {finding.text}")
    if report.is_sound:
        _say(f"{report.entries} entries: the ledger is sound")
    else:
        problems.print(f"{report.entries} entries: the ledger is NOT sound", markup=False, highlight=False)


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
