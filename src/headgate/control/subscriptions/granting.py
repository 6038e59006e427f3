"""Giving a user a subscription: by redeem code, at creation, or by an admin (spec 4.8).

Whoever grants locks the user first and the user's subscription second (the order of the journal), so that
grants to one user follow each other and a pair of user and group never has two rows.
"""

from dataclasses import dataclass

from headgate.control.subscriptions.repository import SubscriptionRepository
from headgate.control.subscriptions.terms import expiry, joined_notes
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS
from headgate.storage.models import GroupRow, SubscriptionRow


@dataclass(frozen=True, slots=True)
class Granted:
    row: SubscriptionRow
    is_new: bool
    """False: it existed, and was extended or reused."""


async def assign_or_extend(
    work: Work, *, user_id: int, group_id: int, days: int, notes: str = "", by: int | None = None
) -> Granted:
    """Give the user `days` more of the group: from the end of what runs, or from now; switches a subscription
    that is over or suspended on again, and adds the notes to those it has.

    `days` of 0 or less stand for the group's own period; `by` is the admin, None for a code or the system.
    Runs in the caller's transaction. Raises USER_NOT_FOUND, GROUP_NOT_FOUND, GROUP_NOT_SUBSCRIPTION_TYPE.
    """
    group, row = await locked_pair(work, user_id, group_id)
    if row is None:
        return Granted(await new_subscription(work, user_id, group, days, notes=notes, by=by), is_new=True)
    now = work.now()
    row.expires_at = expiry(max(now, row.expires_at), period(group, days))
    row.status = "active"
    row.notes = joined_notes(row.notes, notes)
    row.updated_at = now
    announce(work, row)
    return Granted(row, is_new=False)


async def locked_pair(work: Work, user_id: int, group_id: int) -> tuple[GroupRow, SubscriptionRow | None]:
    """The group and the user's subscription to it, with nobody else granting to this user meanwhile. Raises
    USER_NOT_FOUND, GROUP_NOT_FOUND, GROUP_NOT_SUBSCRIPTION_TYPE."""
    subscriptions = SubscriptionRepository(work.session)
    await UserRepository(work.session).locked(user_id)
    group = await subscriptions.group_to_subscribe(group_id)
    return group, await subscriptions.locked_of(user_id, group_id)


async def new_subscription(
    work: Work, user_id: int, group: GroupRow, days: int, *, notes: str, by: int | None
) -> SubscriptionRow:
    """A subscription that starts now; its windows open with the first use."""
    now = work.now()
    row = SubscriptionRow(
        user_id=user_id,
        group_id=group.id,
        starts_at=now,
        expires_at=expiry(now, period(group, days)),
        status="active",
        assigned_by=by,
        assigned_at=now,
        notes=notes.strip(),
        created_at=now,
        updated_at=now,
    )
    work.session.add(row)
    await work.session.flush()
    announce(work, row)
    return row


def period(group: GroupRow, days: int) -> int:
    """Days to grant: those asked for, or the group's default (30 unless the operator changed it)."""
    return days if days > 0 else group.default_validity_days


def announce(work: Work, row: SubscriptionRow) -> None:
    """The data plane reads subscription and windows afresh after the commit."""
    work.touch_directory()
    work.bounds_changed(*subscription_bounds(row.id))


def subscription_bounds(subscription_id: int) -> list[str]:
    """Names of the spending bounds of a subscription in the reservation store."""
    return [f"sub:{subscription_id}:{window}" for window in SUBSCRIPTION_WINDOW_MS]
