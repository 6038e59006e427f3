"""Working jobs off: some pieces in each transaction, with the note of how far the job came and what became
of each piece. A process that dies leaves its job to be continued; a cancel takes effect after the step that
runs.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy import case, delete, insert, literal, select, update
from sqlalchemy.exc import SQLAlchemyError

from headgate.control.deps import ControlDeps, UnitOfWorkFactory
from headgate.control.jobs.kinds import Kind, Place, Step
from headgate.control.jobs.service import OPEN, kind_named, seal_context
from headgate.control.web.permissions import may
from headgate.control.work import Actor, Work, open_work
from headgate.errors import ApiError, Forbidden
from headgate.kit.clock import Clock, instant
from headgate.kit.crypto import SealBroken
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import JobFilePartRow, JobItemRow, JobRow, UserRow
from headgate.storage.types import EpochMs

log = structlog.get_logger(__name__)

EVERY_S = 2.0
AT_ONCE = 3
"""Jobs of one process at a time: tests of accounts may take minutes, and an import must not wait for them."""
LOCK_S = 300.0
"""Longer than a step may take (`testing.TEST_DEADLINE_S`)."""
JOB_TIMEOUT_MS = 6 * 3_600_000
FILE_MS, KEEP_MS = 24 * 3_600_000, 30 * 24 * 3_600_000
_JOBS: Any = JobRow.__table__
"""Not by the mapper: progress is no matter of the audit log, what is done in the steps is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    id: int
    kind: Kind
    body: Any
    via: str
    created_by: int | None
    started_ms: int
    place: Place


