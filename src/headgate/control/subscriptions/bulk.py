"""Assigning a plan to many users: each on its own, so that one that fails takes nobody along (spec 8.6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from headgate.control.groups.repository import GroupRepository
from headgate.control.subscriptions.repository import require_subscription_type
from headgate.control.subscriptions.schemas import BulkAssignBody, BulkAssignView
from headgate.control.subscriptions.service import SubscriptionService
from headgate.control.subscriptions.views import admin_views
from headgate.control.work import Work, open_work
from headgate.errors import ApiError
from headgate.storage.models import SubscriptionRow

CHUNK = 20
"""Users of one transaction: long enough to be cheap, short enough not to hold up the journal on SQLite."""


@dataclass(slots=True)
class _Outcome:
    rows: list[SubscriptionRow] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    statuses: dict[int, Literal["created", "reused", "failed"]] = field(default_factory=dict)


async def bulk_assign(work: Work, body: BulkAssignBody) -> BulkAssignView:
    """Every user once, however often it is named. When the call breaks off, those done stay done: the same
    call again finds and reuses them.

    Raises GROUP_NOT_FOUND, GROUP_NOT_SUBSCRIPTION_TYPE; what is wrong with single users is in the answer.
    """
    require_subscription_type(await GroupRepository(work.session).get(body.group_id))
    await work.release_connection()
    outcome = _Outcome()
    for user_ids in _chunks(sorted(set(body.user_ids))):
        async with open_work(work.deps, work.actor, call=work.call) as piece:
            for user_id in user_ids:
                await _assign_one(piece, user_id, body, outcome)
    counts = list(outcome.statuses.values())
    return BulkAssignView(
        success_count=len(outcome.rows),
        created_count=counts.count("created"),
        reused_count=counts.count("reused"),
        failed_count=counts.count("failed"),
        subscriptions=await admin_views(work, outcome.rows),
        errors=outcome.errors,
        statuses=outcome.statuses,
    )


async def _assign_one(work: Work, user_id: int, body: BulkAssignBody, outcome: _Outcome) -> None:
    """In a savepoint: whatever a failing user had written goes back."""
    try:
        async with work.session.begin_nested():
            granted = await SubscriptionService(work).assign(
                user_id=user_id, group_id=body.group_id, days=body.validity_days, notes=body.notes
            )
    except ApiError as error:
        outcome.errors.append(f"user {user_id}: {error.message} ({error.reason})")
        outcome.statuses[user_id] = "failed"
        return
    outcome.rows.append(granted.row)
    outcome.statuses[user_id] = "created" if granted.is_new else "reused"


def _chunks(user_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """In the order of ids, which is the order in which the journal locks users."""
    for start in range(0, len(user_ids), CHUNK):
        yield user_ids[start : start + CHUNK]
