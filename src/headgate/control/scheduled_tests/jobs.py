"""Running the tests that are due (spec 8.4): one process at a time, ten tests at once, each with one real
call.

A plan's next time is set in the transaction that takes it up, so that a crash loses one run and repeats none;
runs that were missed while nobody ran are not made up for.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.accounts.default_models import DEFAULT_PROMPT, DEFAULT_TEST_MODEL
from headgate.control.accounts.service import AccountService
from headgate.control.accounts.testing import test_events
from headgate.control.deps import ControlDeps
from headgate.control.work import SYSTEM, open_work
from headgate.core.cron import CronInvalid, parse_cron
from headgate.core.limits.windows import zone_named
from headgate.errors import ApiError
from headgate.kit.clock import instant
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import AccountRow, ScheduledTestPlanRow, ScheduledTestResultRow

log = structlog.get_logger(__name__)

EVERY_S = 15.0
AT_ONCE = 10
LOCK, LOCK_S = "job:scheduled-tests", 180.0
"""Longer than a test may take (`testing.TEST_DEADLINE_S`)."""
_TEXT_CHARS, _ERROR_CHARS = 4_000, 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    plan_id: int
    account_id: int
    model: str
    max_results: int
    auto_recover: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    is_success: bool
    text: str
    error: str
    started_at: datetime
    finished_at: datetime


async def run_due_tests(deps: ControlDeps) -> int:
    """How many were run. Whoever holds the lock works until nothing is due."""
    token = await deps.state.locks.acquire(LOCK, ttl_s=LOCK_S)
    if token is None:
        return 0
    ran = 0
    try:
        while due := await _take(deps):
            async with asyncio.TaskGroup() as group:
                for test in due:
                    group.create_task(_run(deps, test), name=f"scheduled_test:{test.plan_id}")
            ran += len(due)
            if not await deps.state.locks.renew(LOCK, token, ttl_s=LOCK_S):
                return ran
    finally:
        await deps.state.locks.release(LOCK, token)
    return ran


async def _take(deps: ControlDeps) -> Sequence[_Due]:
    """The next plans that are due, with their following time already set."""
    now, zone = _now(deps), zone_named(deps.settings.timezone)
    plan, account = ScheduledTestPlanRow, AccountRow
    query = (
        select(plan, account.platform)
        .join(account, account.id == plan.account_id)
        .where(plan.enabled, plan.next_run_at <= now, account.deleted_at.is_(None))
        .order_by(plan.next_run_at, plan.id)
        .limit(AT_ONCE)
    )
    found = []
    async with deps.uow() as uow:
        for row, platform in (await uow.session.execute(query)).all():
            try:
                row.next_run_at = parse_cron(row.cron_expression).next_after(now, zone)
            except CronInvalid as error:  # written by other hands than ours
                log.error("scheduled_test_switched_off", plan_id=row.id, error=str(error))
                row.enabled = False
                continue
            row.last_run_at = now
            found.append(
                _Due(
                    plan_id=row.id,
                    account_id=row.account_id,
                    model=row.model_id or DEFAULT_TEST_MODEL[platform],
                    max_results=row.max_results,
                    auto_recover=row.auto_recover,
                )
            )
    return found


async def _run(deps: ControlDeps, due: _Due) -> None:
    """Never raises for what can be away: the others' tests go on."""
    try:
        await _run_and_note(deps, due)
    except (StateUnavailable, SQLAlchemyError) as error:
        log.warning("scheduled_test_not_noted", plan_id=due.plan_id, error=type(error).__name__)


async def _run_and_note(deps: ControlDeps, due: _Due) -> None:
    outcome = await _test(deps, due)
    async with deps.uow() as uow:
        if await uow.session.get(ScheduledTestPlanRow, due.plan_id) is None:
            return  # dropped while it ran
        uow.session.add(_result_row(due, outcome))
        await uow.session.flush()
        await _prune(uow.session, due)
    log.info("scheduled_test_done", plan_id=due.plan_id, account_id=due.account_id, ok=outcome.is_success)
    if outcome.is_success and due.auto_recover:
        await _recover(deps, due)


async def _test(deps: ControlDeps, due: _Due) -> _Outcome:
    started = _now(deps)
    texts, error, is_success = [], "the test ended without a result", False
    async for event in test_events(deps, due.account_id, model=due.model, prompt=DEFAULT_PROMPT):
        match event["type"]:
            case "content":
                texts.append(str(event.get("text", "")))
            case "error":
                error = str(event.get("error", ""))
            case "test_complete":
                is_success = event.get("success") is True
    return _Outcome(
        is_success=is_success,
        text="".join(texts),
        error="" if is_success else error,
        started_at=started,
        finished_at=_now(deps),
    )


async def _recover(deps: ControlDeps, due: _Due) -> None:
    """What an operator has switched off stays off: only what ends by itself or by an error is ended."""
    try:
        async with open_work(replace(deps, command="scheduled test"), SYSTEM) as work:
            await AccountService(work).recover_after_test(due.account_id)
    except ApiError:  # deleted while it was being tested
        log.info("scheduled_test_account_gone", account_id=due.account_id)


def _result_row(due: _Due, outcome: _Outcome) -> ScheduledTestResultRow:
    return ScheduledTestResultRow(
        plan_id=due.plan_id,
        status="success" if outcome.is_success else "failed",
        response_text=outcome.text[:_TEXT_CHARS].replace("\x00", ""),
        error_message=outcome.error[:_ERROR_CHARS].replace("\x00", ""),
        latency_ms=round((outcome.finished_at - outcome.started_at).total_seconds() * 1000),
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        created_at=outcome.finished_at,
    )


async def _prune(session: AsyncSession, due: _Due) -> None:
    """Keep the newest results."""
    result = ScheduledTestResultRow
    newest = select(result.id).where(result.plan_id == due.plan_id).order_by(result.id.desc())
    last = await session.scalar(newest.offset(due.max_results - 1).limit(1))
    if last is not None:
        await session.execute(delete(result).where(result.plan_id == due.plan_id, result.id < last))


def _now(deps: ControlDeps) -> datetime:
    return instant(deps.clock.now_ms())
