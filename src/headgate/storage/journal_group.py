"""Group commit, the same for both databases: one queue, one flusher, one transaction for whatever is waiting.

While a group is being written the next one collects; an idle journal writes at once, no timer delays
anything. An operation leaves the queue in one of three ways: committed, refused by the database as a row
(`RowRefused`), or, for an intent only, given up after the commit deadline. Settlements stay until they are
written, however long it takes; their callers are told after the deadline.
An intent whose caller was told "not durable" after it had been sent to the database is withdrawn, so that
none is left behind for an upstream call that was never made.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from headgate.core.ids import AccountId, ExchangeId, UserId
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.kit.tasks import TaskOwner
from headgate.storage.journal import (
    Intent,
    OpenIntent,
    Progress,
    RowRefused,
    Settlement,
    StorageLate,
    StorageUnavailable,
)
from headgate.storage.journal_rows import AccountMark, OpKind, TraceNote

log = structlog.get_logger(__name__)

MAX_GROUP = 512
"""Operations per transaction: bounds how long a group takes, and with it the wait of those behind it."""
MAX_QUEUE = 20_000
"""Operations waiting at most; beyond it intents are refused and settlements wait for room (back-pressure)."""
LINGER_PER_OPERATION_S = 0.000_2
LINGER_MAX_S = 0.003
"""After a group of several, how long the next may fill up before it is written: the larger the group was, the
more exchanges come to share the next commit. A lone request never waits, a process near its limit waits for
3 ms."""
LOOKS = 4
"""Who still waits at the fourth look is given up; looks are a quarter of the deadline apart."""
RETRY_FIRST_S = 0.02
RETRY_MAX_S = 1.0


class Op:
    """One operation on its way to the database."""

    __slots__ = ("body", "kind", "looks", "queued_at", "tried", "waiter")

    def __init__(
        self, kind: OpKind, body: Any, waiter: asyncio.Future[None] | None, queued_at: float
    ) -> None:
        self.kind = kind
        self.body = body
        self.waiter = waiter
        self.queued_at = queued_at
        self.looks = 0
        """Seen waiting so often."""
        self.tried = False
        """Sent to the database at least once; it may have been committed without our knowing."""


class GroupWriter(Protocol):
    """Writes a group in one transaction. Used by one task at a time."""

    async def write(self, ops: Sequence[Op]) -> Mapping[Op, RowRefused]:
        """Commit the group; returns the operations that the database refuses as rows (the others are
        committed). Raises StorageUnavailable when the group should be tried again."""
        ...

    async def open_intents(self) -> Sequence[OpenIntent]: ...

    async def close(self) -> None: ...


class GroupJournal:
    """`journal.Journal` over a `GroupWriter`. Build with `journal_opening.open_journal`, on the running
    loop."""

    def __init__(
        self,
        writer: GroupWriter,
        *,
        commit_timeout_s: float,
        max_queue: int = MAX_QUEUE,
        fail_points: FailPoints = NO_FAIL_POINTS,
    ) -> None:
        self._writer = writer
        self._timeout_s = commit_timeout_s
        self._max_queue = max_queue
        self._fail_points = fail_points
        self._loop = asyncio.get_running_loop()
        self._queue: list[Op] = []
        self._in_flight: Sequence[Op] = ()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._deadline_timer: asyncio.TimerHandle | None = None
        self._retry_s = RETRY_FIRST_S
        self._committed_at = -math.inf
        self._is_closing = False
        self._tasks = TaskOwner("journal")
        self._flusher = self._tasks.spawn(self._run(), name="flusher")

    async def open_intent(self, intent: Intent) -> None:
        """Durable before it returns. Raises StorageUnavailable: then the upstream call must not be made."""
        if self._is_closing or len(self._queue) >= self._max_queue:
            raise StorageUnavailable(
                "the journal is closing" if self._is_closing else "the journal's queue is full"
            )
        waiter = self._loop.create_future()
        self._append(Op(OpKind.INTENT, intent, waiter, self._loop.time()))
        self._fail_points.reach(FailPoint.AFTER_INTENT_QUEUED)
        self._watch_deadline()
        await waiter

    async def settle(self, settlement: Settlement) -> None:
        """Returns when committed; see `Journal.settle`. Raises RowRefused when the database refuses the
        row."""
        if self._flusher.done():
            raise StorageUnavailable("the journal is closed")
        waiter = self._loop.create_future()
        op = Op(OpKind.SETTLEMENT, settlement, waiter, self._loop.time())
        try:
            while len(self._queue) >= self._max_queue:
                self._room.clear()
                await self._room.wait()
        finally:
            self._append(op)
            self._fail_points.reach(FailPoint.AFTER_SETTLE_QUEUED)
            self._watch_deadline()
        await waiter

    def note_progress(self, progress: Progress) -> None:
        """Queue it; dropped when the queue is full."""
        if len(self._queue) < self._max_queue and not self._is_closing:
            self._append(Op(OpKind.PROGRESS, progress, None, self._loop.time()))

    async def write_trace(
        self, exchange_id: ExchangeId, user_id: UserId, trace: bytes, created_at_ms: int
    ) -> None:
        """Queue the trace of a refused exchange; dropped when the queue is full (it is no money)."""
        if len(self._queue) < self._max_queue and not self._is_closing:
            note = TraceNote(exchange_id, user_id, trace, created_at_ms)
            self._append(Op(OpKind.TRACE, note, None, self._loop.time()))

    async def mark_account(
        self,
        account_id: AccountId,
        *,
        error: str | None = None,
        rate_limited_until_ms: int | None = None,
        overloaded_until_ms: int | None = None,
        reason: str = "",
        is_recovered: bool = False,
        is_limit_over: bool = False,
        excluded_until_ms: int | None = None,
    ) -> None:
        """Kept until written; raises StorageUnavailable when that takes longer than the commit deadline."""
        mark = AccountMark(
            account_id=account_id,
            error=f"{error} ({reason})" if error and reason else error,
            rate_limited_until_ms=rate_limited_until_ms,
            overloaded_until_ms=overloaded_until_ms,
            is_recovered=is_recovered,
            is_limit_over=is_limit_over,
            excluded_until_ms=excluded_until_ms,
            exclusion=reason,
        )
        if self._flusher.done():
            raise StorageUnavailable("the journal is closed")
        waiter = self._loop.create_future()
        self._append(Op(OpKind.MARK, mark, waiter, self._loop.time()))
        self._watch_deadline()
        await waiter

    async def open_intents(self) -> Sequence[OpenIntent]:
        """Intents of other, dead processes, oldest first. Raises StorageUnavailable."""
        return await self._writer.open_intents()

    def lag_s(self) -> float:
        """Age in seconds of the oldest operation that is not committed yet; 0 when idle."""
        oldest = [ops[0].queued_at for ops in (self._in_flight, self._queue) if ops]
        return max(0.0, self._loop.time() - min(oldest)) if oldest else 0.0

    async def close(self) -> None:
        """Commit what is queued, then stop; gives up after the commit deadline (open intents then stay for
        recovery)."""
        self._is_closing = True
        self._work.set()
        await asyncio.wait([self._flusher], timeout=self._timeout_s)
        if self._queue or self._in_flight:
            log.error("journal_closed_unwritten", operations=len(self._queue) + len(self._in_flight))
        await self._tasks.close()
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
        await self._writer.close()

    def _append(self, op: Op) -> None:
        self._queue.append(op)
        self._work.set()

    async def _run(self) -> None:
        written = 0
        try:
            while not (self._is_closing and not self._queue):
                if not self._queue:
                    self._work.clear()
                    await self._work.wait()
                    if written > 1 and not self._is_closing:
                        await asyncio.sleep(min(written * LINGER_PER_OPERATION_S, LINGER_MAX_S))
                    continue
                group = self._take()
                written = len(group)
                await self._flush(group)
        finally:
            self._is_closing = True
            self._fail_waiters()

    def _take(self) -> list[Op]:
        taken, self._queue = self._queue[:MAX_GROUP], self._queue[MAX_GROUP:]
        if not self._room.is_set() and len(self._queue) < self._max_queue:
            self._room.set()
        return [live for op in taken if (live := self._still_wanted(op)) is not None]

    def _still_wanted(self, op: Op) -> Op | None:
        """The operation; for an intent that its caller gave up, nothing, or its withdrawal if it may be
        committed."""
        if op.kind is not OpKind.INTENT or op.waiter is None or not op.waiter.done():
            return op
        return self._withdrawal(op) if op.tried else None

    def _withdrawal(self, op: Op) -> Op:
        return Op(OpKind.WITHDRAWAL, op.body, None, self._loop.time())

    async def _flush(self, ops: list[Op]) -> None:
        if not ops:
            return
        self._in_flight = ops
        try:
            refused = await self._writer.write(ops)
        except StorageUnavailable as error:
            await self._keep(ops, error)
        else:
            self._in_flight = ()
            self._retry_s = RETRY_FIRST_S
            self._committed_at = self._loop.time()
            self._answer(ops, refused)

    async def _keep(self, ops: list[Op], error: StorageUnavailable) -> None:
        """Put a failed group back in front and wait a little."""
        for op in ops:
            op.tried = True
        self._queue[:0] = ops
        self._in_flight = ()
        log.warning("journal_group_failed", operations=len(ops), error=str(error), retry_s=self._retry_s)
        await asyncio.sleep(self._retry_s)
        self._retry_s = min(self._retry_s * 2, RETRY_MAX_S, self._timeout_s / 4)

    def _answer(self, ops: list[Op], refused: Mapping[Op, RowRefused]) -> None:
        for op in ops:
            waiter = op.waiter
            if waiter is None:
                continue
            if waiter.done():
                if op.kind is OpKind.INTENT:
                    self._append(self._withdrawal(op))
            elif refused and op in refused:
                waiter.set_exception(refused[op])
            else:
                waiter.set_result(None)
        for op, reason in refused.items():
            log.error("journal_row_refused", kind=op.kind.name.lower(), error=str(reason), **_names(op))

    def _watch_deadline(self) -> None:
        if self._deadline_timer is None:
            self._deadline_timer = self._loop.call_later(self._timeout_s / LOOKS, self._expire)

    def _expire(self) -> None:
        """Fail those who wait for too long: at the fourth look, so that nobody waits longer than the
        deadline. Looks are counted, not seconds: a process that does not get round to anything for longer
        than the deadline finds the database's answer when it comes round, and not everybody's time over."""
        self._deadline_timer = None
        is_anyone_left = False
        for op in (*self._in_flight, *self._queue):
            if op.waiter is None or op.waiter.done():
                continue
            op.looks += 1
            if op.looks >= LOOKS:
                op.waiter.set_exception(self._too_late(op))
            else:
                is_anyone_left = True
        if is_anyone_left:
            self._watch_deadline()

    def _too_late(self, op: Op) -> StorageUnavailable:
        """A database that has committed for others since the operation came is busy, not away."""
        if self._committed_at > op.queued_at:
            return StorageLate("the database is busy: it did not commit within the deadline")
        return StorageUnavailable("the database did not commit within the deadline")

    def _fail_waiters(self) -> None:
        for op in (*self._in_flight, *self._queue):
            if op.waiter is not None and not op.waiter.done():
                op.waiter.set_exception(StorageUnavailable("the journal was closed before the commit"))


def _names(op: Op) -> dict[str, Any]:
    """The ids of an operation for a log line; never its texts."""
    body = op.body.intent if op.kind is OpKind.SETTLEMENT else op.body
    names = ("exchange_id", "attempt", "account_id")
    return {name: getattr(body, name) for name in names if hasattr(body, name)}
