"""One look at what topics are about, in the database and in the state that all workers share."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select

from headgate.control.deps import ControlDeps
from headgate.control.events.topics import ACCOUNTS, Data, Snapshot, State, state_of
from headgate.control.statistics.totals import realtime
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.kit.clock import instant
from headgate.state.protocols import SlotLoad, StateUnavailable
from headgate.storage.models import AccountRow, DirectoryVersionRow, GroupRow, JobRow, UsageRecordRow, UserRow

MAX_ACCOUNTS = 2_000
"""Shown live; what is beyond is read with its page."""
MAX_PLACES = 50
MAX_JOBS = 30
JOB_SEEN_MS = 60_000
"""For so long after its end a job is told of."""
COUNTERS_TTL_S = 5
"""They are sums over a minute: computing them every second would cost more than it shows."""
_IDLE = SlotLoad(in_use=0, waiting=0)


async def look(work: Work, deps: ControlDeps, users: Collection[int], *, is_staff_there: bool) -> Snapshot:
    """Of these users, and of the whole when somebody listens who may hear of it."""
    version = await work.session.scalar(select(DirectoryVersionRow.version)) or 0
    shared = {"directory": state_of({"version": version})}
    if is_staff_there:
        shared |= await _administration(work, deps)
    return Snapshot(shared=shared, own=await _own(work, deps, users))


async def _administration(work: Work, deps: ControlDeps) -> Mapping[str, State]:
    rows = await _account_rows(work)
    groups = list(await work.session.scalars(select(GroupRow.id).where(GroupRow.deleted_at.is_(None))))
    names = [f"account:{row['id']}" for row in rows] + [f"group:{id_}" for id_ in groups]
    loads = await _loads(deps, names)
    accounts = {str(row["id"]): {**row, **_load(loads, f"account:{row['id']}")} for row in rows}
    waiting = {name: load.waiting for name, load in loads.items() if load.waiting}
    queue = {"waiting": sum(waiting.values()), "places": _longest(waiting)}
    counters = await _counters(work, deps)
    in_flight = sum(account["in_use"] for account in accounts.values())
    return {
        "counters": state_of({**counters, "active_requests": in_flight, "waiting": queue["waiting"]}),
        "queue": state_of(queue),
        ACCOUNTS: state_of(accounts),
        "jobs": state_of({"jobs": await _jobs(work)}),
    }


async def _jobs(work: Work) -> Sequence[Data]:
    """Those that are open, and those that ended just now: whoever watches sees the end."""
    row = JobRow
    lately = instant(work.now_ms() - JOB_SEEN_MS)
    columns = (row.id, row.kind, row.status, row.total, row.done, row.failed, row.created_by)
    query = select(*columns).where(or_(row.status.in_(("pending", "running")), row.finished_at >= lately))
    found = (await work.session.execute(query.order_by(row.id.desc()).limit(MAX_JOBS))).mappings()
    return [dict(one) for one in found]


async def _account_rows(work: Work) -> Sequence[dict[str, Any]]:
    row = AccountRow
    columns = (
        row.id, row.status, row.schedulable, row.concurrency, row.rate_limit_reset_at, row.overload_until,
        row.temp_unschedulable_until, row.error_message,
    )  # fmt: skip
    query = select(*columns).where(row.deleted_at.is_(None)).order_by(row.id).limit(MAX_ACCOUNTS)
    return [
        {name: _shown(value) for name, value in found.items()}
        for found in (await work.session.execute(query)).mappings()
    ]


async def _counters(work: Work, deps: ControlDeps) -> Data:
    async def count() -> Data:
        now = await realtime(work)
        return {
            "requests_per_minute": now.requests_per_minute,
            "tokens_per_minute": now.tokens_per_minute,
            "average_response_time": round(now.average_response_time),
            "error_rate": round(now.error_rate, 4),
            "degradations": len(await deps.degradations()),
        }

    last = await work.session.scalar(select(func.max(UsageRecordRow.created_at_ms)))
    found, _ = await deps.memo.get("live counters", count, ttl_s=COUNTERS_TTL_S, now_ms=work.now_ms())
    return {**found, "last_usage_ms": last or 0}


async def _own(work: Work, deps: ControlDeps, users: Collection[int]) -> Mapping[int, State]:
    if not users:
        return {}
    last = (
        select(func.max(UsageRecordRow.created_at_ms))
        .where(UsageRecordRow.user_id == UserRow.id)
        .scalar_subquery()
    )
    query = select(UserRow.id, UserRow.balance_nano, last).where(UserRow.id.in_(users))
    rows = (await work.session.execute(query)).all()
    loads = await _loads(deps, [f"user:{id_}" for id_, *_ in rows])
    return {
        id_: state_of(
            {
                "balance": to_usd(balance),
                "last_usage_ms": last_ms or 0,
                **_load(loads, f"user:{id_}"),
            }
        )
        for id_, balance, last_ms in rows
    }


async def _loads(deps: ControlDeps, names: Sequence[str]) -> Mapping[str, SlotLoad]:
    """Display only: while the store is away nothing is in use, and the counters say what is wrong."""
    try:
        return await deps.state.slots.load(names) if names else {}
    except StateUnavailable:
        return {}


def _load(loads: Mapping[str, SlotLoad], name: str) -> dict[str, int]:
    load = loads.get(name, _IDLE)
    return {"in_use": load.in_use, "waiting": load.waiting}


def _longest(waiting: Mapping[str, int]) -> Sequence[Data]:
    ordered = sorted(waiting.items(), key=lambda place: (-place[1], place[0]))
    return [{"resource": name, "waiting": count} for name, count in ordered[:MAX_PLACES]]


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