@dataclass(frozen=True, slots=True)
class JobRunner:
    deps: ControlDeps

    async def work(self) -> int:
        """How many jobs ended. What another process works on is left to it."""
        ended, tried = 0, set[int]()
        running: dict[asyncio.Task[bool], int] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                for job_id in await self._open(tried, AT_ONCE - len(running)):
                    tried.add(job_id)
                    running[group.create_task(self._guarded(job_id), name=f"job:{job_id}")] = job_id
                if not running:
                    return ended
                done, _ = await asyncio.wait(running, timeout=EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                ended += sum(task.result() for task in done)
                running = {task: job_id for task, job_id in running.items() if task not in done}

    async def _open(self, tried: Collection[int], most: int) -> list[int]:
        query = select(JobRow.id).where(JobRow.status.in_(OPEN), JobRow.id.not_in(tried))
        async with self.deps.uow() as uow:
            return list(await uow.session.scalars(query.order_by(JobRow.id).limit(most)))

    async def _guarded(self, job_id: int) -> bool:
        """A bug in one kind of job ends that job, neither the others nor the runner."""
        (outcome,) = await asyncio.gather(self._run(job_id), return_exceptions=True)
        match outcome:
            case SQLAlchemyError() | StateUnavailable():
                log.warning("job_interrupted", job_id=job_id, error=type(outcome).__name__)
                return False  # tried again at the next turn
            case Exception():
                log.error("job_broke", job_id=job_id, error=type(outcome).__name__, exc_info=outcome)
                await self._fail(job_id, "INTERNAL", "an internal error; the log says more")
                return True
            case BaseException():
                raise outcome
            case ended:
                return ended

    async def _run(self, job_id: int) -> bool:
        name = f"job:{job_id}"
        token = await self.deps.state.locks.acquire(name, ttl_s=LOCK_S)
        if token is None:
            return False
        try:
            job = await self._load(job_id)
            while job is not None:
                try:
                    job = await self._step(job)
                except ApiError as error:
                    await self._fail(job_id, error.reason or "INVALID", error.message)
                    return True
                if not await self.deps.state.locks.renew(name, token, ttl_s=LOCK_S):
                    return False
        finally:
            await self.deps.state.locks.release(name, token)
        return True

    async def _load(self, job_id: int) -> _Job | None:
        async with self.deps.uow() as uow:
            row = await uow.session.get(JobRow, job_id)
            if row is None or row.status not in OPEN or row.body_sealed is None:
                return None
        kind = kind_named(row.kind)
        if kind is None:
            await self._fail(job_id, "JOB_KIND_UNKNOWN", f"this version knows no {row.kind}")
            return None
        try:
            content = self.deps.vault.unseal(row.body_sealed, context=seal_context(row.kind))
        except SealBroken:
            await self._fail(job_id, "JOB_UNREADABLE", "it was asked under another master key")
            return None
        started = row.started_at.timestamp() * 1000 if row.started_at else self.deps.clock.now_ms()
        return _Job(
            id=job_id,
            kind=kind,
            body=kind.read(content),
            via=row.via,
            created_by=row.created_by,
            started_ms=round(started),
            place=row.place,
        )

    async def _step(self, job: _Job) -> _Job | None:
        """The job as it then stands; None: it has ended."""
        if self.deps.clock.now_ms() - job.started_ms > JOB_TIMEOUT_MS:
            await self._fail(job.id, "JOB_TIMEOUT", "took longer than six hours")
            return None
        actor = await self._actor(job)
        outside = await job.kind.outside(self.deps, actor, job.body, job.place)
        async with open_work(replace(self.deps, command=f"job {job.kind.name}"), actor) as work:
            step = await job.kind.step(work, job.body, job.place, outside)
            is_open = await _note(work, job, step)
        return replace(job, place=step.place) if is_open else None

    async def _actor(self, job: _Job) -> Actor:
        """Whoever asked, with the role of today. Raises INSUFFICIENT_PERMISSIONS."""
        async with self.deps.uow() as uow:
            user = await uow.session.get(UserRow, job.created_by) if job.created_by else None
        is_there = user is not None and user.deleted_at is None and user.status == "active"
        if user is None or not is_there or not may(user.role, job.kind.permission):
            raise Forbidden("whoever began the job may no longer do this")
        return Actor(user_id=user.id, email=user.email, role=user.role, via=job.via)

    async def _fail(self, job_id: int, reason: str, message: str) -> None:
        now = instant(self.deps.clock.now_ms())
        log.warning("job_failed", job_id=job_id, reason=reason)
        async with self.deps.uow() as uow:
            await uow.session.execute(
                update(_JOBS)
                .where(_JOBS.c.id == job_id, _JOBS.c.status.in_(OPEN))
                .values(
                    status="failed", reason=reason[:100], error_message=message[:2000], body_sealed=None,
                    finished_at=now, updated_at=now,
                )
            )  # fmt: skip


async def _note(work: Work, job: _Job, step: Step) -> bool:
    """What was done is counted even when the job was cancelled meanwhile. False: it has ended."""
    columns, now = _JOBS.c, work.now()
    is_open = columns.status.in_(OPEN)
    status = "succeeded" if step.is_end else "running"
    values: dict[str, Any] = {
        "place": step.place,
        "done": columns.done + len(step.outcomes) + step.records,
        "failed": columns.failed + sum(not one.success for one in step.outcomes),
        "started_at": instant(job.started_ms),
        "updated_at": now,
        "status": case((is_open, status), else_=columns.status),
    }
    if step.is_end:
        values["body_sealed"] = None
        values["finished_at"] = case((is_open, literal(now, EpochMs)), else_=columns.finished_at)
    await work.session.execute(update(_JOBS).where(columns.id == job.id).values(**values))
    if step.outcomes:
        rows = [
            {
                "job_id": job.id,
                "success": one.success,
                "subject": one.subject,
                "subject_id": one.subject_id,
                "name": one.name[:200],
                "message": one.message[:2000].replace("\x00", ""),
            }
            for one in step.outcomes
        ]
        await work.session.execute(insert(JobItemRow), rows)
    if step.part:
        await work.session.execute(insert(JobFilePartRow), [{"job_id": job.id, "content": step.part}])
    stands = await work.session.scalar(select(columns.status).where(columns.id == job.id))
    return stands == "running"


async def delete_old_jobs(uow: UnitOfWorkFactory, clock: Clock) -> int:
    """Files a day after their job's end, jobs with all that they tell after thirty. How many jobs."""
    job, item, part = JobRow, JobItemRow, JobFilePartRow
    with_file = select(job.id).where(job.finished_at < instant(clock.now_ms() - FILE_MS), job.file_name != "")
    old = select(job.id).where(job.finished_at < instant(clock.now_ms() - KEEP_MS))
    async with uow() as unit:
        await unit.session.execute(delete(part).where(part.job_id.in_(with_file)))
        await unit.session.execute(delete(item).where(item.job_id.in_(old)))
        gone = await unit.session.execute(
            delete(job).where(job.id.in_(old)).execution_options(synchronize_session=False)
        )
    count: int = getattr(gone, "rowcount", 0)
    return count
