"""Where price books are kept, so that whatever version a record is stamped with can be built again.

A book is one row; the catalogue and the price file that it shares with other books are rows of their own,
written once. Rows are named by their content: two processes that write the same version write the same.
"""

from collections.abc import Sequence

import msgspec
import structlog
from sqlalchemy import Select, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from headgate.core.pricing.book import PriceBook
from headgate.core.pricing.content import rebuild, shared_keys, take_apart
from headgate.kit.clock import Clock
from headgate.storage.journal import StorageUnavailable
from headgate.storage.models import PriceBookRow

log = structlog.get_logger(__name__)

Reader = AsyncConnection | AsyncSession

INSERT_BOOK = text(
    "INSERT INTO price_books (version, content, source, effective_from_ms, created_at_ms)"
    " VALUES (:version, :content, :source, :now, :now) ON CONFLICT (version) DO NOTHING"
)
"""Rows are named by their content: who comes second writes nothing."""


class PriceBooks:
    """Keeps every version that this process uses."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._kept: set[str] = set()

    async def keep(self, book: PriceBook) -> bool:
        """Store a version the first time it is used; True when this was the first time here. Raises
        StorageUnavailable: ask again later."""
        if book.version in self._kept:
            return False
        parts = take_apart(book)
        keys = [parts.catalogue_key, *([parts.file_key] if parts.file_key else [])]
        try:
            async with self._engine.begin() as connection:
                present = set((await connection.scalars(_present([book.version, *keys]))).all())
                rows = {
                    parts.catalogue_key: (parts.catalogue, "bundled with this program"),
                    parts.file_key: (parts.file, "price file"),
                    book.version: (parts.own, _described(book)),
                }
                for key, (content, source) in rows.items():
                    if key is not None and key not in present:
                        await connection.execute(INSERT_BOOK, self._row(key, content(), source))
        except (SQLAlchemyError, OSError) as error:
            raise StorageUnavailable(f"the price book was not stored: {type(error).__name__}") from None
        self._kept.add(book.version)
        return True

    def _row(self, version: str, content: bytes, source: str) -> dict[str, str | int]:
        now = self._clock.now_ms()
        return {"version": version, "content": content.decode(), "source": source, "now": now}


async def load_price_book(engine: AsyncEngine, version: str) -> PriceBook | None:
    """The book that was used under this version; None when it was never stored, or cannot be read. Raises
    StorageUnavailable."""
    try:
        async with engine.connect() as connection:
            return await read_price_book(connection, version)
    except (SQLAlchemyError, OSError) as error:
        raise StorageUnavailable(f"the price book was not read: {type(error).__name__}") from None


async def read_price_book(reader: Reader, version: str) -> PriceBook | None:
    """The same within somebody's transaction; the database's errors are the caller's."""
    try:
        own = await _content(reader, version)
        if own is None:
            return None
        catalogue_key, file_key = shared_keys(own)
        catalogue = await _content(reader, catalogue_key)
        file = None if file_key is None else await _content(reader, file_key)
        if catalogue is None or (file_key is not None and file is None):
            return None
        return rebuild(version, own, catalogue=catalogue, file=file)
    except msgspec.ValidationError:
        log.error("price_book_unreadable", version=version)
        return None


async def _content(reader: Reader, version: str) -> bytes | None:
    content = await reader.scalar(select(PriceBookRow.content).where(PriceBookRow.version == version))
    return None if content is None else content.encode()


def _present(keys: Sequence[str]) -> Select[str]:
    return select(PriceBookRow.version).where(PriceBookRow.version.in_(keys))


def _described(book: PriceBook) -> str:
    return (
        f"{len(book.overrides)} overrides, price file with {len(book.file.prices)} models,"
        f" {book.catalogue.version}"
    )
