"""The use cases behind `headgate subscription`: the services of the API, straight on the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from headgate.control.commands import checked, find_group, find_user
from headgate.control.deps import WorkDeps
from headgate.control.groups.repository import GroupRepository
from headgate.control.subscriptions.repository import SubscriptionFilter, SubscriptionRepository
from headgate.control.subscriptions.schemas import AssignBody, ExtendBody, shown_status
from headgate.control.subscriptions.service import SubscriptionService
from headgate.control.users.repository import UserRepository
from headgate.control.web.envelope import Paging
from headgate.control.work import SYSTEM, Work, open_work
from headgate.core.money import to_usd
from headgate.storage.models import SubscriptionRow

_ALL = Paging(page=1, page_size=1000)
"""A terminal shows no more; the API pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionInfo:
    id: int
    user: str
    group: str
    status: str
    expires_at: datetime
    used_usd: float
    """Since it was assigned."""


class SubscriptionCommands:
    def __init__(self, deps: WorkDeps) -> None:
        self._deps = deps

    async def assign(self, *, user: str, group: str, days: int = 0, note: str = "") -> SubscriptionInfo:
        """`user` by e-mail or id, `group` by name or id; 0 days: the group's own period. Raises what
        `SubscriptionService.assign` raises."""
        async with open_work(self._deps, SYSTEM) as work:
            owner, pool = await find_user(work, user), await find_group(work, group)
            body = checked(AssignBody, user_id=owner.id, group_id=pool.id, validity_days=days, notes=note)
            granted = await SubscriptionService(work).assign(
                user_id=body.user_id, group_id=body.group_id, days=body.validity_days, notes=body.notes
            )
            return (await _infos(work, [granted.row]))[0]

    async def list(self, *, user: str = "", group: str = "") -> Sequence[SubscriptionInfo]:
        """All, or those of a user, to a group, or both."""
        async with open_work(self._deps, SYSTEM) as work:
            wanted = SubscriptionFilter(
                user_id=(await find_user(work, user)).id if user else 0,
                group_id=(await find_group(work, group)).id if group else 0,
            )
            rows, _ = await SubscriptionRepository(work.session).page(wanted, _ALL, work.now())
            return await _infos(work, rows)

    async def extend(self, subscription_id: int, days: int) -> SubscriptionInfo:
        """Negative days shorten. Raises what `SubscriptionService.extend` raises."""
        body = checked(ExtendBody, days=days)
        async with open_work(self._deps, SYSTEM) as work:
            row = await SubscriptionService(work).extend(subscription_id, body.days)
            return (await _infos(work, [row]))[0]

    async def revoke(self, subscription_id: int) -> None:
        async with open_work(self._deps, SYSTEM) as work:
            await SubscriptionService(work).revoke(subscription_id)


async def _infos(work: Work, rows: Sequence[SubscriptionRow]) -> Sequence[SubscriptionInfo]:
    users = await UserRepository(work.session).by_ids({row.user_id for row in rows})
    groups = await GroupRepository(work.session).by_ids({row.group_id for row in rows})
    return [
        SubscriptionInfo(
            id=row.id,
            user=users[row.user_id].email if row.user_id in users else "",
            group=groups[row.group_id].name if row.group_id in groups else "",
            status=shown_status(row, work.now_ms()),
            expires_at=row.expires_at,
            used_usd=to_usd(row.total_used_nano),
        )
        for row in rows
    ]
