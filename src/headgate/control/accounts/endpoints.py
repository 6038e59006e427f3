"""HTTP of upstream accounts."""

from typing import Annotated, Literal

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from headgate.control.accounts.default_models import DEFAULT_PROMPT, DEFAULT_TEST_MODEL, test_models
from headgate.control.accounts.health import HealthView, account_health
from headgate.control.accounts.operable import require_operable
from headgate.control.accounts.repository import AccountFilter, AccountRepository
from headgate.control.accounts.schemas import (
    AccountCreate,
    AccountUpdate,
    AccountView,
    ModelView,
    SchedulableBody,
    TempUnschedulableView,
    TestBody,
)
from headgate.control.accounts.service import AccountService
from headgate.control.accounts.testing import stream_test
from headgate.control.accounts.usage import MAX_JOB_MINUTES, AccountUsageView, account_usage
from headgate.control.accounts.views import account_views, temp_unschedulable_view
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.storage.models import AccountRow

routes = RouteTable("/admin/accounts", tag="accounts")


@routes.route("GET", "", Permission.READ, etag=True)
async def list_accounts(
    work: CurrentWork,
    paging: PagingParams,
    platform: Search = "",
    type: Search = "",
    status: Search = "",
    search: Search = "",
    group: Search = "",
    lite: Annotated[
        str,
        Query(description="1: without what is live (concurrency, window cost, sessions, requests a minute)"),
    ] = "",
) -> Page[AccountView]:
    """Accounts, newest first; answers 304 to a matching If-None-Match."""
    wanted = AccountFilter(platform=platform, type=type, status=status, search=search, group=group)
    rows, total = await AccountRepository(work.session).page(wanted, paging, work.now())
    return paging.wrap(await account_views(work, rows, is_live=lite not in ("1", "true")), total)


@routes.route("POST", "", Permission.SECRETS, status=201, idempotent="admin.accounts.create")
async def create_account(body: AccountCreate, work: CurrentWork) -> AccountView:
    """Create an account. Its credential is sealed and never shown in full again."""
    return await _view(work, await AccountService(work).create(body))


@routes.route("GET", "/{account_id}", Permission.READ)
async def get_account(account_id: IdPath, work: CurrentWork) -> AccountView:
    """One account, secrets masked."""
    return await _view(work, await AccountRepository(work.session).get(account_id))


@routes.route("PUT", "/{account_id}", Permission.OPERATE)
async def update_account(account_id: IdPath, body: AccountUpdate, work: CurrentWork) -> AccountView:
    """Change an account; a masked or absent secret keeps the stored one. Operators change how it is used,
    neither its credential nor what it may spend."""
    require_operable(work.actor.role, body)
    return await _view(work, await AccountService(work).update(account_id, body))


@routes.route("DELETE", "/{account_id}", Permission.SECRETS)
async def delete_account(account_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete an account and its credential; the books stay."""
    await AccountService(work).delete(account_id)
    return MessageView(message="account deleted")


@routes.route("POST", "/{account_id}/test", Permission.OPERATE, produces="text/event-stream")
async def run_test(account_id: IdPath, body: TestBody, work: CurrentWork, deps: Deps) -> Response:
    """Make one real call with the account, as `text/event-stream`."""
    row = await AccountRepository(work.session).get(account_id)
    events = stream_test(
        deps,
        work.actor,
        account_id,
        call=work.call,
        model=body.model_id or DEFAULT_TEST_MODEL[row.platform],
        prompt=body.prompt or DEFAULT_PROMPT,
    )
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@routes.route("POST", "/{account_id}/schedulable", Permission.OPERATE)
async def set_schedulable(account_id: IdPath, body: SchedulableBody, work: CurrentWork) -> AccountView:
    """Switch scheduling of an account on or off."""
    return await _view(
        work, await AccountService(work).set_schedulable(account_id, schedulable=body.schedulable)
    )


@routes.route("POST", "/{account_id}/clear-error", Permission.OPERATE)
async def clear_error(account_id: IdPath, work: CurrentWork) -> AccountView:
    """Take the error mark off."""
    return await _view(work, await AccountService(work).clear_error(account_id))


@routes.route("POST", "/{account_id}/clear-rate-limit", Permission.OPERATE)
async def clear_rate_limit(account_id: IdPath, work: CurrentWork) -> AccountView:
    """Forget all cooldowns."""
    return await _view(work, await AccountService(work).clear_rate_limit(account_id))


@routes.route("POST", "/{account_id}/recover-state", Permission.OPERATE)
async def recover_state(account_id: IdPath, work: CurrentWork) -> AccountView:
    """Error mark and cooldowns, all at once."""
    return await _view(work, await AccountService(work).recover(account_id))


@routes.route("GET", "/{account_id}/health", Permission.READ)
async def get_health(account_id: IdPath, work: CurrentWork) -> HealthView:
    """State, cooldowns with cause and end, and the timeline."""
    return await account_health(work, account_id)


@routes.route("GET", "/{account_id}/usage", Permission.READ)
async def get_usage(
    account_id: IdPath,
    work: CurrentWork,
    source: Annotated[Literal["active", "passive"], Query(description="both answer from what is known")] = (
        "passive"
    ),
    job_minutes: Annotated[int, Query(ge=1, le=MAX_JOB_MINUTES)] = 60,
) -> AccountUsageView:
    """Quota windows as the provider's answers reported them, a forecast for each, and whether a job of so
    many minutes is safe to start."""
    return await account_usage(work, account_id, job_minutes=job_minutes)


@routes.route("POST", "/{account_id}/reset-quota", Permission.MONEY)
async def reset_quota(account_id: IdPath, work: CurrentWork) -> AccountView:
    """Forget what the account's quota has counted; the limits stay."""
    return await _view(work, await AccountService(work).reset_quota(account_id))


@routes.route("GET", "/{account_id}/temp-unschedulable", Permission.READ)
async def get_temp_unschedulable(account_id: IdPath, work: CurrentWork) -> TempUnschedulableView:
    """Whether a rule has taken the account out for a while, and why."""
    return temp_unschedulable_view(await AccountRepository(work.session).get(account_id), work.now())


@routes.route("DELETE", "/{account_id}/temp-unschedulable", Permission.OPERATE)
async def clear_temp_unschedulable(account_id: IdPath, work: CurrentWork) -> MessageView:
    """Bring the account back now."""
    await AccountService(work).clear_temp_unschedulable(account_id)
    return MessageView(message="temporary unschedulable state cleared")


@routes.route("GET", "/{account_id}/models", Permission.READ)
async def account_models(account_id: IdPath, work: CurrentWork) -> list[ModelView]:
    """Models to choose from for a test: those of the mapping, else the usual ones of the platform."""
    row = await AccountRepository(work.session).get(account_id)
    mapping = (row.credentials_open or {}).get("model_mapping") or {}
    names = [name for name in mapping if not name.endswith("*")]
    pairs = [(name, name) for name in names] or test_models(row.platform)
    return [ModelView(id=id_, display_name=shown) for id_, shown in pairs]


async def _view(work: Work, row: AccountRow) -> AccountView:
    return (await account_views(work, [row], is_live=True))[0]
