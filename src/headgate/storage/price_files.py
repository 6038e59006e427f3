"""The price file in use and how the last attempt to renew it ended.

Prices are kept in `price_books` under a name for their content, so that every process and machine uses the
same ones, also after a restart without a network; two settings say which file is in use and what was tried.
"""

from typing import TypeVar

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.core.pricing.book import NO_LIST, PriceList
from headgate.core.pricing.content import FILE_PREFIX, decode_list, encode_list
from headgate.storage.models import PriceBookRow, SettingRow
from headgate.storage.price_books import INSERT_BOOK
from headgate.storage.unit_of_work import UnitOfWork

ACTIVE, ATTEMPT = "pricing.file", "pricing.refresh"
"""Settings that hold the two values below."""

S = TypeVar("S", bound=msgspec.Struct)

_UPSERT = text(
    "INSERT INTO settings (key, value, updated_at) VALUES (:key, :value, :at)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
)


class ActiveFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file in use."""

    digest: str
    """Of the prices that were accepted."""
    sha256: str
    """Of the bytes that were read."""
    source: str
    """URL or path."""
    models: int
    installed_at_ms: int
    doubted: tuple[str, ...] = ()
    """Models whose new price was not believed (`core.pricing.acceptance`)."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The last time that somebody looked for a newer file."""

    at_ms: int
    source: str
    result: str
    """installed | unchanged | refused | failed"""
    error: str | None = None


async def read_active(session: AsyncSession) -> ActiveFile | None:
    return await _read(session, ACTIVE, ActiveFile)


async def read_attempt(session: AsyncSession) -> Attempt | None:
    return await _read(session, ATTEMPT, Attempt)


async def read_prices(session: AsyncSession, digest: str) -> PriceList:
    """The prices of a file; none when they are gone or cannot be read."""
    version = FILE_PREFIX + digest
    content = await session.scalar(select(PriceBookRow.content).where(PriceBookRow.version == version))
    try:
        return NO_LIST if content is None else decode_list(content.encode(), digest)
    except msgspec.ValidationError:
        return NO_LIST


async def install(uow: UnitOfWork, prices: PriceList, active: ActiveFile) -> None:
    """Use these prices from the commit on, in every process. Several processes may do so at once."""
    row = {
        "version": FILE_PREFIX + prices.digest,
        "content": encode_list(prices).decode(),
        "source": active.source,
        "now": active.installed_at_ms,
    }
    await uow.session.execute(INSERT_BOOK, row)
    await _write(uow.session, ACTIVE, active, active.installed_at_ms)
    uow.touch_directory()


async def note_attempt(session: AsyncSession, attempt: Attempt) -> None:
    await _write(session, ATTEMPT, attempt, attempt.at_ms)


def parse_active(stored: str | None) -> ActiveFile | None:
    """None for what this version cannot read."""
    return _parse(stored, ActiveFile)


async def _read(session: AsyncSession, key: str, kind: type[S]) -> S | None:
    return _parse(await session.scalar(select(SettingRow.value).where(SettingRow.key == key)), kind)


def _parse(stored: str | None, kind: type[S]) -> S | None:
    try:
        return None if stored is None else msgspec.json.decode(stored, type=kind)
    except msgspec.MsgspecError:
        return None


async def _write(session: AsyncSession, key: str, value: msgspec.Struct, at_ms: int) -> None:
    row = {"key": key, "value": msgspec.json.encode(value).decode(), "at": at_ms}
    await session.execute(_UPSERT, row)
