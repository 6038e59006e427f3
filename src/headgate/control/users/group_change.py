"""Moving a user from one exclusive group to another, keys and all (spec 8.2)."""

from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import CursorResult, delete, update

from headgate.control.groups.access import grant
from headgate.control.groups.repository import GroupRepository
from headgate.control.users.repository import UserRepository
from headgate.control.web.fields import MAX_ID, RequestBody
from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.storage.models import ApiKeyRow, GroupRow, UserAllowedGroupRow

GroupIdField = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]


class ReplaceGroupBody(RequestBody):
    old_group_id: GroupIdField
    new_group_id: GroupIdField


class ReplacedGroup(BaseModel):
    migrated_keys: int


async def replace_group(work: Work, user_id: int, body: ReplaceGroupBody) -> ReplacedGroup:
    """Permission and keys go together. Raises USER_NOT_FOUND, GROUP_NOT_FOUND, SAME_GROUP, GROUP_NOT_ACTIVE,
    GROUP_NOT_EXCLUSIVE, GROUP_IS_SUBSCRIPTION, GROUP_NOT_ALLOWED (the user is not in the old one)."""
    if body.old_group_id == body.new_group_id:
        raise BadRequest("old_group_id and new_group_id are the same group", reason="SAME_GROUP")
    await UserRepository(work.session).get(user_id)
    groups = GroupRepository(work.session)
    old, new = await groups.get(body.old_group_id), await groups.get(body.new_group_id)
    for group in (old, new):
        _require_exclusive(group)
    if new.status != "active":
        raise BadRequest(f"group {new.id} is not active", reason="GROUP_NOT_ACTIVE")
    if not await _taken_out(work, user_id, old.id):
        raise BadRequest(f"the user may not use group {old.id}", reason="GROUP_NOT_ALLOWED")
    await grant(work, user_id, new.id)
    moved = await work.session.execute(
        update(ApiKeyRow)
        .where(ApiKeyRow.user_id == user_id, ApiKeyRow.group_id == old.id, ApiKeyRow.deleted_at.is_(None))
        .values(group_id=new.id, updated_at=work.now())
    )
    work.touch_directory()
    assert isinstance(moved, CursorResult)
    return ReplacedGroup(migrated_keys=moved.rowcount)


async def _taken_out(work: Work, user_id: int, group_id: int) -> bool:
    """The permission is gone; False: there was none."""
    table = UserAllowedGroupRow
    gone = await work.session.execute(
        delete(table).where(table.user_id == user_id, table.group_id == group_id)
    )
    assert isinstance(gone, CursorResult)
    return gone.rowcount > 0


def _require_exclusive(group: GroupRow) -> None:
    if group.subscription_type == "subscription":
        raise BadRequest(f"group {group.id} is sold by subscription", reason="GROUP_IS_SUBSCRIPTION")
    if not group.is_exclusive:
        raise BadRequest(f"group {group.id} is open to everybody", reason="GROUP_NOT_EXCLUSIVE")
