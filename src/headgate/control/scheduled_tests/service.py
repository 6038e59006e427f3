"""Scheduled tests: plan, change, drop, read results (spec 8.4)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from headgate.control.accounts.repository import AccountRepository
from headgate.control.scheduled_tests.schemas import PlanCreate, PlanUpdate
from headgate.control.work import Work
from headgate.core.cron import parse_cron
from headgate.core.limits.windows import zone_named
from headgate.errors import BadRequest, NotFound
from headgate.storage.models import ScheduledTestPlanRow, ScheduledTestResultRow

MAX_PLANS = 20
"""Of one account."""


class ScheduledTestService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def create(self, draft: PlanCreate) -> ScheduledTestPlanRow:
        """Raises ACCOUNT_NOT_FOUND, INVALID_INPUT."""
        await AccountRepository(self._work.session).get(draft.account_id)
        if len(await self.of_account(draft.account_id)) >= MAX_PLANS:
            raise BadRequest(f"an account has at most {MAX_PLANS} scheduled tests")
        now = self._work.now()
        row = ScheduledTestPlanRow(
            **draft.model_dump(),
            next_run_at=self._next(draft.cron_expression),
            created_at=now,
            updated_at=now,
        )
        self._work.session.add(row)
        await self._work.session.flush()
        return row

    async def get(self, plan_id: int) -> ScheduledTestPlanRow:
        """Raises SCHEDULED_TEST_NOT_FOUND."""
        row = await self._work.session.get(ScheduledTestPlanRow, plan_id)
        if row is None:
            raise NotFound("scheduled test not found", reason="SCHEDULED_TEST_NOT_FOUND")
        return row

    async def update(self, plan_id: int, change: PlanUpdate) -> ScheduledTestPlanRow:
        """Raises SCHEDULED_TEST_NOT_FOUND. Another time or being switched on plans the next run anew."""
        row = await self.get(plan_id)
        before = (row.cron_expression, row.enabled)
        for name, value in change.model_dump(exclude_none=True).items():
            setattr(row, name, value)
        if (row.cron_expression, row.enabled) != before:
            row.next_run_at = self._next(row.cron_expression)
        row.updated_at = self._work.now()
        return row

    async def delete(self, plan_id: int) -> None:
        """Raises SCHEDULED_TEST_NOT_FOUND. Its results go with it."""
        await self._work.session.delete(await self.get(plan_id))

    async def of_account(self, account_id: int) -> Sequence[ScheduledTestPlanRow]:
        """Oldest first."""
        plan = ScheduledTestPlanRow
        query = select(plan).where(plan.account_id == account_id).order_by(plan.id)
        return (await self._work.session.scalars(query)).all()

    async def results(self, plan_id: int, limit: int) -> Sequence[ScheduledTestResultRow]:
        """Newest first. Raises SCHEDULED_TEST_NOT_FOUND."""
        plan, result = await self.get(plan_id), ScheduledTestResultRow
        query = select(result).where(result.plan_id == plan.id).order_by(result.id.desc()).limit(limit)
        return (await self._work.session.scalars(query)).all()

    def _next(self, cron: str) -> datetime:
        zone = zone_named(self._work.deps.settings.timezone)
        return parse_cron(cron).next_after(self._work.now(), zone)
