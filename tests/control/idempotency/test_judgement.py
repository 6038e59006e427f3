"""What becomes of a request whose key was seen before."""

from datetime import UTC, datetime, timedelta

import pytest

from headgate.control.idempotency.judgement import Conflicting, Replay, Take, Wait, judge
from headgate.storage.models import IdempotencyRecordRow

NOW = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def record(status: str, *, locked_s: float | None = None, expires_s: float = 60) -> IdempotencyRecordRow:
    return IdempotencyRecordRow(
        status=status,
        fingerprint="f",
        locked_until=None if locked_s is None else NOW + timedelta(seconds=locked_s),
        expires_at=NOW + timedelta(seconds=expires_s),
    )


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (record("succeeded"), Replay()),
        (record("processing", locked_s=29.2), Wait("IDEMPOTENCY_IN_PROGRESS", 30)),
        (record("processing", locked_s=0.001), Wait("IDEMPOTENCY_IN_PROGRESS", 1)),
        (record("processing", locked_s=0), Take()),
        (record("processing", locked_s=-5), Take()),
        (record("processing"), Take()),
        (record("failed_retryable", locked_s=5), Wait("IDEMPOTENCY_RETRY_BACKOFF", 5)),
        (record("failed_retryable", locked_s=0), Take()),
        (record("succeeded", expires_s=0), Take()),
        (record("processing", locked_s=30, expires_s=0), Take()),
    ],
)
def test_a_record_is_judged_by_its_state_and_deadlines(seen: IdempotencyRecordRow, outcome: object) -> None:
    assert judge(seen, fingerprint="f", now=NOW) == outcome


@pytest.mark.parametrize("status", ["succeeded", "processing", "failed_retryable"])
def test_another_request_is_a_conflict_while_the_record_lasts(status: str) -> None:
    assert judge(record(status), fingerprint="g", now=NOW) == Conflicting()
    assert judge(record(status, expires_s=0), fingerprint="g", now=NOW) == Take()
