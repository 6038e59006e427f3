"""Working clean-up tasks off, one at a time, a few records in each transaction."""

from dataclasses import dataclass

import structlog
from sqlalchemy import CursorResult, select, update

from headgate.control.deps import UnitOfWorkFactory
from headgate.control.usage.cleanup import OPEN, clean_some
from headgate.kit.clock import Clock, instant
from headgate.state.protocols import LockStore
from headgate.storage.models import UsageCleanupTaskRow

log = structlog.get_logger(__name__)

EVERY_S = 10.0
LOCK, LOCK_S = "job:usage-cleanup", 60.0
MOST = 500
"""Records of one transaction: SQLite has one writer, and the journal must not wait long for it."""
TASK_TIMEOUT_MS = 1_800_000


@dataclass(frozen=True, slots=True)
class CleanupWorker:
    uow: UnitOfWorkFactory
    clock: Clock
    locks: LockStore

    async def work(self) -> int:
        """How many records lost their detail. One of many processes works; a task that a process left when it
        died goes on where it was."""
        token = await self.locks.acquire(LOCK, ttl_s=LOCK_S)
        if token is None:
            return 0
        cleaned = 0
        try:
            while (task_id := await self._next()) is not None:
                done = await self._step(task_id)
                cleaned += done
                if not await self.locks.renew(LOCK, token, ttl_s=LOCK_S):
                    break
        finally:
            await self.locks.release(LOCK, token)
        return cleaned

    async def _next(self) -> int | None:
        """A running task before those that wait."""
        task = UsageCleanupTaskRow
        async with self.uow() as uow:
            found: int | None = await uow.session.scalar(
                select(task.id).where(task.status.in_(OPEN)).order_by(task.status.desc(), task.id).limit(1)
            )
        return found

    async def _step(self, task_id: int) -> int:
        """Some records of a task, with the note of how far it came, in one transaction."""
        now_ms = self.clock.now_ms()
        async with self.uow() as uow:
            task = await uow.session.get(UsageCleanupTaskRow, task_id)
            if task is None or task.status not in OPEN:
                return 0
            started = task.started_at or instant(now_ms)
            if now_ms - started.timestamp() * 1000 > TASK_TIMEOUT_MS:
                values = {"status": "failed", "error_message": "took longer than half an hour"}
                cleaned = None
            elif (cleaned := await clean_some(uow.session, task, MOST)) is None:
                values = {"status": "succeeded"}
            else:
                values = {"status": "running"}
            if values["status"] != "running":
                log.info("usage_cleaned", task_id=task_id, status=values["status"], records=task.cleaned_rows)
            row = UsageCleanupTaskRow
            noted = await uow.session.execute(
                update(row)
                .where(row.id == task_id, row.status.in_(OPEN))  # cancelled meanwhile stays cancelled
                .values(
                    started_at=started,
                    finished_at=None if values["status"] == "running" else instant(now_ms),
                    updated_at=instant(now_ms),
                    cleaned_rows=task.cleaned_rows + (cleaned.records if cleaned else 0),
                    deleted_traces=task.deleted_traces + (cleaned.traces if cleaned else 0),
                    position_ms=cleaned.position_ms if cleaned else task.position_ms,
                    position_id=cleaned.position_id if cleaned else task.position_id,
                    **values,
                )
                .execution_options(synchronize_session=False)
            )
            assert isinstance(noted, CursorResult)
            if noted.rowcount == 0:
                await uow.session.rollback()
                return 0
        return cleaned.records if cleaned else 0
