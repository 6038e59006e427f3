"""`headgate simulate`: what a configuration would do to traffic, before anybody feels it."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
import typer

from headgate.cli.books import Books, instant, on_books
from headgate.cli.configuration import document_in
from headgate.cli.entities import run, show
from headgate.cli.options import ConfigFile, DataDir, console, explained, settings_from
from headgate.control.configuration.commands import ConfigurationCommands
from headgate.core.pricing.book import NO_LIST, PriceList, price_list
from headgate.core.pricing.price_file import PriceFileInvalid, parse_price_file
from headgate.errors import StartupError
from headgate.kit import json
from headgate.observability.logging import configure_logging
from headgate.prices import price_book_builder
from headgate.settings import LogSettings, Settings
from headgate.simulation.outcome import Figures, figures
from headgate.simulation.people import People
from headgate.simulation.provider import Behaviours
from headgate.simulation.recording import recorded
from headgate.simulation.run import Limits, NoSuchGroup, simulate
from headgate.simulation.traffic import (
    Profile,
    SimulatedRequest,
    TrafficUnreadable,
    generate,
    read_traffic,
)
from headgate.simulation.world import world_of
from headgate.storage.read_model import ReadModel

T = TypeVar("T", Profile, Behaviours, People)

_LABELS = {
    "requests": "requests",
    "answered": "answered",
    "refused_429": "refused with 429",
    "refused_money": "refused for want of money",
    "refused_other": "refused otherwise",
    "failed_attempts": "failed attempts",
    "switched": "answered after a failover",
    "list_cost_usd": "list cost, USD",
    "charge_usd": "charged, USD",
    "account_cost_usd": "account cost, USD",
    "cache_hit_percent": "input from caches, %",
    "waited": "had to wait",
    "wait_p95_ms": "wait p95, ms",
    "wait_max_ms": "wait max, ms",
    "ttft_p50_ms": "first token p50, ms",
    "ttft_p95_ms": "first token p95, ms",
    "fairness": "fairness of waiting",
    "answered_fairness": "fairness of answers",
}


def simulate_configuration(
    proposed: Annotated[
        Path, typer.Argument(help="Configuration document, as `headgate config export` prints.")
    ],
    against: Annotated[
        Path | None, typer.Option(help="The document to compare with; default: what the database has.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--traffic", help="Lines of JSON, as `headgate traffic` prints.")
    ] = None,
    profile: Annotated[
        Path | None, typer.Option("--generate", help="YAML with what generated traffic looks like.")
    ] = None,
    providers: Annotated[
        Path | None,
        typer.Option(help="YAML with what providers allow, how fast they are and when they fail."),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(help="YAML with balances and subscriptions; default: everybody can pay."),
    ] = None,
    price_file: Annotated[
        Path | None, typer.Option(help="Price file (LiteLLM's format) of the proposal; default: the same.")
    ] = None,
    proposed_config: Annotated[
        Path | None, typer.Option(help="Boot configuration of the proposal; default: the same.")
    ] = None,
    user_concurrency: Annotated[int, typer.Option(help="Slots of each user; 0 = unlimited.", min=0)] = 5,
    seed: Annotated[int, typer.Option(help="Same seed, same result.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Run the same traffic through two configurations in virtual time and show how they differ."""
    with explained():
        requests = _requests(recording, profile, seed)
        behaviours = Behaviours() if providers is None else _typed(providers, Behaviours)
        before, after = settings_from(data_dir, config), settings_from(data_dir, proposed_config or config)
        new = document_in(proposed)
        who = None if people is None else _typed(people, People)
    old = (
        run(data_dir, config, lambda deps: ConfigurationCommands(deps).export(full=False))
        if against is None
        else _document_or_stop(against)
    )
    limits = Limits(concurrency=user_concurrency)
    configure_logging(LogSettings(level="error"))  # what simulated accounts go through is no news
    with explained():
        in_use = _prices_in_use(before, data_dir, config)
        present = _run(_Plan(old, before, in_use, who), requests, behaviours, seed, limits)
        theirs = _prices_of_proposal(after, before, in_use, price_file)
        proposal = _run(
            _Plan(new, _uses_file(after, price_file), theirs, who), requests, behaviours, seed, limits
        )
    _report(present, proposal, as_json=as_json)


