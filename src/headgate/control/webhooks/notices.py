"""What has been told already, noted in the transaction that tells it: nothing twice, nothing lost."""

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, String, cast, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from headgate.storage.models import WebhookNoticeRow


def is_noted(kind: str, id_column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether a row with this id has been told of, as a condition of a query over such rows."""
    notice = WebhookNoticeRow
    return exists().where(notice.kind == kind, notice.subject == cast(id_column, String))


async def noted(session: AsyncSession, kind: str, subjects: Collection[str] | None = None) -> dict[str, int]:
    """Since when, Unix ms, by subject; of all, or of those."""
    notice = WebhookNoticeRow
    query = select(notice.subject, notice.at_ms).where(notice.kind == kind)
    found = await session.execute(query if subjects is None else query.where(notice.subject.in_(subjects)))
    return {subject: at_ms for subject, at_ms in found}


async def note(session: AsyncSession, kind: str, subjects: Iterable[str], now_ms: int) -> None:
    session.add_all(WebhookNoticeRow(kind=kind, subject=subject, at_ms=now_ms) for subject in subjects)
    await session.flush()


async def forget(session: AsyncSession, kind: str, subjects: Collection[str]) -> None:
    notice = WebhookNoticeRow
    for some in _batches(sorted(subjects)):
        await session.execute(delete(notice).where(notice.kind == kind, notice.subject.in_(some)))


def _batches(subjects: list[str]) -> Iterable[list[str]]:
    """What one statement takes as parameters."""
    return (subjects[start : start + 500] for start in range(0, len(subjects), 500))
