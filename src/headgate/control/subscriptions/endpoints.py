"""HTTP of subscriptions, for admins and for their owners."""

from headgate.control.groups.repository import GroupRepository
from headgate.control.subscriptions.bulk import bulk_assign
from headgate.control.subscriptions.progress import progress_view, summary_view
from headgate.control.subscriptions.repository import SubscriptionFilter, SubscriptionRepository
from headgate.control.subscriptions.schemas import (
    WINDOWS,
    AdminSubscriptionView,
    AssignBody,
    BulkAssignBody,
    BulkAssignView,
    ExtendBody,
    ProgressView,
    ResetBody,
    SubscriptionView,
    SummaryView,
)
from headgate.control.subscriptions.service import SubscriptionService
from headgate.control.subscriptions.views import admin_views, groups_of, own_views
from headgate.control.users.repository import UserRepository
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, IdQuery, Search
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.control.work import Work
from headgate.storage.models import SubscriptionRow

routes = RouteTable("", tag="subscriptions")


@routes.route("GET", "/subscriptions", Permission.USER)
async def own_subscriptions(work: CurrentWork) -> list[SubscriptionView]:
    """The caller's subscriptions, newest first; those that are over too."""
    rows = await SubscriptionRepository(work.session).of_users([work.actor.user_id])
    return await own_views(work, rows)


@routes.route("GET", "/subscriptions/active", Permission.USER)
async def own_active(work: CurrentWork) -> list[SubscriptionView]:
    """The caller's running subscriptions."""
    return await own_views(work, await _running(work))


@routes.route("GET", "/subscriptions/progress", Permission.USER)
async def own_progress(work: CurrentWork) -> list[ProgressView]:
    """How far the windows of the caller's running subscriptions are used."""
    rows = await _running(work)
    groups = await groups_of(work, rows)
    return [progress_view(row, groups[row.group_id], work.now_ms()) for row in rows]


@routes.route("GET", "/subscriptions/summary", Permission.USER)
async def own_summary(work: CurrentWork) -> SummaryView:
    """The caller's running subscriptions in short."""
    rows = await _running(work)
    return summary_view(rows, await groups_of(work, rows), work.now_ms())


@routes.route("GET", "/admin/subscriptions", Permission.READ)
async def list_subscriptions(
    work: CurrentWork,
    paging: PagingParams,
    user_id: IdQuery = None,
    group_id: IdQuery = None,
    status: Search = "",
    platform: Search = "",
    sort_by: Search = "",
    sort_order: Search = "",
) -> Page[AdminSubscriptionView]:
    """Subscriptions, newest first unless `sort_by` (created_at, starts_at, expires_at, status) says
    otherwise."""
    wanted = SubscriptionFilter(
        user_id=user_id or 0,
        group_id=group_id or 0,
        status=status,
        platform=platform,
        sort_by=sort_by,
        is_ascending=sort_order.lower() == "asc",
    )
    return await _page(work, wanted, paging)


@routes.route("POST", "/admin/subscriptions/assign", Permission.MONEY)
async def assign_subscription(body: AssignBody, work: CurrentWork) -> AdminSubscriptionView:
    """Give a user a subscription; the same call again answers the one there is."""
    granted = await SubscriptionService(work).assign(
        user_id=body.user_id, group_id=body.group_id, days=body.validity_days, notes=body.notes
    )
    return await _view(work, granted.row)


@routes.route("POST", "/admin/subscriptions/bulk-assign", Permission.MONEY)
async def bulk_assign_subscriptions(body: BulkAssignBody, work: CurrentWork) -> BulkAssignView:
    """The same for many users, each on its own."""
    return await bulk_assign(work, body)


@routes.route("GET", "/admin/subscriptions/{subscription_id}", Permission.READ)
async def get_subscription(subscription_id: IdPath, work: CurrentWork) -> AdminSubscriptionView:
    """One subscription."""
    return await _view(work, await SubscriptionRepository(work.session).get(subscription_id))


@routes.route("GET", "/admin/subscriptions/{subscription_id}/progress", Permission.READ)
async def subscription_progress(subscription_id: IdPath, work: CurrentWork) -> ProgressView:
    """How far its windows are used."""
    row = await SubscriptionRepository(work.session).get(subscription_id)
    return progress_view(row, await GroupRepository(work.session).get(row.group_id), work.now_ms())


@routes.route(
    "POST",
    "/admin/subscriptions/{subscription_id}/extend",
    Permission.MONEY,
    idempotent="admin.subscriptions.extend",
)
async def extend_subscription(
    subscription_id: IdPath, body: ExtendBody, work: CurrentWork
) -> AdminSubscriptionView:
    """Move its end by days; negative days shorten."""
    return await _view(work, await SubscriptionService(work).extend(subscription_id, body.days))


@routes.route("POST", "/admin/subscriptions/{subscription_id}/reset-quota", Permission.MONEY)
async def reset_subscription(
    subscription_id: IdPath, body: ResetBody, work: CurrentWork
) -> AdminSubscriptionView:
    """Begin the chosen windows anew."""
    chosen = [window for window in WINDOWS if getattr(body, window)]
    return await _view(work, await SubscriptionService(work).reset(subscription_id, chosen))


@routes.route("DELETE", "/admin/subscriptions/{subscription_id}", Permission.MONEY)
async def revoke_subscription(subscription_id: IdPath, work: CurrentWork) -> MessageView:
    """End a subscription now."""
    await SubscriptionService(work).revoke(subscription_id)
    return MessageView(message="subscription revoked")


@routes.route("GET", "/admin/users/{user_id}/subscriptions", Permission.READ)
async def user_subscriptions(user_id: IdPath, work: CurrentWork) -> list[AdminSubscriptionView]:
    """A user's subscriptions, newest first (at most one a group, so unpaged)."""
    await UserRepository(work.session).get(user_id)
    return await admin_views(work, await SubscriptionRepository(work.session).of_users([user_id]))


@routes.route("GET", "/admin/groups/{group_id}/subscriptions", Permission.READ)
async def group_subscriptions(
    group_id: IdPath, work: CurrentWork, paging: PagingParams
) -> Page[AdminSubscriptionView]:
    """Subscriptions to a group, newest first."""
    await GroupRepository(work.session).get(group_id)
    return await _page(work, SubscriptionFilter(group_id=group_id), paging)


async def _running(work: Work) -> list[SubscriptionRow]:
    return await SubscriptionRepository(work.session).running(work.actor.user_id, work.now())


async def _page(work: Work, wanted: SubscriptionFilter, paging: PagingParams) -> Page[AdminSubscriptionView]:
    rows, total = await SubscriptionRepository(work.session).page(wanted, paging, work.now())
    return paging.wrap(await admin_views(work, rows), total)


async def _view(work: Work, row: SubscriptionRow) -> AdminSubscriptionView:
    return (await admin_views(work, [row]))[0]
