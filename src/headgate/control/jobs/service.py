"""Long work of the administration: begun here, done by the runner, looked at and cancelled by who may."""

from collections.abc import AsyncIterator, Sequence
from gzip import decompress

from pydantic import BaseModel
from sqlalchemy import func, select, update

from headgate.control.deps import UnitOfWorkFactory
from headgate.control.jobs.account_kinds import (
    BEYOND,
    AccountActions,
    AccountImport,
    AccountTests,
    AccountUpdates,
)
from headgate.control.jobs.kinds import Kind
from headgate.control.jobs.schemas import JobActionBody
from headgate.control.jobs.usage_kind import UsageExport
from headgate.control.web.envelope import Paging
from headgate.control.web.permissions import Permission, may
from headgate.control.work import Work
from headgate.errors import Conflict, Forbidden, NotFound
from headgate.storage.models import JobFilePartRow, JobItemRow, JobRow

KINDS: Sequence[Kind] = (AccountImport(), AccountUpdates(), AccountActions(), AccountTests(), UsageExport())
OPEN = ("pending", "running")
MAX_OPEN = 50


def seal_context(kind: str) -> str:
    return f"job:{kind}"


class JobService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def begin(self, kind: str, body: BaseModel, *, total: int, file_name: str = "") -> JobRow:
        """Raises JOBS_FULL."""
        session, now = self._work.session, self._work.now()
        waiting = await session.scalar(
            select(func.count()).select_from(JobRow).where(JobRow.status.in_(OPEN))
        )
        if (waiting or 0) >= MAX_OPEN:
            raise Conflict(f"{MAX_OPEN} jobs are open already; cancel some first", reason="JOBS_FULL")
        content = body.model_dump_json(exclude_unset=True).encode()
        row = JobRow(
            kind=kind,
            body_sealed=self._work.deps.vault.seal(content, context=seal_context(kind)),
            place={},
            total=total,
            file_name=file_name,
            created_by=self._work.actor_id,
            via=self._work.actor.via,
            created_at=now,
            updated_at=now,
        )
        session.add(row)
        await session.flush()
        return row

    def require_may(self, body: JobActionBody) -> None:
        """Raises INSUFFICIENT_PERMISSIONS."""
        needed = BEYOND.get(body.action)
        if needed is not None and not may(self._work.actor.role, needed):
            raise Forbidden(f"your role may not {body.action.replace('_', ' ')} of accounts")

    async def page(self, status: str, paging: Paging) -> tuple[Sequence[JobRow], int]:
        """Newest first."""
        tests = [JobRow.status == status] if status else []
        session = self._work.session
        total = await session.scalar(select(func.count()).select_from(JobRow).where(*tests))
        rows = await session.scalars(
            select(JobRow)
            .where(*tests)
            .order_by(JobRow.id.desc())
            .limit(paging.page_size)
            .offset(paging.offset)
        )
        return rows.all(), total or 0

    async def get(self, job_id: int) -> JobRow:
        """Raises JOB_NOT_FOUND."""
        row = await self._work.session.get(JobRow, job_id)
        if row is None:
            raise NotFound("job not found", reason="JOB_NOT_FOUND")
        return row

    async def items(
        self, job_id: int, success: bool | None, paging: Paging
    ) -> tuple[Sequence[JobItemRow], int]:
        """In the order in which they were done. Raises JOB_NOT_FOUND."""
        await self.get(job_id)
        item, session = JobItemRow, self._work.session
        tests = [item.job_id == job_id]
        if success is not None:
            tests.append(item.success.is_(success))
        total = await session.scalar(select(func.count()).select_from(item).where(*tests))
        rows = await session.scalars(
            select(item).where(*tests).order_by(item.id).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def cancel(self, job_id: int) -> JobRow:
        """What was done stays. Raises JOB_NOT_FOUND, INSUFFICIENT_PERMISSIONS, JOB_CANCEL_CONFLICT."""
        row, now = await self.get(job_id), self._work.now()
        if row.created_by != self._work.actor_id and not may(self._work.actor.role, Permission.ADMIN):
            raise Forbidden("only whoever began a job, or an administrator, may cancel it")
        was_open = row.status in OPEN
        await self._work.session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.status.in_(OPEN))
            .values(
                status="canceled", canceled_by=self._work.actor_id, finished_at=now, updated_at=now,
                body_sealed=None,
            )
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        await self._work.session.refresh(row)
        if not was_open or row.status != "canceled":
            raise Conflict(
                f"the job is {row.status}; only pending and running ones can be cancelled",
                reason="JOB_CANCEL_CONFLICT",
            )
        return row

    async def file_parts(self, job_id: int) -> tuple[JobRow, Sequence[int]]:
        """Raises JOB_NOT_FOUND, JOB_FILE_NOT_FOUND, JOB_NOT_FINISHED."""
        row, part = await self.get(job_id), JobFilePartRow
        if row.file_name and row.status in OPEN:
            raise Conflict(
                f"the job is {row.status}; its file is there when it ends", reason="JOB_NOT_FINISHED"
            )
        found = await self._work.session.scalars(
            select(part.id).where(part.job_id == job_id).order_by(part.id)
        )
        ids = found.all()
        if not ids:
            raise NotFound("the job has no file, or no longer", reason="JOB_FILE_NOT_FOUND")
        return row, ids


async def file_content(uow: UnitOfWorkFactory, parts: Sequence[int]) -> AsyncIterator[bytes]:
    """Piece by piece, each in a transaction of its own: a slow reader holds no connection."""
    for part_id in parts:
        async with uow() as unit:
            part = await unit.session.get(JobFilePartRow, part_id)
        if part is None:
            return
        yield decompress(part.content)


def kind_named(name: str) -> Kind | None:
    return next((kind for kind in KINDS if kind.name == name), None)
