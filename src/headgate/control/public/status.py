"""Whether the groups that are open to everybody answer: their state now and hour by hour (spec 8.15).

Told is what a user of the group would notice. How many accounts there are, whose they are and what is wrong
with them is not.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, distinct, func, or_, select

from headgate.control.groups.access import open_groups
from headgate.control.groups.repository import in_service
from headgate.control.public.schemas import GroupStatus, HourStatus, PublicStatus, State
from headgate.control.work import Work
from headgate.core.faults import Blame, FaultKind
from headgate.kit.clock import instant
from headgate.storage.models import AccountGroupRow, AccountRow, UsageRecordRow

HOUR_MS, HOURS, RECENT_MS = 3_600_000, 24, 900_000
FEW = 10
"""Fewer exchanges than this say nothing about how many go wrong."""
GOOD_SHARE, POOR_SHARE = 0.95, 0.5
_CLIENTS = [kind.value for kind in FaultKind if kind.blame is Blame.CLIENT]


class Tally(NamedTuple):
    """Exchanges that reached a provider, and how many of them got an answer."""

    exchanges: int = 0
    answered: int = 0

    @property
    def share(self) -> float:
        return self.answered / self.exchanges if self.exchanges else 1.0


class Members(NamedTuple):
    """Accounts in service, and those of them that rest at this moment."""

    in_service: int = 0
    resting: int = 0


def state_of(members: Members, recent: Tally) -> State:
    """Pure. `down`: nobody could answer now, or hardly anything is answered."""
    if members.in_service == members.resting:
        return "down"
    is_telling = recent.exchanges >= FEW
    if is_telling and recent.share < POOR_SHARE:
        return "down"
    if (is_telling and recent.share < GOOD_SHARE) or members.resting * 2 >= members.in_service:
        return "degraded"
    return "up"


async def public_status(work: Work) -> PublicStatus:
    """Of the groups that need no permission, in display order."""
    groups = await open_groups(work)
    ids = [group.id for group in groups]
    members = await _members(work, ids)
    now_ms = work.now_ms()
    first_hour = (now_ms // HOUR_MS - HOURS + 1) * HOUR_MS
    hourly = await _tallies(work, ids, first_hour, UsageRecordRow.created_at_ms // HOUR_MS)
    recent = await _tallies(work, ids, now_ms - RECENT_MS, None)
    found = [
        GroupStatus(
            id=group.id,
            name=group.name,
            description=group.description,
            platform=group.platform,
            state=state_of(members.get(group.id, Members()), recent[group.id].get(0, Tally())),
            hours=_hours(hourly[group.id], first_hour),
        )
        for group in groups
    ]
    return PublicStatus(state=_worst([group.state for group in found]), groups=found, checked_at=work.now())


def _worst(states: Sequence[State]) -> State:
    """Of everything: down only where all are."""
    if states and all(state == "down" for state in states):
        return "down"
    return "up" if all(state == "up" for state in states) else "degraded"


def _hours(found: Mapping[int, Tally], first_hour: int) -> list[HourStatus]:
    hours = [first_hour + n * HOUR_MS for n in range(HOURS)]
    return [
        HourStatus(
            at=instant(hour),
            answered_share=found[hour // HOUR_MS].share if hour // HOUR_MS in found else None,
        )
        for hour in hours
    ]


async def _members(work: Work, ids: Sequence[int]) -> Mapping[int, Members]:
    now, row = work.now(), AccountRow
    rests = or_(row.rate_limit_reset_at > now, row.overload_until > now, row.temp_unschedulable_until > now)
    rows = await work.session.execute(
        select(AccountGroupRow.group_id, func.count(), func.sum(case((rests, 1), else_=0)))
        .join(AccountRow, AccountRow.id == AccountGroupRow.account_id)
        .where(AccountGroupRow.group_id.in_(ids), in_service(now))
        .group_by(AccountGroupRow.group_id)
    )
    return {row[0]: Members(int(row[1]), int(row[2])) for row in rows}


async def _tallies(
    work: Work, ids: Sequence[int], from_ms: int, bucket: ColumnElement[int] | None
) -> Mapping[int, dict[int, Tally]]:
    """By group and bucket. An exchange that another account answered counts as answered; what a client did
    wrong does not count."""
    row = UsageRecordRow
    is_clients = and_(row.outcome == "failed", row.fault.in_(_CLIENTS))
    columns = (row.group_id,) if bucket is None else (row.group_id, bucket)
    answered = distinct(case((row.outcome.in_(("completed", "partial")), row.exchange_id)))
    rows = await work.session.execute(
        select(*columns, func.count(distinct(row.exchange_id)), func.count(answered))
        .where(row.created_at_ms >= from_ms, row.group_id.in_(ids), ~is_clients)
        .group_by(*columns)
    )
    found: dict[int, dict[int, Tally]] = defaultdict(dict)
    for group_id, *part, exchanges, answered_count in rows:
        found[group_id][int(part[0]) if part else 0] = Tally(exchanges, answered_count)
    return found
