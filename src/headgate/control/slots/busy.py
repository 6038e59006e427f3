"""Where it is busy: the users, accounts and groups whose slots are held or waited for, for the dashboard."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import select

from headgate.control.slots.schemas import BusyView
from headgate.control.work import Work
from headgate.core.limits.fair_share import sharing_from
from headgate.storage.models import AccountRow, GroupRow, UsageIntentRow, UserRow


class _Place(NamedTuple):
    kind: Literal["user", "account", "group"]
    id: int
    name: str
    limit: int

    @property
    def resource(self) -> str:
        return f"{self.kind}:{self.id}"


async def busiest(work: Work, *, limit: int) -> Sequence[BusyView]:
    """Users are those with a call to a provider under way: whoever waits for a slot of its own has others
    in use. Raises what the slot store raises while it is away."""
    places = [*await _accounts(work), *await _groups(work), *await _users(work)]
    loads = await work.deps.state.slots.load([place.resource for place in places]) if places else {}
    seen = [
        BusyView(**place._asdict(), resource=place.resource, in_use=load.in_use, waiting=load.waiting)
        for place in places
        if (load := loads.get(place.resource)) is not None and (load.in_use or load.waiting)
    ]
    return sorted(seen, key=lambda busy: (-busy.waiting, -busy.in_use, busy.kind, busy.id))[:limit]


async def _accounts(work: Work) -> Sequence[_Place]:
    row = AccountRow
    found = await work.session.execute(
        select(row.id, row.name, row.concurrency).where(row.deleted_at.is_(None))
    )
    return [_Place("account", *each) for each in found]


async def _groups(work: Work) -> Sequence[_Place]:
    row = GroupRow
    found = await work.session.execute(
        select(row.id, row.name, row.fair_sharing).where(row.deleted_at.is_(None))
    )
    shared = [(id_, name, sharing_from(rules)) for id_, name, rules in found]
    return [_Place("group", id_, name, sharing.slots) for id_, name, sharing in shared if sharing]


async def _users(work: Work) -> Sequence[_Place]:
    row = UserRow
    busy = select(UsageIntentRow.user_id).distinct()
    found = await work.session.execute(select(row.id, row.email, row.concurrency).where(row.id.in_(busy)))
    return [_Place("user", *each) for each in found]
