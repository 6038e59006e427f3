"""`headgate ledger replay`: a period billed again with the current or a stored price book."""

import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from headgate.cli.books import Books, instant, on_books
from headgate.cli.entities import show
from headgate.cli.options import ConfigFile, DataDir, console, explained
from headgate.control.ledger.replay import ImagePrices, ReplayLine, ReplayReport, book_corrections, preview
from headgate.core.money import to_usd
from headgate.core.pricing.book import PriceBook
from headgate.errors import StartupError
from headgate.prices import price_book_builder
from headgate.storage.billed_calls import Period
from headgate.storage.engine import session_factory
from headgate.storage.price_books import load_price_book
from headgate.storage.read_model import ReadModel
from headgate.storage.unit_of_work import UnitOfWork


def replay(
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="First day (UTC) or instant.")],
    until: Annotated[
        str, typer.Option("--to", metavar="DAY", help="The day after the last one, or instant.")
    ],
    price_book: Annotated[
        str | None, typer.Option(metavar="VERSION", help="A stored version; default: the prices in force.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the difference and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Book the corrections without asking.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Bill a period again: what its calls would cost with a price book, by model and by user.

    Without --dry-run the differences are booked as corrections, after a question or with --yes. Multipliers,
    payers and group rules are those of the time."""
    with explained():
        period = Period(instant(since, "--from"), instant(until, "--to"))
        if period.from_ms >= period.to_ms:
            raise StartupError(f"--from {since!r} is not before --to {until!r}; the period would be empty")

    async def look(books: Books) -> ReplayReport:
        book, image_prices = await prices_of(books, price_book)
        return await preview(books.engine, book, period, image_prices)

    async def correct(books: Books) -> ReplayReport:
        book, image_prices = await prices_of(books, price_book)
        sessions = session_factory(books.engine, books.vault.ledger_key())
        return await book_corrections(
            lambda: UnitOfWork(sessions), book, period, image_prices, now_ms=books.clock.now_ms()
        )

    report = on_books(data_dir, config, look)
    _print(report)
    if dry_run or report.total.changed == 0:
        return
    if not yes:
        _ask(report.total)
    total = on_books(data_dir, config, correct).total
    _say(f"corrected {total.changed} calls: {compared(total.difference)} was booked")


def compared(difference_nano: int) -> str:
    """How what is charged now differs from what was: "2.000000000 USD charged less than"."""
    if difference_nano == 0:
        return "as much charged as"
    return f"{_usd(abs(difference_nano))} USD charged {'more' if difference_nano > 0 else 'less'} than"


def _ask(total: ReplayLine) -> None:
    with explained():
        if not sys.stdin.isatty():
            raise StartupError("nothing was changed; book the corrections with --yes, or look with --dry-run")
    if not typer.confirm(f"Book corrections of {total.changed} calls?"):
        raise typer.Exit(1)


async def prices_of(books: Books, version: str | None) -> tuple[PriceBook, ImagePrices]:
    """The book asked for, and the groups' own prices. Raises `StartupError`."""
    data = await ReadModel(books.engine, books.vault, books.clock).load_directory()
    image_prices = {int(group.id): group.image_prices_nano for group in data.groups}
    current = price_book_builder(books.settings.pricing)(data)
    if version is None or version == current.version:
        return current, image_prices
    stored = await load_price_book(books.engine, version)
    if stored is None:
        raise StartupError(
            f"--price-book {version!r} is not stored; usage records say which version they were billed with"
        )
    return stored, image_prices


def _print(report: ReplayReport) -> None:
    _say(f"price book {report.version}: {report.total.calls} calls, {report.total.changed} of them differ")
    if not report.total.calls:
        return
    models = sorted(report.by_model.items(), key=lambda found: (-abs(found[1].difference), found[0]))
    _table("model", models)
    users = report.most_changed_users()
    _table("user", [(f"{report.emails.get(user, '?')} ({user})", report.by_user[user]) for user in users])
    if (more := len(report.by_user) - len(users)) > 0:
        _say(f"and {more} users who differ less")


def _table(name: str, lines: Iterable[tuple[str, ReplayLine]]) -> None:
    show(
        (name, "calls", "booked USD", "replayed USD", "difference", "cost booked", "cost replayed"),
        [
            (
                label, line.calls, _usd(line.booked), _usd(line.replayed), _signed(line.difference),
                _usd(line.cost_booked), _usd(line.cost_replayed),
            )
            for label, line in lines
        ],
    )  # fmt: skip


def _usd(nano: int) -> str:
    return f"{to_usd(nano):.9f}"


def _signed(nano: int) -> str:
    return f"{to_usd(nano):+.9f}"


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
