"""HTTP of scheduled tests."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from headgate.control.accounts.repository import AccountRepository
from headgate.control.scheduled_tests.schemas import (
    MAX_RESULTS,
    PlanCreate,
    PlanUpdate,
    PlanView,
    ResultView,
)
from headgate.control.scheduled_tests.service import ScheduledTestService
from headgate.control.web.envelope import MessageView
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("/admin", tag="scheduled tests")
_PLANS = "/scheduled-test-plans"


@routes.route("POST", _PLANS, Permission.OPERATE, status=201)
async def create_plan(body: PlanCreate, work: CurrentWork) -> PlanView:
    """Test an account again and again, with one real call each time."""
    return PlanView.model_validate(await ScheduledTestService(work).create(body))


@routes.route("GET", _PLANS + "/{plan_id}", Permission.READ)
async def get_plan(plan_id: IdPath, work: CurrentWork) -> PlanView:
    """One scheduled test."""
    return PlanView.model_validate(await ScheduledTestService(work).get(plan_id))


@routes.route("PUT", _PLANS + "/{plan_id}", Permission.OPERATE)
async def update_plan(plan_id: IdPath, body: PlanUpdate, work: CurrentWork) -> PlanView:
    """Change a scheduled test."""
    return PlanView.model_validate(await ScheduledTestService(work).update(plan_id, body))


@routes.route("DELETE", _PLANS + "/{plan_id}", Permission.OPERATE)
async def delete_plan(plan_id: IdPath, work: CurrentWork) -> MessageView:
    """Drop a scheduled test and its results."""
    await ScheduledTestService(work).delete(plan_id)
    return MessageView(message="scheduled test deleted")


@routes.route("GET", _PLANS + "/{plan_id}/results", Permission.READ)
async def plan_results(
    plan_id: IdPath, work: CurrentWork, limit: Annotated[int, Query(ge=1, le=MAX_RESULTS)] = 50
) -> Sequence[ResultView]:
    """Newest first."""
    rows = await ScheduledTestService(work).results(plan_id, limit)
    return [ResultView.model_validate(row) for row in rows]


@routes.route("GET", "/accounts/{account_id}/scheduled-test-plans", Permission.READ)
async def plans_of_account(account_id: IdPath, work: CurrentWork) -> Sequence[PlanView]:
    """Scheduled tests of an account, oldest first."""
    row = await AccountRepository(work.session).get(account_id)
    return [PlanView.model_validate(plan) for plan in await ScheduledTestService(work).of_account(row.id)]
