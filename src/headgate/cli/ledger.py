"""`headgate ledger ...`: the proof of the books, the past at other prices, ours against the provider's."""

from collections.abc import Mapping
from typing import Annotated

import typer

from headgate.cli.books import Books, on_books, usd
from headgate.cli.entities import show
from headgate.cli.ledger_correct import correct
from headgate.cli.ledger_reconcile import reconcile
from headgate.cli.ledger_replay import prices_of, replay
from headgate.cli.options import ConfigFile, DataDir, console, explained, problems
from headgate.control.ledger.proof import negative_bound
from headgate.core.money import to_usd
from headgate.storage.ledger_verify import LedgerReport, NegativeBound, verify

commands = typer.Typer(no_args_is_help=True)
commands.command()(replay)
commands.command()(reconcile)
commands.command()(correct)

_CHECKS: Mapping[str, str] = {
    "chain": "hash chains",
    "line": "arithmetic of lines",
    "book": "books against counters",
    "record": "usage records without their line",
    "entry": "lines without their usage record",
    "negative": "balances below the bound",
}


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

    async def work(books: Books) -> tuple[LedgerReport, NegativeBound]:
        bound = await _bound(books, allowed)
        return await verify(books.engine, ledger_key=books.vault.ledger_key(), negative=bound), bound

    report, bound = on_books(data_dir, config, work)
    _print_report(report, bound)
    if not report.is_sound:
        raise typer.Exit(1)


async def _bound(books: Books, allowed: int) -> NegativeBound:
    book, _ = await prices_of(books, None)
    return await negative_bound(
        books.engine,
        book,
        books.settings.limits.first_output_slice_tokens,
        now_ms=books.clock.now_ms(),
        allowed_nano=allowed,
    )


def _print_report(report: LedgerReport, bound: NegativeBound) -> None:
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
        bounded = ""
        if check == "negative":
            flat, stream = to_usd(-bound.flat_nano), to_usd(bound.per_stream_nano)
            bounded = f" ({flat:.2f} USD, less {stream:.4f} for each slot)"
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
