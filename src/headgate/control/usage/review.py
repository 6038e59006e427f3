"""Records that somebody should look at: estimated usage, default prices, reports that cannot be true.

A review is noted on the record; what was measured and charged then is never changed (DESIGN 4). Where the
reviewer knows what was really used, the difference becomes new ledger lines.
"""

from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select

from headgate.control.usage.correction import Corrected, correct_record
from headgate.control.usage.repository import MAX_COUNTED, UsageRepository
from headgate.control.usage.review_schemas import ReviewBody
from headgate.control.web.envelope import Paging
from headgate.control.work import Work
from headgate.core.pricing.plausibility import DEFAULT_PRICE, ESTIMATED, IMPLAUSIBLE
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import UsageRecordRow


class ReviewReason(StrEnum):
    """Why a record is listed."""

    ESTIMATED = ESTIMATED
    DEFAULT_PRICE = DEFAULT_PRICE
    IMPLAUSIBLE = IMPLAUSIBLE


class ReviewService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._usage = UsageRepository(work.session)

    async def page(self, reason: ReviewReason | None, paging: Paging) -> tuple[Sequence[UsageRecordRow], int]:
        """Records that nobody has looked at yet, newest first, found by the partial index."""
        if paging.offset >= MAX_COUNTED:
            raise BadRequest(f"lists end after {MAX_COUNTED} records; review some first")
        row, wanted = UsageRecordRow, _open(reason)
        query = select(row).where(*wanted).order_by(row.created_at_ms.desc(), row.id.desc())
        found = await self._work.session.scalars(query.limit(paging.page_size).offset(paging.offset))
        some = select(row.id).where(*wanted).limit(MAX_COUNTED).subquery()
        total = await self._work.session.scalar(select(func.count()).select_from(some))
        return found.all(), total or 0

    async def review(self, record_id: int, body: ReviewBody) -> tuple[UsageRecordRow, Corrected | None]:
        """Take a record off the list, and correct its charge if the usage is given. Raises
        USAGE_LOG_NOT_FOUND, NOTHING_TO_REVIEW, ALREADY_REVIEWED, PRICE_VERSION_UNKNOWN."""
        row = await self._usage.get_for_change(record_id)
        if row.review is None:
            raise BadRequest("nothing about this record needs a review", reason="NOTHING_TO_REVIEW")
        if row.reviewed_at_ms is not None:
            raise Conflict("this record has been reviewed already", reason="ALREADY_REVIEWED")
        row.reviewed_at_ms = self._work.now_ms()
        await self._work.session.flush()
        if body.corrected is None:
            return row, None
        return row, await correct_record(self._work, row, body.corrected.usage(), note=body.note)


def _open(reason: ReviewReason | None) -> list[ColumnElement[bool]]:
    row = UsageRecordRow
    conditions: list[ColumnElement[bool]] = [row.review.is_not(None), row.reviewed_at_ms.is_(None)]
    if reason is not None:
        conditions.append(row.review == reason.value)
    return conditions