def traffic(
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="First day (UTC) or instant.")],
    until: Annotated[
        str, typer.Option("--to", metavar="DAY", help="The day after the last one, or instant.")
    ],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print what was asked and answered in a period, a line of JSON each, without names and prompts."""
    with explained():
        from_ms, to_ms = instant(since, "--from"), instant(until, "--to")

    async def read(books: Books) -> int:
        count = 0
        async for request in recorded(books.engine, from_ms=from_ms, to_ms=to_ms):
            sys.stdout.write(json.dumps(request).decode() + "\n")
            count += 1
        return count

    on_books(data_dir, config, read)


class _Plan(NamedTuple):
    document: Any
    settings: Settings
    prices: PriceList
    people: People | None


def _prices_in_use(settings: Settings, data_dir: Path | None, config: Path | None) -> PriceList:
    """Of the gateway's price file: as it lies there, or as it was downloaded last."""
    if settings.pricing.file is not None:
        return _read_prices(settings.pricing.file)
    if not settings.pricing.url:
        return NO_LIST

    async def read(books: Books) -> PriceList:
        return (await ReadModel(books.engine, books.vault, books.clock).load_directory()).price_file

    return on_books(data_dir, config, read)


def _prices_of_proposal(
    after: Settings, before: Settings, in_use: PriceList, price_file: Path | None
) -> PriceList:
    if price_file is not None:
        return _read_prices(price_file)
    if after.pricing.file is not None and after.pricing.file != before.pricing.file:
        return _read_prices(after.pricing.file)
    if after.pricing.url and after.pricing.url != before.pricing.url:
        raise StartupError(
            "the proposal has another pricing.url; download its file and name it with --price-file"
        )
    return in_use if after.pricing.file or after.pricing.url else NO_LIST


def _uses_file(settings: Settings, price_file: Path | None) -> Settings:
    if price_file is None:
        return settings
    return settings.model_copy(
        update={"pricing": settings.pricing.model_copy(update={"file": price_file, "url": ""})}
    )


def _read_prices(path: Path) -> PriceList:
    try:
        return price_list(parse_price_file(path.read_bytes()))
    except OSError as error:
        raise StartupError(f"price file {path}: {error.strerror}; name a readable file") from None
    except PriceFileInvalid as error:
        raise StartupError(f"price file {path}: {error}; name a usable file") from None


def _run(
    plan: _Plan,
    requests: list[SimulatedRequest],
    behaviours: Behaviours,
    seed: int,
    limits: Limits,
) -> Figures:
    world = asyncio.run(world_of(plan.document, plan.settings, people=plan.people, prices=plan.prices))
    build = price_book_builder(plan.settings.pricing)
    try:
        return figures(simulate(world, requests, behaviours, seed=seed, build_prices=build, limits=limits))
    except NoSuchGroup as error:
        raise StartupError(f"{error}; add the group, or name another one in the traffic") from None


def _requests(recording: Path | None, profile: Path | None, seed: int) -> list[SimulatedRequest]:
    if (recording is None) == (profile is None):
        raise StartupError("what traffic? Pass either --traffic FILE or --generate FILE")
    if profile is not None:
        return generate(_typed(profile, Profile), seed)
    assert recording is not None
    try:
        with recording.open("rb") as lines:
            return read_traffic(lines)
    except OSError as error:
        raise StartupError(f"--traffic {recording}: {error.strerror}; name a readable file") from None
    except TrafficUnreadable as error:
        raise StartupError(f"--traffic {recording}: {error}; see `headgate traffic`") from None


def _document_or_stop(path: Path) -> Any:
    with explained():
        return document_in(path)


def _typed(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(document_in(path), kind)
    except msgspec.ValidationError as error:
        raise StartupError(f"{path}: {error}; see docs/operations/simulate.md") from None


def _report(present: Figures, proposal: Figures, *, as_json: bool) -> None:
    before, after = present.values(), proposal.values()
    if as_json:
        document = {"present": before, "proposed": after}
        sys.stdout.write(json.dumps(document).decode() + "\n")
        return
    show(
        ("", "present", "proposed", "difference"),
        [
            (label, _number(before[name]), _number(after[name]), _signed(after[name] - before[name]))
            for name, label in _LABELS.items()
        ],
    )
    console.print("Fairness: 1 = all users alike, towards 0 = one user has it all.", markup=False)


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _signed(value: float) -> str:
    return f"+{_number(value)}" if value > 0 else _number(value)
