"""`headgate ledger reconcile`: what we recorded against what a provider, or the simulator, bills."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, TextIO

import typer

from headgate.cli.books import Books, decimal, on_books
from headgate.cli.entities import show
from headgate.cli.ledger_replay import prices_of
from headgate.cli.options import ConfigFile, DataDir, console, explained
from headgate.control.ledger.reconcile import (
    Comparison,
    DrillDown,
    Unmatched,
    bill_rows,
    compare,
    drift,
    drill_down,
)
from headgate.control.ledger.simulator_bill import parse_simulator_bill, simulator_rows
from headgate.core.money import to_usd
from headgate.core.provider_bill import BillFileInvalid, read_bill
from headgate.errors import StartupError
from headgate.storage.metered_calls import KnownAccount, MeteredCall, known_accounts
from headgate.storage.read_model import ReadModel
from headgate.storage.scratch_bill import BillTooLarge, ScratchBill, Sums, scratch_bill

_MAX_BYTES = 100 * 1024 * 1024
_FETCH_S = 60.0
_BUCKETS = ("calls", "input", "cache_read", "cache_write", "output", "audio")


def reconcile(
    provider_csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Usage or cost export of the provider.")
    ] = None,
    simulator: Annotated[
        str | None, typer.Option(metavar="URL", help="A provider simulator, for its bill.")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Account, by id or name; whose file it is when it does not say."),
    ] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DAY", help="With --account: call by call on this day.")
    ] = None,
    max_drift: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Exit code 1 when any day differs by more.")
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Compare ours with theirs, per account and day (UTC): tokens, USD, drift. Changes nothing."""
    with explained():
        if (provider_csv is None) == (simulator is None):
            raise StartupError("name the other side: --provider-csv FILE or --simulator URL")
        if day is not None and account is None:
            raise StartupError("--day needs --account ID")
        looked_at = None if day is None else _day(day)
        limit = None if max_drift is None else _percent(max_drift)

    async def work(books: Books) -> tuple[Comparison, DrillDown | None, list[KnownAccount]]:
        async with books.engine.connect() as connection:
            accounts = await known_accounts(connection)
        chosen = None if account is None else _find(account, accounts)
        with scratch_bill() as bill:
            if provider_csv is not None:
                _fill_from_csv(bill, provider_csv, accounts, chosen)
            else:
                await _fill_from_simulator(bill, books, simulator or "")
            comparison = await compare(books.engine, bill, chosen)
            if looked_at is None or chosen is None:
                return comparison, None, accounts
            return comparison, await drill_down(books.engine, bill, chosen, looked_at), accounts

    comparison, detail, accounts = on_books(data_dir, config, work)
    names = {known.id: known.name for known in accounts}
    if detail is None:
        _print(comparison, names)
    else:
        _print_detail(detail)
    if limit is not None and comparison.worst_drift > limit:
        _say(f"the largest difference is {comparison.worst_drift:.3f} %, more than {limit:g} %")
        raise typer.Exit(1)


def _fill_from_csv(bill: ScratchBill, path: Path, accounts: list[KnownAccount], chosen: int | None) -> None:
    with _bad_file(f"--provider-csv {path}"), _opened(path) as lines:
        bill.fill(bill_rows(read_bill(lines), accounts, chosen))


async def _fill_from_simulator(bill: ScratchBill, books: Books, url: str) -> None:
    body = await asyncio.to_thread(_fetch, url.rstrip("/") + "/__bill")
    data = await ReadModel(books.engine, books.vault, books.clock).load_directory()
    book, _ = await prices_of(books, None)
    with _bad_file(f"--simulator {url}"):
        found = await simulator_rows(books.engine, parse_simulator_bill(body), data.accounts, book)
        bill.fill(found.rows)
    if found.unknown:
        _say(f"{found.unknown} calls were made with keys that none of our accounts holds")


@contextmanager
def _bad_file(name: str) -> Iterator[None]:
    try:
        yield
    except (BillFileInvalid, BillTooLarge) as error:
        raise StartupError(f"{name}: {error}; nothing was changed") from None
    except UnicodeDecodeError:
        raise StartupError(f"{name}: is not text in UTF-8; export it as CSV") from None


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        if (size := path.stat().st_size) > _MAX_BYTES:
            raise StartupError(
                f"--provider-csv {path}: is {size / 2**20:.0f} MB, at most {_MAX_BYTES / 2**20:.0f} MB"
                " are read; export a shorter period"
            )
        with path.open("r", encoding="utf-8-sig", newline="") as lines:
            yield lines
    except OSError as error:
        raise StartupError(f"--provider-csv {path}: {error.strerror}; name a readable file") from None


