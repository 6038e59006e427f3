"""HTTP of user administration."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import Query, Request

from headgate.control.attributes.filtering import attribute_filters
from headgate.control.codes.history import history_of
from headgate.control.codes.schemas import BalanceHistory
from headgate.control.keys.repository import KeyRepository
from headgate.control.keys.schemas import KeyGroupAnswer, KeyView
from headgate.control.keys.service import KeyService
from headgate.control.keys.views import key_views
from headgate.control.subscriptions.views import subscriptions_by_user
from headgate.control.usage.endpoints import Common
from headgate.control.usage.schemas import AdminUsageStats
from headgate.control.usage.service import UsageService
from headgate.control.users.balance import BalanceService
from headgate.control.users.group_change import ReplacedGroup, ReplaceGroupBody, replace_group
from headgate.control.users.repository import UserFilter, UserRepository
from headgate.control.users.schemas import (
    AdminUserView,
    BalanceBody,
    KeyGroupBody,
    UserCreate,
    UserUpdate,
    admin_user_view,
)
from headgate.control.users.service import UserService
from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, Search
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.control.work import Work
from headgate.storage.models import UserRow

routes = RouteTable("/admin", tag="users")
ATTRIBUTE_FILTER = {
    "name": "attr",
    "in": "query",
    "required": False,
    "style": "deepObject",
    "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "description": "attr[7]=text: users whose value of attribute 7 contains it (select, number, date: is it)",
}


@routes.route("GET", "/users", Permission.READ, query=[ATTRIBUTE_FILTER])
async def list_users(
    work: CurrentWork,
    paging: PagingParams,
    request: Request,
    status: Search = "",
    role: Search = "",
    search: Search = "",
    group_name: Search = "",
    include_subscriptions: Annotated[bool, Query()] = True,
) -> Page[AdminUserView]:
    """Users, newest first, with their live concurrency and (unless told otherwise) their subscriptions."""
    by_attribute = attribute_filters(request.query_params.multi_items())
    wanted = UserFilter(
        status=status, role=role, search=search, group_name=group_name, attributes=by_attribute
    )
    rows, total = await UserRepository(work.session).page(wanted, paging)
    return paging.wrap(await _views(work, rows, has_subscriptions=include_subscriptions), total)


@routes.route("POST", "/users", Permission.ADMIN, status=201)
async def create_user(body: UserCreate, work: CurrentWork) -> AdminUserView:
    """Create a user."""
    return await _view(work, await UserService(work).create(body))


@routes.route("GET", "/users/{user_id}", Permission.READ)
async def get_user(user_id: IdPath, work: CurrentWork) -> AdminUserView:
    """One user."""
    return await _view(work, await UserRepository(work.session).get(user_id))


@routes.route("PUT", "/users/{user_id}", Permission.ADMIN)
async def update_user(user_id: IdPath, body: UserUpdate, work: CurrentWork) -> AdminUserView:
    """Change a user; absent fields stay."""
    return await _view(work, await UserService(work).update(user_id, body))


@routes.route("DELETE", "/users/{user_id}", Permission.ADMIN)
async def delete_user(user_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete a user and its keys; the books stay."""
    await UserService(work).delete(user_id)
    return MessageView(message="user deleted")


@routes.route("POST", "/users/{user_id}/balance", Permission.MONEY, idempotent="admin.users.balance.update")
async def change_balance(user_id: IdPath, body: BalanceBody, work: CurrentWork) -> AdminUserView:
    """Set, add to or subtract from a balance. With an Idempotency-Key the money moves once."""
    return await _view(work, await BalanceService(work).change(user_id, body))


@routes.route("GET", "/users/{user_id}/balance-history", Permission.AMOUNTS)
async def balance_history(
    user_id: IdPath, work: CurrentWork, paging: PagingParams, type: Search = ""
) -> BalanceHistory:
    """Codes that the user redeemed and adjustments by administrators, newest first."""
    await UserRepository(work.session).get(user_id)
    return await history_of(work, user_id, paging, kind=type)


@routes.route("GET", "/users/{user_id}/api-keys", Permission.READ)
async def user_keys(user_id: IdPath, work: CurrentWork, paging: PagingParams) -> Page[KeyView]:
    """Keys of a user, newest first."""
    await UserRepository(work.session).get(user_id)
    rows, total = await KeyRepository(work.session).page_of_user(user_id, paging)
    return paging.wrap(await key_views(work, rows), total)


@routes.route("GET", "/users/{user_id}/usage", Permission.READ)
async def user_usage(user_id: IdPath, work: CurrentWork, query: Common) -> AdminUsageStats:
    """Sums of a user's records: `period` today, week or month (default), or dates."""
    await UserRepository(work.session).get(user_id)
    has_span = query.period or query.start_date or query.end_date
    of_user = replace(query, user_id=user_id, period=query.period if has_span else "month")
    return await UsageService(work).admin_stats(of_user)


@routes.route("POST", "/users/{user_id}/replace-group", Permission.MONEY)
async def change_group(user_id: IdPath, body: ReplaceGroupBody, work: CurrentWork) -> ReplacedGroup:
    """Move a user from one exclusive group to another: the permission, and the keys with it."""
    return await replace_group(work, user_id, body)


@routes.route("PUT", "/api-keys/{key_id}", Permission.MONEY)
async def change_key_group(key_id: IdPath, body: KeyGroupBody, work: CurrentWork) -> KeyGroupAnswer:
    """Bind a key to another group; an exclusive group is granted to the owner on the way."""
    return await KeyService(work).change_group_as_admin(key_id, body.group_id)


async def _view(work: Work, row: UserRow) -> AdminUserView:
    return (await _views(work, [row]))[0]


async def _views(
    work: Work, rows: Sequence[UserRow], *, has_subscriptions: bool = True
) -> list[AdminUserView]:
    ids = [row.id for row in rows]
    users = UserRepository(work.session)
    allowed, rates = await users.allowed_groups(ids), await users.multipliers(ids)
    in_use = await work.deps.live.users(ids)
    subscriptions = await subscriptions_by_user(work, ids) if has_subscriptions else {}
    return [
        admin_user_view(
            row,
            allowed.get(row.id, []),
            rates.get(row.id, {}),
            in_use=in_use.get(row.id, 0),
            subscriptions=subscriptions.get(row.id, ()),
        )
        for row in rows
    ]
