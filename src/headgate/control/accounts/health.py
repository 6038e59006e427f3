"""The health of an account as an operator sees it: its state, every cooldown with cause and end, and the
timeline (core/routing/health.py)."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import structlog
from pydantic import BaseModel

from headgate.control.accounts.repository import AccountRepository
from headgate.control.work import Work
from headgate.core.ids import AccountId
from headgate.core.routing.health import MARKED, HealthEvent, HealthState, state_of, worst
from headgate.kit.clock import instant
from headgate.state.protocols import Cooldown, StateUnavailable
from headgate.storage.models import AccountRow

log = structlog.get_logger(__name__)


class CooldownView(BaseModel):
    model: str
    """Upstream model; empty: the whole account."""
    state: HealthState
    cause: str
    evidence: str
    since: datetime | None
    until: datetime
    failed_trials: int
    """Trials that had failed before this cooldown began."""


class HealthEventView(BaseModel):
    at: datetime
    state: HealthState
    model: str
    cause: str
    evidence: str
    status_code: int | None
    until: datetime | None
    request_id: str
    """Exchange id, as in usage records and the log; empty: no request was the cause."""


class HealthView(BaseModel):
    account_id: int
    state: HealthState
    """The worst of the account's own and its models' states."""
    error_message: str
    schedulable: bool
    expired: bool
    """Past its end, and to be paused then: off until the end is moved."""
    cooldowns: Sequence[CooldownView]
    timeline: Sequence[HealthEventView]
    """Newest first, the last 100 changes; without Redis since the start of the process."""


async def account_health(work: Work, account_id: int) -> HealthView:
    """Raises ACCOUNT_NOT_FOUND; 503 while the shared state is away."""
    row = await AccountRepository(work.session).get(account_id)
    name, state, now_ms = AccountId(row.id), work.deps.state, work.now_ms()
    cooldowns = [c for c in await state.cooldowns.active([name]) if c.reason != MARKED or c.until_ms > now_ms]
    cooldowns.extend(_stored(row, cooldowns, now_ms))
    states = [state_of(cooldown, now_ms) for cooldown in cooldowns]
    is_expired = row.auto_pause_on_expired and row.expires_at is not None and row.expires_at <= work.now()
    if row.status != "active" or not row.schedulable or is_expired:
        states.append(HealthState.DOWN)
    return HealthView(
        account_id=row.id,
        state=worst(states),
        error_message=row.error_message,
        schedulable=row.schedulable,
        expired=is_expired,
        cooldowns=[_cooldown_view(cooldown, now_ms) for cooldown in cooldowns],
        timeline=[_event_view(event) for event in await state.health.timeline(name)],
    )


async def note_recovered(work: Work, account_id: int, what: str) -> None:
    """A line of the timeline: somebody has brought the account back."""
    await _note(work, account_id, HealthState.HEALTHY, what, f"by {work.actor.email or work.actor.via}")


async def note_down(work: Work, account_id: int, why: str) -> None:
    """A line of the timeline: a test has shown that the account is out."""
    await _note(work, account_id, HealthState.DOWN, "test refused", why)


async def _note(work: Work, account_id: int, state: HealthState, cause: str, evidence: str) -> None:
    event = HealthEvent(at_ms=work.now_ms(), state=state, cause=cause, evidence=evidence)
    try:
        await work.deps.state.health.note(AccountId(account_id), event)
    except StateUnavailable:  # a line of the timeline is no reason to leave an account off
        log.warning("health_event_lost", account_id=account_id)


def _stored(row: AccountRow, known: Sequence[Cooldown], now_ms: int) -> Iterator[Cooldown]:
    """What the database remembers beyond the shared state, which may have been lost."""
    latest = max((c.until_ms for c in known if not c.model), default=0)
    for until, cause in (
        (row.rate_limit_reset_at, "rate_limited"),
        (row.temp_unschedulable_until, "temp_unschedulable"),
        (row.overload_until, "overloaded"),
    ):
        until_ms = 0 if until is None else round(until.timestamp() * 1000)
        if until_ms > max(now_ms, latest):
            yield Cooldown(
                account_id=AccountId(row.id), model="", until_ms=until_ms, reason=cause, evidence="stored"
            )


def _cooldown_view(cooldown: Cooldown, now_ms: int) -> CooldownView:
    return CooldownView(
        model=cooldown.model,
        state=state_of(cooldown, now_ms),
        cause=cooldown.reason,
        evidence=cooldown.evidence,
        since=instant(cooldown.began_ms) if cooldown.began_ms else None,
        until=instant(cooldown.until_ms),
        failed_trials=cooldown.strikes,
    )


def _event_view(event: HealthEvent) -> HealthEventView:
    return HealthEventView(
        at=instant(event.at_ms),
        state=event.state,
        model=event.model,
        cause=event.cause,
        evidence=event.evidence,
        status_code=event.status,
        until=None if event.until_ms is None else instant(event.until_ms),
        request_id=event.exchange_id,
    )
