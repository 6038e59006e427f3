"""Which groups a user may bind keys to (spec 1.2)."""

from sqlalchemy import and_, or_, select

from headgate.control.groups.repository import GroupRepository
from headgate.control.subscriptions.repository import SubscriptionRepository, running_at
from headgate.control.work import Work
from headgate.errors import Forbidden, NotFound
from headgate.storage.models import GroupRow, SubscriptionRow, UserAllowedGroupRow


async def bindable_group(work: Work, user_id: int, group_id: int) -> int:
    """The id again, when allowed. Raises GROUP_NOT_ALLOWED, also for groups that do not exist: they are no
    business of a user's."""
    refused = Forbidden("you may not use this group", reason="GROUP_NOT_ALLOWED")
    try:
        group = await GroupRepository(work.session).get(group_id)
    except NotFound:
        raise refused from None
    if group.status != "active" or not await _may_bind(work, user_id, group):
        raise refused
    return group_id


async def available_groups(work: Work, user_id: int) -> list[GroupRow]:
    """Active groups the user may bind, in display order."""
    allowed = select(UserAllowedGroupRow.group_id).where(UserAllowedGroupRow.user_id == user_id)
    subscribed = select(SubscriptionRow.group_id).where(
        SubscriptionRow.user_id == user_id, running_at(work.now())
    )
    is_sold = GroupRow.subscription_type == "subscription"
    rows = await work.session.scalars(
        select(GroupRow)
        .where(
            GroupRow.deleted_at.is_(None),
            GroupRow.status == "active",
            or_(
                and_(is_sold, GroupRow.id.in_(subscribed)),
                and_(~is_sold, or_(GroupRow.is_exclusive.is_(False), GroupRow.id.in_(allowed))),
            ),
        )
        .order_by(GroupRow.sort_order, GroupRow.id)
    )
    return list(rows)


async def open_groups(work: Work) -> list[GroupRow]:
    """Active groups that need no permission of their own, in display order; those that are sold included."""
    rows = await work.session.scalars(
        select(GroupRow)
        .where(GroupRow.deleted_at.is_(None), GroupRow.status == "active", GroupRow.is_exclusive.is_(False))
        .order_by(GroupRow.sort_order, GroupRow.id)
    )
    return list(rows)


async def grant(work: Work, user_id: int, group_id: int) -> bool:
    """Allow an exclusive group to a user; False when it was allowed before."""
    if await _allowance(work, user_id, group_id) is not None:
        return False
    work.session.add(UserAllowedGroupRow(user_id=user_id, group_id=group_id, created_at=work.now()))
    await work.session.flush()
    return True


async def _may_bind(work: Work, user_id: int, group: GroupRow) -> bool:
    """A running subscription for groups that are sold; for others permission, where they are exclusive."""
    if group.subscription_type == "subscription":
        return await SubscriptionRepository(work.session).is_subscribed(user_id, group.id, work.now())
    return not group.is_exclusive or await _allowance(work, user_id, group.id) is not None


async def _allowance(work: Work, user_id: int, group_id: int) -> UserAllowedGroupRow | None:
    return await work.session.get(UserAllowedGroupRow, (user_id, group_id))
