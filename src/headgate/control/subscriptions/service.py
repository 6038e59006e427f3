"""What admins do to subscriptions (spec 4.8, 8.6): assign, extend, reset, revoke."""

from collections.abc import Collection
from datetime import timedelta

import structlog

from headgate.control.subscriptions.granting import Granted, announce, locked_pair, new_subscription, period
from headgate.control.subscriptions.repository import SubscriptionRepository
from headgate.control.subscriptions.terms import expiry, is_over
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict
from headgate.kit.clock import instant
from headgate.kit.ids import IdFactory
from headgate.storage.directory_rows import subscription_used
from headgate.storage.journal_rows import DayStart
from headgate.storage.ledger import note_window_resets
from headgate.storage.models import SubscriptionRow

log = structlog.get_logger(__name__)


class SubscriptionService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._subscriptions = SubscriptionRepository(work.session)

    async def assign(self, *, user_id: int, group_id: int, days: int, notes: str) -> Granted:
        """A new subscription, or the one there is when it says the same: a repeated call changes nothing.

        Raises USER_NOT_FOUND, GROUP_NOT_FOUND, GROUP_NOT_SUBSCRIPTION_TYPE, SUBSCRIPTION_ASSIGN_CONFLICT.
        """
        group, row = await locked_pair(self._work, user_id, group_id)
        by = self._work.actor_id
        if row is None:
            row = await new_subscription(self._work, user_id, group, days, notes=notes, by=by)
            self._note("subscription_assigned", row)
            return Granted(row, is_new=True)
        _require_same(row, period(group, days), notes)
        return Granted(row, is_new=False)

    async def extend(self, subscription_id: int, days: int) -> SubscriptionRow:
        """Move the end; one that is over goes on from now. Raises SUBSCRIPTION_NOT_FOUND,
        CANNOT_SHORTEN_EXPIRED, ADJUST_WOULD_EXPIRE."""
        row = await self._subscriptions.locked(subscription_id)
        now = self._work.now()
        if days < 0 and is_over(row, now):
            raise BadRequest(
                "the subscription is over already; only more days can change that",
                reason="CANNOT_SHORTEN_EXPIRED",
            )
        end = expiry(max(now, row.expires_at), days)
        if end <= max(now, row.starts_at):
            left = (row.expires_at - now) // timedelta(days=1)
            raise BadRequest(
                f"{-days} days less would end it now ({left} whole days are left); revoke it instead",
                reason="ADJUST_WOULD_EXPIRE",
            )
        row.expires_at = end
        if row.status == "expired":
            row.status = "active"
        self._changed(row, "subscription_extended", days=days)
        return row

    async def reset(self, subscription_id: int, windows: Collection[str]) -> SubscriptionRow:
        """Begin these windows anew today at midnight of the operator's time zone, with nothing used; what was
        used in all stays, and the ledger gets a line for each window that had been used. Raises
        SUBSCRIPTION_NOT_FOUND, INVALID_INPUT."""
        if not windows:
            raise BadRequest("choose at least one of daily, weekly, monthly")
        row = await self._subscriptions.locked(subscription_id)
        now_ms = self._work.now_ms()
        await note_window_resets(
            self._work.session,
            subscription_id=row.id,
            used_nano={name: subscription_used(row, name, now_ms)[0] for name in sorted(windows)},
            actor_id=self._work.actor_id,
            operation_id=f"op:{IdFactory().new()}",
            now_ms=now_ms,
        )
        today = instant(DayStart(self._work.deps.settings.timezone).of(now_ms))
        for window in windows:
            setattr(row, f"{window}_window_start", today)
            setattr(row, f"{window}_used_nano", 0)
        self._changed(row, "subscription_reset", windows=sorted(windows))
        return row

    async def revoke(self, subscription_id: int) -> None:
        """End it now; the books keep it. Raises SUBSCRIPTION_NOT_FOUND."""
        row = await self._subscriptions.locked(subscription_id)
        row.deleted_at = self._work.now()
        self._changed(row, "subscription_revoked")

    def _changed(self, row: SubscriptionRow, event: str, **details: object) -> None:
        row.updated_at = self._work.now()
        announce(self._work, row)
        self._note(event, row, **details)

    def _note(self, event: str, row: SubscriptionRow, **details: object) -> None:
        log.info(
            event,
            subscription_id=row.id,
            user_id=row.user_id,
            group_id=row.group_id,
            actor_id=self._work.actor_id,
            **details,
        )


def _require_same(row: SubscriptionRow, days: int, notes: str) -> None:
    """Raises SUBSCRIPTION_ASSIGN_CONFLICT when the subscription there is differs from the one asked for."""
    if row.expires_at != expiry(row.starts_at, days):
        difference, remedy = "validity_days_mismatch", "extend it instead"
    elif row.notes.strip() != notes.strip():
        difference, remedy = "notes_mismatch", "repeat its notes, or extend it instead"
    else:
        return
    raise Conflict(
        f"the user has a subscription to this group with another period or note; {remedy}",
        reason="SUBSCRIPTION_ASSIGN_CONFLICT",
        metadata={"conflict_reason": difference},
    )
