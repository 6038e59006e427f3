"""Which groups a user may bind keys to (spec 1.2)."""

from sqlalchemy import or_, select

from headgate.control.groups.repository import GroupRepository
from headgate.control.work import Work
from headgate.errors import Forbidden, NotFound
from headgate.storage.models import GroupRow, UserAllowedGroupRow


async def bindable_group(work: Work, user_id: int, group_id: int) -> int:
    """The id again, when allowed. Raises GROUP_NOT_ALLOWED, also for groups that do not exist: they are no
    business of a user's."""
    refused = Forbidden("you may not use this group", reason="GROUP_NOT_ALLOWED")
    try:
        group = await GroupRepository(work.session).get(group_id)
    except NotFound:
        raise refused from None
    if group.status != "active" or group.subscription_type != "standard":
        raise refused  # subscriptions do not exist yet, so nobody has one
    if group.is_exclusive and await _allowance(work, user_id, group_id) is None:
        raise refused
    return group_id


async def available_groups(work: Work, user_id: int) -> list[GroupRow]:
    """Active groups the user may bind, in display order."""
    allowed = select(UserAllowedGroupRow.group_id).where(UserAllowedGroupRow.user_id == user_id)
    rows = await work.session.scalars(
        select(GroupRow)
        .where(
            GroupRow.deleted_at.is_(None),
            GroupRow.status == "active",
            GroupRow.subscription_type == "standard",
            or_(GroupRow.is_exclusive.is_(False), GroupRow.id.in_(allowed)),
        )
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


async def _allowance(work: Work, user_id: int, group_id: int) -> UserAllowedGroupRow | None:
    return await work.session.get(UserAllowedGroupRow, (user_id, group_id))
