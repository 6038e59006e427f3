"""Prices put together: from settings, the price file in use and the operator's overrides to the price book,
and what renews the file (core/pricing, jobs/price_refresh)."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from pyreqwest.http import Url
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.faults import RelayError
from headgate.core.pricing.book import NO_LIST, PriceBook, PriceUnknown
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import Price, flat_price
from headgate.errors import StartupError
from headgate.jobs.price_refresh import PriceRefresh, PriceSource, Unavailable
from headgate.kit.clock import Clock
from headgate.settings import PricingSettings, Settings, UrlAllowlistSettings
from headgate.state.protocols import LockStore
from headgate.storage.engine import session_factory
from headgate.storage.journal import StorageUnavailable
from headgate.storage.price_books import PriceBooks
from headgate.storage.read_model import DirectoryData
from headgate.storage.unit_of_work import UnitOfWork
from headgate.upstream.clients import ClientPool
from headgate.upstream.guard import AddressGuard
from headgate.upstream.price_download import DownloadFailed, download

log = structlog.get_logger(__name__)

PriceBookBuilder = Callable[[DirectoryData], PriceBook]


def price_book_builder(settings: PricingSettings) -> PriceBookBuilder:
    """Every snapshot has its book; as long as no price changes it is the same one."""
    catalogue, default = bundled_catalogue(), _default(settings)
    uses_file = bool(settings.url or settings.file)
    last: list[PriceBook] = []

    def build(data: DirectoryData) -> PriceBook:
        book = PriceBook(
            catalogue=catalogue,
            default=default,
            refuse_unknown=settings.unknown_model == "refuse",
            overrides=data.price_overrides,
            file=data.price_file if uses_file else NO_LIST,
        )
        if not last or last[0].version != book.version:
            last[:] = [book]
        return last[0]

    return build


def keeper_of(books: PriceBooks, in_use: Callable[[], PriceBook]) -> Callable[[], Awaitable[None]]:
    """Stores the book in use; what the database does not take now is tried again later."""

    async def keep() -> None:
        try:
            await books.keep(in_use())
        except StorageUnavailable as error:
            log.warning("price_book_not_kept", error=str(error))

    return keep


def price_refresh(
    settings: Settings, engine: AsyncEngine, locks: LockStore, clock: Clock, clients: ClientPool
) -> PriceRefresh | None:
    """None when the operator named neither a URL nor a path. Raises `StartupError` for a bad URL."""
    source = _source(settings.pricing, clients)
    if source is None:
        return None
    sessions = session_factory(engine)
    return PriceRefresh(
        source,
        uow=lambda: UnitOfWork(sessions),
        locks=locks,
        clock=clock,
        interval_s=settings.pricing.refresh_interval_s,
        otherwise=_bundled_prices(settings.pricing, clock),
    )


async def require_file(refresh: PriceRefresh | None, path: Path | None) -> None:
    """A path that the operator named must hold usable prices at the start. Raises `StartupError`."""
    if refresh is None or path is None:
        return
    attempt = await refresh.refresh()
    if attempt.error is not None:
        raise StartupError(f"configuration pricing.file: {path}: {attempt.error}; name a usable file")


def price_clients(settings: Settings, clock: Clock) -> ClientPool:
    """Connections for price files, behind the address guard with its own list of hosts."""
    policy: UrlAllowlistSettings = settings.security.url_allowlist
    own = policy.model_copy(update={"upstream_hosts": policy.pricing_hosts})
    return ClientPool(AddressGuard(own, clock=clock), settings.gateway, clock=clock)


def _source(settings: PricingSettings, clients: ClientPool) -> PriceSource | None:
    limit = settings.max_file_bytes
    if settings.file is not None:
        path = settings.file
        return PriceSource(name=str(path), read=lambda: asyncio.to_thread(_read, path, limit), is_own=True)
    if not settings.url:
        return None
    for key, url in (("url", settings.url), ("hash_url", settings.hash_url)):
        if url:
            _check(f"pricing.{key}", url, clients)

    async def fetch(url: str, limit: int) -> bytes:
        try:
            return await download(clients, url, limit=limit, timeout_s=settings.download_timeout_s)
        except DownloadFailed as error:
            raise Unavailable(str(error)) from None

    return PriceSource(
        name=settings.url,
        read=lambda: fetch(settings.url, limit),
        read_hash=(lambda: fetch(settings.hash_url, _MAX_HASH_BYTES)) if settings.hash_url else None,
    )


_MAX_HASH_BYTES = 4096


def _check(key: str, url: str, clients: ClientPool) -> None:
    try:
        clients.guard.check(Url(url))
    except ValueError:
        raise StartupError(f"configuration {key}: this is no URL; write it like https://host/file") from None
    except RelayError as error:
        raise StartupError(f"configuration {key}: {error.fault.message}; correct it") from None


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Unavailable(error.strerror or "it cannot be read") from None
    if len(data) > limit:
        raise Unavailable(f"it is larger than {limit} bytes")
    return data


def _default(settings: PricingSettings) -> Price:
    return flat_price(
        input_usd_per_mtok=settings.default_input_usd_per_mtok,
        output_usd_per_mtok=settings.default_output_usd_per_mtok,
    )


def _bundled_prices(settings: PricingSettings, clock: Clock) -> Callable[[str], Price | None]:
    bundled = PriceBook(catalogue=bundled_catalogue(), default=_default(settings), refuse_unknown=True)

    def price_of(model: str) -> Price | None:
        quote = bundled.quote(model, at_ms=clock.now_ms())
        return None if isinstance(quote, PriceUnknown) else quote.price

    return price_of
