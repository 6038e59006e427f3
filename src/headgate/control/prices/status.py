"""Which prices are in use, where they came from, and how the last look for newer ones ended (PAINS 9)."""

from headgate.control.prices.schemas import AttemptStatus, FileStatus, PriceStatus
from headgate.control.work import Work
from headgate.core.pricing.book import PriceBook
from headgate.kit.clock import instant
from headgate.storage.price_files import ActiveFile, Attempt, read_active, read_attempt


async def price_status(work: Work, book: PriceBook) -> PriceStatus:
    """Of the book that this process prices with."""
    active = await read_active(work.session) if book.file.digest else None
    attempt = await read_attempt(work.session)
    return PriceStatus(
        version=book.version,
        bundled=book.catalogue.version,
        overrides=sum(len(dated) for dated in book.overrides.values()),
        file=None if active is None else _file(active, work.now_ms()),
        last_attempt=None if attempt is None else _attempt(attempt),
        unknown_model="refuse" if book.refuses_unknown else "default",
    )


def _file(active: ActiveFile, now_ms: int) -> FileStatus:
    return FileStatus(
        source=active.source,
        sha256=active.sha256,
        models=active.models,
        installed_at=instant(active.installed_at_ms),
        age_s=max(0, now_ms - active.installed_at_ms) / 1000,
        doubted=active.doubted,
    )


def _attempt(attempt: Attempt) -> AttemptStatus:
    return AttemptStatus(
        at=instant(attempt.at_ms), source=attempt.source, result=attempt.result, error=attempt.error
    )
