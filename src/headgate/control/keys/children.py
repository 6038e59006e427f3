"""Child keys: a part of a key's budget and life, for an agent or a task (issue 5, item 4).

The budget of a child is taken from its parent's, and what it did not use goes back when the child goes: they
never spend more than the parent could alone. Nothing of this is looked at when a request is admitted: a child
is a key like any other, with a quota of its own.

Whoever changes a parent or its children holds the owner's row lock.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.keys.bounds import key_bounds
from headgate.control.keys.schemas import KeyCreate, KeyUpdate
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.core.money import from_usd, to_usd
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import ApiKeyRow

MAX_CHILDREN = 1000
"""Alive, of one parent."""


async def adopt(work: Work, parent: ApiKeyRow, draft: KeyCreate) -> KeyCreate:
    """The draft of a child with what it has from its parent, whose budget is smaller from now on. Raises
    INVALID_PARENT_KEY, CHILD_LIMIT_REACHED, CHILD_GROUP_DIFFERS, CHILD_BUDGET_REQUIRED,
    CHILD_BUDGET_TOO_LARGE."""
    await UserRepository(work.session).locked(parent.user_id)
    await work.session.refresh(parent)
    _require_fertile(parent, work.now())
    if len(await children_of(work.session, parent.id)) >= MAX_CHILDREN:
        raise Conflict(f"a key has {MAX_CHILDREN} children at most", reason="CHILD_LIMIT_REACHED")
    if draft.group_id and draft.group_id != parent.group_id:
        raise BadRequest("a child has the group of its parent", reason="CHILD_GROUP_DIFFERS")
    _take(work, parent, from_usd(draft.quota))
    inherited = {
        "ip_whitelist": draft.ip_whitelist or list(parent.ip_whitelist or []),
        "ip_blacklist": draft.ip_blacklist or list(parent.ip_blacklist or []),
    }
    return draft.model_copy(update=inherited)


def bounded_end(parent: ApiKeyRow, wanted: datetime | None) -> datetime | None:
    """A child ends with its parent at the latest."""
    ends = [end for end in (parent.expires_at, wanted) if end is not None]
    return min(ends) if ends else None


async def require_within_parent(work: Work, child: ApiKeyRow, change: KeyUpdate) -> None:
    """Before a child is changed; its parent's budget moves along. Raises CHILD_GROUP_DIFFERS,
    CHILD_BUDGET_FIXED, CHILD_BUDGET_REQUIRED, CHILD_BUDGET_TOO_LARGE, CHILD_BUDGET_TOO_SMALL,
    CHILD_OUTLIVES_PARENT."""
    parent = await parent_of(work, child)
    if parent is None:
        return
    if change.group_id is not None and (change.group_id or None) != parent.group_id:
        raise BadRequest("a child has the group of its parent", reason="CHILD_GROUP_DIFFERS")
    if change.reset_quota and parent.quota_nano:
        raise BadRequest("what a child has used stays used; raise its quota", reason="CHILD_BUDGET_FIXED")
    if change.quota is not None:
        _require_not_spent(parent, child, from_usd(change.quota))
        _take(work, parent, from_usd(change.quota), before=child.quota_nano)
    if change.status == "active":
        _require_fertile(parent, work.now())
    ends_never = change.expires_at == ""
    ends = change.expires_at if isinstance(change.expires_at, datetime) else None
    if parent.expires_at is not None and (ends_never or (ends is not None and ends > parent.expires_at)):
        raise BadRequest("a child ends with its parent at the latest", reason="CHILD_OUTLIVES_PARENT")


async def follow_parent(work: Work, parent: ApiKeyRow) -> None:
    """After a parent was changed: what is off, over or in another group takes its children along."""
    for child in await children_of(work.session, parent.id):
        child.group_id = parent.group_id
        child.expires_at = bounded_end(parent, child.expires_at)
        if parent.status == "inactive":
            child.status = "inactive"
        child.updated_at = work.now()


async def release(work: Work, key: ApiKeyRow) -> None:
    """Before a key is deleted: its children go with it, and a child's unused budget goes back."""
    await UserRepository(work.session).locked(key.user_id)
    await work.session.refresh(key)
    for child in await children_of(work.session, key.id):
        child.deleted_at = child.updated_at = work.now()
    parent = await parent_of(work, key)
    if parent is not None and parent.quota_nano and key.quota_nano:
        parent.quota_nano += max(0, key.quota_nano - key.quota_used_nano)
        if parent.status == "quota_exhausted" and parent.quota_used_nano < parent.quota_nano:
            parent.status = "active"
        work.bounds_changed(*key_bounds(parent.id))


async def parent_of(work: Work, key: ApiKeyRow) -> ApiKeyRow | None:
    """Locked with everything of its owner; None for a key that has none (any more)."""
    if key.parent_id is None:
        return None
    await UserRepository(work.session).locked(key.user_id)
    parent = await work.session.get(ApiKeyRow, key.parent_id, populate_existing=True)
    return None if parent is None or parent.deleted_at is not None else parent


async def children_of(session: AsyncSession, key_id: int) -> Sequence[ApiKeyRow]:
    row = ApiKeyRow
    query = select(row).where(row.parent_id == key_id, row.deleted_at.is_(None)).order_by(row.id)
    return (await session.scalars(query)).all()


def _require_fertile(parent: ApiKeyRow, now: datetime) -> None:
    is_over = parent.expires_at is not None and parent.expires_at <= now
    if parent.parent_id is not None or parent.status != "active" or is_over:
        raise BadRequest(
            "the parent must be a key that works and is no child itself", reason="INVALID_PARENT_KEY"
        )


def _require_not_spent(parent: ApiKeyRow, child: ApiKeyRow, wanted: int) -> None:
    """What a child has spent cannot go back."""
    if parent.quota_nano and 0 < wanted < child.quota_used_nano:
        raise BadRequest(
            f"the child has used {to_usd(child.quota_used_nano)} USD already", reason="CHILD_BUDGET_TOO_SMALL"
        )


def _take(work: Work, parent: ApiKeyRow, wanted: int, *, before: int = 0) -> None:
    """Move budget; a parent keeps at least something, because no budget means no limit."""
    if parent.quota_nano == 0:
        return
    if wanted == 0:
        raise BadRequest("the parent has a budget: its child needs one too", reason="CHILD_BUDGET_REQUIRED")
    left = parent.quota_nano - parent.quota_used_nano
    if wanted - before >= left:
        raise BadRequest(
            f"the parent has {to_usd(left)} USD left, and keeps a part of it",
            reason="CHILD_BUDGET_TOO_LARGE",
        )
    parent.quota_nano -= wanted - before
    work.bounds_changed(*key_bounds(parent.id))
