"""What becomes of a request whose key was seen before (spec 7.15). Pure: same inputs, same answer.

Knows: the states of a record and their deadlines. Refuses to know: the database, HTTP.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from headgate.storage.models import IdempotencyRecordRow

State = Literal["processing", "succeeded", "failed_retryable"]
PROCESSING: State = "processing"
SUCCEEDED: State = "succeeded"
FAILED: State = "failed_retryable"


@dataclass(frozen=True, slots=True)
class Take:
    """The record is free: over, left by a process that died, or failed long enough ago."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Answer what was answered."""


@dataclass(frozen=True, slots=True)
class Conflicting:
    """The key belongs to another request."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another call is at work, or the last one failed just now."""

    reason: Literal["IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_RETRY_BACKOFF"]
    seconds: int


def judge(
    record: IdempotencyRecordRow, *, fingerprint: str, now: datetime
) -> Take | Replay | Conflicting | Wait:
    """May the request run? `locked_until` is the end of the lock while processing, and of the backoff after
    a failure."""
    if record.expires_at <= now:
        return Take()
    if record.fingerprint != fingerprint:
        return Conflicting()
    if record.status == SUCCEEDED:
        return Replay()
    if record.locked_until is None or record.locked_until <= now:
        return Take()
    seconds = math.ceil((record.locked_until - now).total_seconds())
    is_running = record.status == PROCESSING
    return Wait("IDEMPOTENCY_IN_PROGRESS" if is_running else "IDEMPOTENCY_RETRY_BACKOFF", seconds)
