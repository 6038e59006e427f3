"""HTTP of groups, for admins and (what they may use) for users."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import Query

from headgate.control.groups.access import available_groups
from headgate.control.groups.catalogue import catalogue
from headgate.control.groups.catalogue_schemas import Catalogue
from headgate.control.groups.repository import GroupFilter, GroupRepository
from headgate.control.groups.schemas import (
    AdminGroupView,
    GroupCreate,
    GroupUpdate,
    GroupView,
    RatesBody,
    RateView,
    SortBody,
    admin_group_view,
    group_view,
)
from headgate.control.groups.service import GroupService
from headgate.control.groups.summary import capacity_summary, group_stats, usage_summary, zone_of
from headgate.control.groups.summary_schemas import GroupCapacity, GroupStats, GroupUsage
from headgate.control.keys.repository import KeyRepository
from headgate.control.keys.schemas import KeyView
from headgate.control.keys.views import key_views
from headgate.control.users.repository import UserRepository
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE
from headgate.storage.models import GroupRow

routes = RouteTable("", tag="groups")
USAGE_TTL_S = 15


@routes.route("GET", "/groups/available", Permission.USER)
async def groups_available(work: CurrentWork) -> list[GroupView]:
    """Groups that the caller may bind keys to."""
    return [group_view(row) for row in await available_groups(work, work.actor.user_id)]


@routes.route("GET", "/groups/rates", Permission.USER)
async def groups_rates(work: CurrentWork) -> Mapping[int, float]:
    """The caller's personal multipliers by group."""
    user_id = work.actor.user_id
    rates = await UserRepository(work.session).multipliers([user_id])
    return {group: value / MULTIPLIER_ONE for group, value in rates.get(user_id, {}).items()}


@routes.route("GET", "/groups/models", Permission.USER)
async def groups_models(work: CurrentWork, deps: Deps) -> Catalogue:
    """Models of the groups that the caller may bind keys to, with what they cost the caller: USD per million
    tokens."""
    return Catalogue(groups=await catalogue(work, deps.prices()))


@routes.route("GET", "/admin/groups", Permission.READ)
async def list_groups(
    work: CurrentWork,
    paging: PagingParams,
    platform: Search = "",
    status: Search = "",
    is_exclusive: Annotated[bool | None, Query()] = None,
    search: Search = "",
) -> Page[AdminGroupView]:
    """Groups in display order with counts of their accounts."""
    wanted = GroupFilter(platform=platform, status=status, is_exclusive=is_exclusive, search=search)
    rows, total = await GroupRepository(work.session).page(wanted, paging)
    return paging.wrap(await _views(work, rows), total)


@routes.route("GET", "/admin/groups/all", Permission.READ)
async def all_groups(work: CurrentWork, platform: Search = "") -> list[AdminGroupView]:
    """Active groups, unpaged."""
    return await _views(work, await GroupRepository(work.session).active(platform))


@routes.route("GET", "/admin/groups/usage-summary", Permission.AMOUNTS)
async def groups_usage(work: CurrentWork, deps: Deps, timezone: Search = "") -> list[GroupUsage]:
    """What was charged in every group today and in all; at most 15 seconds old."""
    where = zone_of(work, timezone)
    answer, _ = await deps.memo.get(
        ("groups-usage", where.key),
        lambda: usage_summary(work, where),
        ttl_s=USAGE_TTL_S,
        now_ms=work.now_ms(),
    )
    return answer


@routes.route("GET", "/admin/groups/capacity-summary", Permission.READ)
async def groups_capacity(work: CurrentWork) -> list[GroupCapacity]:
    """What the accounts in service of every group can carry, and what they carry now."""
    return await capacity_summary(work)


@routes.route("PUT", "/admin/groups/sort-order", Permission.OPERATE)
async def sort_groups(body: SortBody, work: CurrentWork) -> MessageView:
    """Set the display order."""
    await GroupService(work).sort(body.updates)
    return MessageView(message="sort order updated")


@routes.route("POST", "/admin/groups", Permission.MONEY, status=201)
async def create_group(body: GroupCreate, work: CurrentWork) -> AdminGroupView:
    """Create a group."""
    return (await _views(work, [await GroupService(work).create(body)]))[0]


@routes.route("GET", "/admin/groups/{group_id}", Permission.READ)
async def get_group(group_id: IdPath, work: CurrentWork) -> AdminGroupView:
    """One group."""
    return (await _views(work, [await GroupRepository(work.session).get(group_id)]))[0]


@routes.route("PUT", "/admin/groups/{group_id}", Permission.MONEY)
async def update_group(group_id: IdPath, body: GroupUpdate, work: CurrentWork) -> AdminGroupView:
    """Change a group; absent limits and image prices are cleared, other absent fields stay."""
    return (await _views(work, [await GroupService(work).update(group_id, body)]))[0]


@routes.route("DELETE", "/admin/groups/{group_id}", Permission.ADMIN)
async def delete_group(group_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete a group: its keys become ungrouped, its accounts stay."""
    await GroupService(work).delete(group_id)
    return MessageView(message="group deleted")


@routes.route("GET", "/admin/groups/{group_id}/stats", Permission.READ)
async def stats_of_group(group_id: IdPath, work: CurrentWork, timezone: Search = "") -> GroupStats:
    """Keys and usage of a group, today and since the beginning."""
    return await group_stats(work, group_id, zone_of(work, timezone))


@routes.route("GET", "/admin/groups/{group_id}/api-keys", Permission.READ)
async def group_keys(group_id: IdPath, work: CurrentWork, paging: PagingParams) -> Page[KeyView]:
    """Keys bound to a group, newest first."""
    await GroupRepository(work.session).get(group_id)
    rows, total = await KeyRepository(work.session).page_of_group(group_id, paging)
    return paging.wrap(await key_views(work, rows), total)


@routes.route("GET", "/admin/groups/{group_id}/rate-multipliers", Permission.READ)
async def group_rates(group_id: IdPath, work: CurrentWork) -> list[RateView]:
    """Personal multipliers in this group."""
    groups = GroupRepository(work.session)
    await groups.get(group_id)
    return [
        RateView(
            user_id=user.id,
            user_name=user.username,
            user_email=user.email,
            user_notes=user.notes,
            user_status=user.status,
            rate_multiplier=multiplier / MULTIPLIER_ONE,
        )
        for user, multiplier in await groups.rates(group_id)
    ]


@routes.route("PUT", "/admin/groups/{group_id}/rate-multipliers", Permission.MONEY)
async def replace_group_rates(group_id: IdPath, body: RatesBody, work: CurrentWork) -> MessageView:
    """Replace the whole list of personal multipliers."""
    await GroupService(work).replace_rates(group_id, body.entries)
    return MessageView(message="rate multipliers updated")


@routes.route("DELETE", "/admin/groups/{group_id}/rate-multipliers", Permission.MONEY)
async def clear_group_rates(group_id: IdPath, work: CurrentWork) -> MessageView:
    """Remove all personal multipliers of this group."""
    await GroupService(work).clear_rates(group_id)
    return MessageView(message="rate multipliers cleared")


async def _views(work: Work, rows: Sequence[GroupRow]) -> list[AdminGroupView]:
    counts = await GroupRepository(work.session).account_counts([row.id for row in rows], work.now())
    return [admin_group_view(row, counts.get(row.id)) for row in rows]
