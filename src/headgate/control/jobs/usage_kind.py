"""Usage records as one CSV of any length, some thousand records in each transaction."""

import gzip
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import and_, func, or_, select

from headgate.control.jobs.kinds import InDatabase, Outcome, Place, Step
from headgate.control.jobs.schemas import JobExportBody, StoredExport
from headgate.control.usage.cleanup import filter_of, stored
from headgate.control.usage.export import csv_document
from headgate.control.usage.period import Span
from headgate.control.usage.query import UsageQuery, usage_filter
from headgate.control.usage.repository import conditions
from headgate.control.usage.service import UNINDEXED_DAYS, UsageService
from headgate.control.web.permissions import Permission
from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.storage.models import UsageRecordRow

MAX_RECORDS = 500_000
"""About 120 MB of CSV, a tenth of it stored; narrower dates for more."""
AT_ONCE = 2_000


class UsageExport(InDatabase):
    """Oldest first. Records that come while it runs are not in it."""

    name = "usage_export"
    permission = Permission.AMOUNTS

    def read(self, stored: bytes) -> StoredExport:
        return StoredExport.model_validate_json(stored)

    async def step(self, work: Work, body: StoredExport, place: Place, outside: Sequence[Outcome]) -> Step:
        record, wanted = UsageRecordRow, filter_of(body.wanted)
        last_ms, last_id = place.get("ms", 0), place.get("id", 0)
        is_behind = or_(
            record.created_at_ms > last_ms, and_(record.created_at_ms == last_ms, record.id > last_id)
        )
        found = await work.session.scalars(
            select(record)
            .where(*conditions(wanted), record.created_at_ms >= last_ms, is_behind)
            .order_by(record.created_at_ms, record.id)
            .limit(AT_ONCE)
        )
        rows = [] if wanted.is_nothing else found.all()
        content = csv_document(
            rows, await UsageService(work).references(rows, for_admin=True), for_admin=True
        )
        if place:
            content = content.partition(b"\r\n")[2]
        if rows:
            place = {"ms": rows[-1].created_at_ms, "id": rows[-1].id}
        part = gzip.compress(content, compresslevel=3, mtime=0)
        return Step(place=place, is_end=len(rows) < AT_ONCE, records=len(rows), part=part)


async def export_of(work: Work, body: JobExportBody) -> tuple[StoredExport, int]:
    """What to export, and how many records that is. Raises INVALID_INPUT, EXPORT_TOO_LARGE."""
    query = UsageQuery(
        user_id=body.user_id,
        api_key_id=body.api_key_id,
        account_id=body.account_id,
        group_id=body.group_id,
        model=body.model,
        request_type=body.request_type,
        billing_type="" if body.billing_type is None else str(body.billing_type),
        start_date=body.start_date,
        end_date=body.end_date,
        timezone=body.timezone,
    )
    wanted = await usage_filter(work, query, hides_failed=False)
    now_ms = work.now_ms()
    span = Span(wanted.span.from_ms, min(wanted.span.until_ms or now_ms + 1, now_ms + 1))
    if wanted.has_unindexed and not wanted.has_index:
        span = span.within(UNINDEXED_DAYS, now_ms=now_ms)
    wanted = replace(wanted, span=span)
    some = select(UsageRecordRow.id).where(*conditions(wanted)).limit(MAX_RECORDS + 1).subquery()
    total = 0 if wanted.is_nothing else await work.session.scalar(select(func.count()).select_from(some)) or 0
    if total > MAX_RECORDS:
        raise BadRequest(
            f"more than {MAX_RECORDS} records; narrow the days or the filters", reason="EXPORT_TOO_LARGE"
        )
    return StoredExport(wanted=stored(wanted)), total
