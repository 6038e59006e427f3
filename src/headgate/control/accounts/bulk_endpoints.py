"""HTTP of many accounts at once: bulk changes, export and import, statistics (spec 5.10, 8.4)."""

from typing import Annotated

from fastapi import Query

from headgate.control.accounts.bulk import create_many, for_each, update_many
from headgate.control.accounts.bulk_schemas import (
    AccountIdsBody,
    AccountStatsView,
    BatchBody,
    BatchView,
    BulkUpdateBody,
    BulkView,
    CredentialFieldBody,
    ExportView,
    ImportBody,
    MixedCheckBody,
    MixedCheckView,
    MixedDetails,
    TodayStatsView,
    WindowStats,
)
from headgate.control.accounts.exchange import exported, imported
from headgate.control.accounts.repository import AccountFilter, AccountRepository
from headgate.control.accounts.service import AccountService
from headgate.control.accounts.stats import history_of, today_of
from headgate.control.groups.repository import GroupRepository
from headgate.control.proxies.exchange_schemas import ImportView
from headgate.control.web.envelope import Paging
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.errors import BadRequest

routes = RouteTable("/admin/accounts", tag="accounts")
MAX_EXPORTED = 1000


@routes.route("POST", "/batch", Permission.SECRETS, idempotent="admin.accounts.batch_create")
async def create_batch(body: BatchBody, work: CurrentWork) -> BatchView:
    """Create many accounts; each that cannot be created is told with its reason."""
    return await create_many(work, body)


@routes.route("POST", "/bulk-update", Permission.OPERATE)
async def bulk_update(body: BulkUpdateBody, work: CurrentWork) -> BulkView:
    """Change many accounts alike; operators change how they are used, nothing else."""
    return await update_many(work, body)


@routes.route("POST", "/batch-update-credentials", Permission.SECRETS)
async def update_credentials(body: CredentialFieldBody, work: CurrentWork) -> BulkView:
    """Set one field of the credentials of many accounts."""
    change = BulkUpdateBody(account_ids=body.account_ids, credentials={body.field: body.value})
    return await update_many(work, change)


@routes.route("POST", "/batch-clear-error", Permission.OPERATE)
async def clear_errors(body: AccountIdsBody, work: CurrentWork) -> BulkView:
    """Take the error mark off many accounts."""
    return await for_each(work, body.account_ids, AccountService(work).clear_error)


@routes.route("POST", "/check-mixed-channel", Permission.READ)
async def check_mixed_channel(body: MixedCheckBody, work: CurrentWork) -> MixedCheckView:
    """Whether one of the groups is of another platform. Accounts and groups of two platforms are never
    bound, confirmed or not, so a conversation cannot change its provider halfway."""
    found = await GroupRepository(work.session).by_ids(body.group_ids)
    for group in found.values():
        if group.platform != body.platform:
            return MixedCheckView(
                has_risk=True,
                error="mixed_channel_warning",
                message=f"group {group.name!r} is of platform {group.platform}",
                details=MixedDetails(
                    group_id=group.id,
                    group_name=group.name,
                    current_platform=body.platform,
                    other_platform=group.platform,
                ),
            )
    return MixedCheckView(has_risk=False)


@routes.route("POST", "/today-stats/batch", Permission.READ)
async def today_stats(body: AccountIdsBody, work: CurrentWork) -> TodayStatsView:
    """What accounts served and cost since midnight."""
    return TodayStatsView(stats=await today_of(work, body.account_ids))


@routes.route("GET", "/data", Permission.SECRETS)
async def export_accounts(
    work: CurrentWork,
    ids: Annotated[str, Query(pattern=r"^[0-9,]*$", max_length=20_000)] = "",
    platform: Search = "",
    type: Search = "",
    status: Search = "",
    search: Search = "",
    include_proxies: bool = True,
) -> ExportView:
    """Accounts as a document that can be imported here. Secrets are sealed, never in clear."""
    accounts = AccountRepository(work.session)
    if ids:
        numbers = [int(number) for number in ids.split(",") if number and len(number) <= 18]
        rows = await accounts.by_ids(numbers)
    else:
        wanted = AccountFilter(platform=platform, type=type, status=status, search=search)
        rows, total = await accounts.page(wanted, Paging(page_size=MAX_EXPORTED), work.now())
        if total > MAX_EXPORTED:
            raise BadRequest(
                f"{total} accounts are more than {MAX_EXPORTED}; narrow the filters",
                reason="EXPORT_TOO_LARGE",
            )
    return await exported(work, rows, with_proxies=include_proxies)


@routes.route("POST", "/data", Permission.SECRETS, idempotent="admin.accounts.import_data")
async def import_accounts(body: ImportBody, work: CurrentWork) -> ImportView:
    """Create the accounts of a document; proxies that are here already are used."""
    return await imported(work, body)


@routes.route("GET", "/{account_id}/today-stats", Permission.READ)
async def account_today(account_id: IdPath, work: CurrentWork) -> WindowStats:
    """What an account served and cost since midnight."""
    await AccountRepository(work.session).get(account_id)
    return (await today_of(work, [account_id]))[account_id]


@routes.route("GET", "/{account_id}/stats", Permission.READ)
async def account_stats(
    account_id: IdPath, work: CurrentWork, days: Annotated[int, Query(ge=1, le=90)] = 30
) -> AccountStatsView:
    """Days, sum and models of an account."""
    return await history_of(work, account_id, days)