def _fetch(url: str) -> bytes:
    """The operator named the address himself, and no secret is sent."""
    if not url.startswith(("http://", "https://")):
        raise StartupError(f"--simulator {url!r} is no URL; write http://127.0.0.1:9090")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_FETCH_S) as answer:
            body: bytes = answer.read(_MAX_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise StartupError(f"--simulator {url}: {reason}; is it running?") from None
    if len(body) > _MAX_BYTES:
        raise StartupError(f"--simulator {url}: the bill is larger than {_MAX_BYTES} bytes; reset it")
    return body


def _find(named: str, accounts: list[KnownAccount]) -> int:
    """By name, else by id. Raises `StartupError`."""
    for account in sorted(accounts, key=lambda known: known.is_deleted):
        if account.name == named:
            return account.id
    for account in accounts:
        if str(account.id) == named:
            return account.id
    raise StartupError(f"--account {named!r} is none of ours; see `headgate account list`")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise StartupError(f"--day {text!r} is no day; write 2026-01-31") from None


def _percent(text: str) -> float:
    value = decimal(text)
    if value is None or not 0 <= value <= 1_000_000:
        raise StartupError(f"--max-drift {text!r} is no percentage from 0; write 0.5")
    return float(value)


def _print(comparison: Comparison, names: dict[int, str]) -> None:
    if not comparison.days:
        _say("the other side says nothing about our accounts")
    show(
        (
            "account", "day", "calls", "their calls", "tokens", "their tokens", "token drift",
            "USD", "their USD", "USD drift",
        ),
        [
            (
                f"{names.get(found.account, '?')} ({found.account})", found.day,
                _count(found.ours.calls), _count(found.theirs.calls),
                _count(found.ours.tokens), _count(found.theirs.tokens), _percentage(found.token_drift),
                _usd(found.ours.cost_nano), _usd(found.theirs.cost_nano), _percentage(found.cost_drift),
            )
            for found in comparison.days
        ],
    )  # fmt: skip
    if comparison.not_named:
        left_out = ", ".join(f"{names.get(number, '?')} ({number})" for number in comparison.not_named)
        _say(f"calls of ours in this period that the other side does not name: accounts {left_out}")


def _print_detail(detail: DrillDown) -> None:
    rows = []
    for model, ours, theirs in detail.by_model:
        for bucket in _BUCKETS:
            mine, others = getattr(ours, bucket), getattr(theirs, bucket)
            if mine or others:
                rows.append((model, bucket, _count(mine), _count(others), _percentage(drift(mine, others))))
        mine, others = ours.cost_nano, theirs.cost_nano
        rows.append((model, "USD", _usd(mine), _usd(others), _percentage(drift(mine, others))))
    show(("model", "what", "ours", "theirs", "drift"), rows)
    if detail.unmatched is None:
        _say("the other side does not name single calls: it has no request ids")
    else:
        _print_calls(detail.unmatched)


def _print_calls(found: Unmatched) -> None:
    _say(f"{found.matched} calls agree")
    _list("only ours", found.only_ours_count, [_ours(call) for call in found.only_ours])
    _list("only theirs", found.only_theirs_count, [_theirs(*entry) for entry in found.only_theirs])
    _list("different", found.different_count, [_both(*pair) for pair in found.different])


def _list(title: str, count: int, lines: list[str]) -> None:
    if not count:
        return
    _say(f"{title}: {count}")
    for line in lines:
        _say(f"  {line}")
    if count > len(lines):
        _say(f"  and {count - len(lines)} more")


def _ours(call: MeteredCall) -> str:
    upstream = call.upstream_request_id or "without request id"
    used = f"{call.sums.tokens} tokens, {_usd(call.sums.cost_nano)} USD"
    return f"{call.exchange_id}/{call.attempt} {upstream} {call.upstream_model} {call.outcome}: {used}"


def _theirs(request_id: str, model: str, sums: Sums) -> str:
    return f"{request_id} {model}: {sums.tokens} tokens, {_usd(sums.cost_nano)} USD"


def _both(call: MeteredCall, theirs: Sums) -> str:
    name = f"{call.exchange_id}/{call.attempt} {call.upstream_request_id}"
    return f"{name}: {_buckets(call.sums)} against {_buckets(theirs)}"


def _buckets(sums: Sums) -> str:
    return " ".join(f"{name}={getattr(sums, name) or 0}" for name in _BUCKETS[1:] if getattr(sums, name))


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number}"


def _usd(nano: int | None) -> str:
    return "-" if nano is None else f"{to_usd(nano):.6f}"


def _percentage(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f} %"


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
