"""Subscriptions as the API shows them, with what belongs to them, in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from headgate.control.groups.repository import GroupRepository
from headgate.control.groups.schemas import group_view
from headgate.control.subscriptions.repository import SubscriptionRepository
from headgate.control.subscriptions.schemas import (
    AdminSubscriptionView,
    SubscriptionView,
    subscription_fields,
)
from headgate.control.users.repository import UserRepository
from headgate.control.users.view import UserView, user_view
from headgate.control.work import Work
from headgate.storage.models import GroupRow, SubscriptionRow


async def own_views(work: Work, rows: Sequence[SubscriptionRow]) -> list[SubscriptionView]:
    """For their owner, who needs no `user`."""
    groups = await groups_of(work, rows)
    return [
        SubscriptionView(
            **subscription_fields(row, work.now_ms()),
            group=group_view(groups[row.group_id]) if row.group_id in groups else None,
        )
        for row in rows
    ]


async def admin_views(work: Work, rows: Sequence[SubscriptionRow]) -> list[AdminSubscriptionView]:
    """With owner, group, and the admin who assigned it."""
    owners = {row.user_id for row in rows}
    people = await _people(work, owners | {row.assigned_by for row in rows if row.assigned_by is not None})
    return await _admin_views(work, rows, people)


async def subscriptions_by_user(
    work: Work, user_ids: Sequence[int]
) -> Mapping[int, list[AdminSubscriptionView]]:
    """For lists of users: without `user`, who is around it."""
    rows = await SubscriptionRepository(work.session).of_users(user_ids)
    found: dict[int, list[AdminSubscriptionView]] = defaultdict(list)
    for view in await _admin_views(work, rows, {}):
        found[view.user_id].append(view)
    return found


async def groups_of(work: Work, rows: Sequence[SubscriptionRow]) -> Mapping[int, GroupRow]:
    return await GroupRepository(work.session).by_ids({row.group_id for row in rows})


async def _admin_views(
    work: Work, rows: Sequence[SubscriptionRow], people: Mapping[int, UserView]
) -> list[AdminSubscriptionView]:
    groups = await groups_of(work, rows)
    return [
        AdminSubscriptionView(
            **subscription_fields(row, work.now_ms()),
            user=people.get(row.user_id),
            group=group_view(groups[row.group_id]) if row.group_id in groups else None,
            assigned_by=row.assigned_by,
            assigned_at=row.assigned_at,
            notes=row.notes,
            assigned_by_user=None if row.assigned_by is None else people.get(row.assigned_by),
        )
        for row in rows
    ]


async def _people(work: Work, ids: set[int]) -> Mapping[int, UserView]:
    users = UserRepository(work.session)
    rows, allowed = await users.by_ids(ids), await users.allowed_groups(sorted(ids))
    return {id_: user_view(row, allowed.get(id_, [])) for id_, row in rows.items()}
