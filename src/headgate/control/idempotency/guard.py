"""A management write under an Idempotency-Key happens once, and is answered with the same bytes (spec 7.15).

The claim is committed before the work begins; the answer is stored in the transaction of the work. A crash
between the two leaves a claim that lapses after `lock_s` and no effect. Without the store nothing runs.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, assert_never

import structlog
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import WorkDeps
from headgate.control.idempotency.judgement import Conflicting, Replay, Take, Wait, judge
from headgate.control.idempotency.keys import Identity
from headgate.control.idempotency.records import Claim, IdempotencyRecords
from headgate.errors import ApiError, BadRequest, Conflict, Unavailable
from headgate.kit.clock import instant
from headgate.kit.crypto import SealBroken
from headgate.storage.models import IdempotencyRecordRow

log = structlog.get_logger(__name__)
_SEAL = "idempotency.answer"
_TRIES = 5
"""Races lost in a row before the store counts as unusable: each one means that another request won."""
_RETRY_S = "2"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first call was answered."""

    status: int
    body: bytes


class IdempotentCall:
    """The claim of one request, from taking it to its answer or failure.

    `async with` around the work: an error gives the key free after the backoff, a request that could not be
    read frees it at once, and a cancelled one leaves it to lapse."""

    def __init__(self, deps: WorkDeps, claim: Claim) -> None:
        self._deps = deps
        self._claim = claim

    async def store(self, session: AsyncSession, *, status: int, body: bytes) -> None:
        """Keep the answer, in the transaction of the work. Raises IDEMPOTENCY_IN_PROGRESS when the work took
        longer than the lock and another call has taken over, IDEMPOTENCY_STORE_UNAVAILABLE."""
        kept: bytes | None = self._deps.vault.seal(zlib.compress(body), context=_SEAL)
        if kept is not None and len(kept) > self._deps.settings.idempotency.max_answer_bytes:
            kept = None
        async with _store_needed(self._deps):
            is_kept = await IdempotencyRecords(session).succeeded(
                self._claim, status=status, body=kept, now=_now(self._deps)
            )
        if not is_kept:
            raise _in_progress(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, (asyncio.CancelledError, GeneratorExit)):
            return
        try:
            await self._give_back(error)
        except SQLAlchemyError as problem:
            log.warning("idempotency_claim_kept", error=type(problem).__name__)

    async def _give_back(self, error: BaseException) -> None:
        now = _now(self._deps)
        backoff = timedelta(seconds=self._deps.settings.idempotency.retry_backoff_s)
        async with self._deps.uow() as uow:
            records = IdempotencyRecords(uow.session)
            if isinstance(error, RequestValidationError):
                await records.forget(self._claim)
                return
            reason = error.reason if isinstance(error, ApiError) else type(error).__name__
            await records.failed(self._claim, reason=reason, until=now + backoff, now=now)


class IdempotencyGuard:
    """Decides per request whether it runs, waits, is refused or was answered before."""

    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps
        self._settings = deps.settings.idempotency

    def require_key(self, key: str | None) -> None:
        """Raises IDEMPOTENCY_KEY_REQUIRED where the operator demands keys."""
        if key is None and not self._settings.observe_only:
            raise BadRequest("this call needs an Idempotency-Key", reason="IDEMPOTENCY_KEY_REQUIRED")

    async def claim(self, identity: Identity) -> IdempotentCall | StoredAnswer:
        """Raises IDEMPOTENCY_IN_PROGRESS, IDEMPOTENCY_RETRY_BACKOFF, IDEMPOTENCY_KEY_CONFLICT,
        IDEMPOTENCY_ANSWER_TOO_LARGE, IDEMPOTENCY_STORE_UNAVAILABLE."""
        async with _store_needed(self._deps):
            for _ in range(_TRIES):
                async with self._deps.uow() as uow:
                    outcome = await self._try(IdempotencyRecords(uow.session), identity)
                if outcome is not None:
                    return outcome
        raise _unavailable(self._deps)

    async def _try(
        self, records: IdempotencyRecords, identity: Identity
    ) -> IdempotentCall | StoredAnswer | None:
        """None: somebody else changed the record in between."""
        now = _now(self._deps)
        lock, ttl = timedelta(seconds=self._settings.lock_s), timedelta(seconds=self._settings.ttl_s)
        seen = await records.find(identity)
        if seen is None:
            return self._claimed(await records.insert(identity, now=now, lock=lock, ttl=ttl))
        match judge(seen, fingerprint=identity.fingerprint, now=now):
            case Take():
                return self._claimed(await records.take_over(seen, identity, now=now, lock=lock, ttl=ttl))
            case Replay():
                return self._replay(seen)
            case Conflicting():
                self._deps.idempotency_counters.count("conflict")
                raise Conflict(
                    "this Idempotency-Key was used with another request; use a new key",
                    reason="IDEMPOTENCY_KEY_CONFLICT",
                )
            case Wait(reason, seconds):
                is_running = reason == "IDEMPOTENCY_IN_PROGRESS"
                self._deps.idempotency_counters.count("in_progress" if is_running else "backoff")
                raise _in_progress(seconds) if is_running else _backoff(seconds)
            case other:
                assert_never(other)

    def _claimed(self, claim: Claim | None) -> IdempotentCall | None:
        if claim is None:
            return None
        self._deps.idempotency_counters.count("claim")
        return IdempotentCall(self._deps, claim)

    def _replay(self, record: IdempotencyRecordRow) -> StoredAnswer:
        if record.response_body is None:
            raise Conflict(
                "this request has succeeded already; its answer was too large to be kept",
                reason="IDEMPOTENCY_ANSWER_TOO_LARGE",
            )
        try:
            body = zlib.decompress(self._deps.vault.unseal(record.response_body, context=_SEAL))
        except SealBroken:
            raise _unavailable(self._deps) from None
        self._deps.idempotency_counters.count("replay")
        return StoredAnswer(record.response_status or 200, body)


@asynccontextmanager
async def _store_needed(deps: WorkDeps) -> AsyncIterator[None]:
    """Fail closed: without the record nobody knows whether the work was done."""
    try:
        yield
    except SQLAlchemyError as error:
        log.warning("idempotency_store_failed", error=type(error).__name__)
        raise _unavailable(deps) from None


def _now(deps: WorkDeps) -> datetime:
    return instant(deps.clock.now_ms())


def _in_progress(seconds: int) -> Conflict:
    return Conflict(
        "a call with this Idempotency-Key is in progress",
        reason="IDEMPOTENCY_IN_PROGRESS",
        metadata={"retry_after": str(seconds)},
    )


def _backoff(seconds: int) -> Conflict:
    return Conflict(
        "the last call with this Idempotency-Key failed just now; wait before the next one",
        reason="IDEMPOTENCY_RETRY_BACKOFF",
        metadata={"retry_after": str(seconds)},
    )


def _unavailable(deps: WorkDeps) -> Unavailable:
    deps.idempotency_counters.count("store_error")
    return Unavailable(
        "it cannot be said whether this call was made before; nothing was done",
        reason="IDEMPOTENCY_STORE_UNAVAILABLE",
        metadata={"retry_after": _RETRY_S},
    )
