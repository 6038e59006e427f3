"""Renewing the price file: have it, check its hash, parse it, believe it or not, and put it to use.

Whatever goes wrong, the file in use stays in use; the failure is one log line, one count and the status that
`GET /api/v1/admin/prices/status` shows (PAINS 9).
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from headgate.core.pricing.acceptance import Accepted, Refused, accept, accept_own
from headgate.core.pricing.book import NO_LIST, PriceList
from headgate.core.pricing.price import Price
from headgate.core.pricing.price_file import PriceFileInvalid, parse_price_file
from headgate.kit.clock import Clock
from headgate.state.protocols import LockStore
from headgate.storage.price_files import (
    ActiveFile,
    Attempt,
    install,
    note_attempt,
    read_active,
    read_attempt,
    read_prices,
)
from headgate.storage.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

INSTALLED, UNCHANGED, REFUSED, FAILED = "installed", "unchanged", "refused", "failed"
LOCK, LOCK_S = "price_refresh", 300.0
"""One process looks for a file; longer than a download may take."""
_SHA256 = re.compile(r"\b[0-9a-fA-F]{64}\b")


class Unavailable(OSError):
    """A source could not be read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSource:
    """Where the file is. Both functions raise `Unavailable`."""

    name: str
    """URL or path, for people."""
    read: Callable[[], Awaitable[bytes]]
    read_hash: Callable[[], Awaitable[bytes]] | None = None
    """Text that holds the SHA-256 of the file."""
    is_own: bool = False
    """The operator wrote it: it may say what it likes, except that something is free."""


class PriceRefresh:
    """Looks for a newer file when it is time."""

    def __init__(
        self,
        source: PriceSource,
        *,
        uow: Callable[[], UnitOfWork],
        locks: LockStore,
        clock: Clock,
        interval_s: float,
        otherwise: Callable[[str], Price | None],
    ) -> None:
        """`otherwise`: what the other sources say of a name (`core.pricing.acceptance`)."""
        self._source = source
        self._uow = uow
        self._locks = locks
        self._clock = clock
        self._interval_ms = interval_s * 1000
        self._otherwise = otherwise
        self.counts: dict[str, int] = {}
        """Attempts of this process by result."""

    async def read(self) -> bytes:
        """The file as its source has it now. Raises `Unavailable`."""
        return await self._source.read()

    async def refresh_if_due(self) -> int:
        """1 when a newer file was put to use. One process of all looks, once per interval."""
        if not await self._is_due():
            return 0
        token = await self._locks.acquire(LOCK, ttl_s=LOCK_S)
        if token is None:
            return 0
        try:
            return int(await self._is_due() and await self._look() == INSTALLED)
        finally:
            await self._locks.release(LOCK, token)

    async def _look(self) -> str:
        attempt = await self.refresh()
        if attempt.error is not None:
            log.warning(
                "price_file_not_used", result=attempt.result, error=attempt.error, source=attempt.source
            )
        return attempt.result

    async def refresh(self) -> Attempt:
        """Look now. Never raises for what is wrong with the source or the file."""
        async with self._uow() as work:
            active = await read_active(work.session)
            before = NO_LIST if active is None else await read_prices(work.session, active.digest)
        try:
            attempt = await self._attempt(active, before)
        except (Unavailable, PriceFileInvalid) as error:
            result = REFUSED if isinstance(error, PriceFileInvalid) else FAILED
            attempt = self._note(result, str(error))
        async with self._uow() as work:
            await note_attempt(work.session, attempt)
        self.counts[attempt.result] = self.counts.get(attempt.result, 0) + 1
        return attempt

    async def _attempt(self, active: ActiveFile | None, before: PriceList) -> Attempt:
        wanted = await self._wanted_hash()
        if active is not None and wanted == active.sha256 and active.source == self._source.name:
            return self._note(UNCHANGED)
        data = await self._source.read()
        sha256 = hashlib.sha256(data).hexdigest()
        if wanted is not None and sha256 != wanted:
            raise PriceFileInvalid(f"its SHA-256 is {sha256}, not {wanted}")
        if active is not None and sha256 == active.sha256 and active.source == self._source.name:
            return self._note(UNCHANGED)
        judged = await asyncio.to_thread(self._judge, data, before)
        if isinstance(judged, Refused):
            raise PriceFileInvalid(judged.reason)
        await self._install(judged, sha256)
        return self._note(INSTALLED)

    def _judge(self, data: bytes, before: PriceList) -> Accepted | Refused:
        """In a thread: thousands of prices take a tenth of a second."""
        prices = parse_price_file(data)
        if self._source.is_own:
            return accept_own(prices)
        return accept(prices, before=before, otherwise=self._otherwise)

    async def _install(self, accepted: Accepted, sha256: str) -> None:
        active = ActiveFile(
            digest=accepted.prices.digest,
            sha256=sha256,
            source=self._source.name,
            models=len(accepted.prices.prices),
            installed_at_ms=self._clock.now_ms(),
            doubted=accepted.doubted[:100],
        )
        async with self._uow() as work:
            await install(work, accepted.prices, active)
        if accepted.doubted:
            log.warning("prices_doubted", models=active.doubted, source=active.source)

    async def _wanted_hash(self) -> str | None:
        if self._source.read_hash is None:
            return None
        found = _SHA256.search((await self._source.read_hash()).decode(errors="replace"))
        if found is None:
            raise Unavailable("the hash file holds no SHA-256")
        return found[0].lower()

    async def _is_due(self) -> bool:
        async with self._uow() as work:
            last = await read_attempt(work.session)
        if last is None or last.source != self._source.name:
            return True
        return not 0 <= self._clock.now_ms() - last.at_ms < self._interval_ms

    def _note(self, result: str, error: str | None = None) -> Attempt:
        if error is None:
            log.info("price_file_refreshed", result=result, source=self._source.name)
        return Attempt(at_ms=self._clock.now_ms(), source=self._source.name, result=result, error=error)
