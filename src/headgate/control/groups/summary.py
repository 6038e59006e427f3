"""What groups used, what they can carry and what they carry now (spec 8.3)."""

from collections import defaultdict
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from headgate.control.accounts.live_limits import Limited, limited
from headgate.control.groups.repository import GroupRepository, ServingAccount
from headgate.control.groups.summary_schemas import GroupCapacity, GroupStats, GroupUsage
from headgate.control.keys.repository import KeyRepository
from headgate.control.statistics.figures import NONE, last_days
from headgate.control.statistics.repository import StatisticsRepository
from headgate.control.statistics.schemas import prefixed
from headgate.control.usage.period import Span, zone
from headgate.control.usage.repository import UsageFilter
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.storage.models import UsageRecordRow

MAX_GROUPS = 10_000


async def usage_summary(work: Work, where: ZoneInfo) -> list[GroupUsage]:
    """Of every group, also of those that nobody used."""
    statistics = StatisticsRepository(work.session)
    today = UsageFilter(span=_today(work, where))
    found = await statistics.by([UsageRecordRow.group_id], today, order="charge", limit=MAX_GROUPS)
    charges = {key[0]: figures.charge for key, figures in found}
    totals = await statistics.all_by("group_id", None)
    return [
        GroupUsage(
            group_id=group_id,
            today_cost=to_usd(charges.get(group_id, 0)),
            total_cost=to_usd(totals.get(group_id, NONE).charge),
        )
        for group_id in await GroupRepository(work.session).ids()
    ]


async def group_stats(work: Work, group_id: int, where: ZoneInfo) -> GroupStats:
    """Raises GROUP_NOT_FOUND."""
    await GroupRepository(work.session).get(group_id)
    statistics = StatisticsRepository(work.session)
    total = (await statistics.all_by("group_id", [group_id])).get(group_id, NONE)
    today = await statistics.total(UsageFilter(group_id=group_id, span=_today(work, where)))
    keys, active = await KeyRepository(work.session).counts_of_group(group_id)
    return GroupStats(
        **prefixed("total", total),
        **prefixed("today", today),
        total_api_keys=keys,
        active_api_keys=active,
        average_duration_ms=total.mean_duration_ms,
    )


async def capacity_summary(work: Work) -> list[GroupCapacity]:
    """Of every group. Raises 503 while the shared state is away: zeros would say that nothing runs."""
    groups = GroupRepository(work.session)
    serving = await groups.accounts_in_service(work.now())
    loads = await _loads(work, {account.id: account for account in serving})
    sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for account in serving:
        for name, amount in loads[account.id].items():
            sums[account.group_id][name] += amount
    return [GroupCapacity(group_id=group_id, **sums[group_id]) for group_id in await groups.ids()]


async def _loads(work: Work, accounts: Mapping[int, ServingAccount]) -> dict[int, dict[str, int]]:
    """Each account once, however many groups it is in."""
    slots = await work.deps.state.slots.load([f"account:{account_id}" for account_id in accounts])
    return {
        account_id: {
            "concurrency_used": slots[f"account:{account_id}"].in_use,
            "concurrency_max": max(0, account.concurrency),
            **_named(await limited(work, account.id, account.extra)),
        }
        for account_id, account in accounts.items()
    }


def _named(found: Limited) -> dict[str, int]:
    """Only accounts with such a limit count."""
    pairs = {"sessions": found.sessions, "rpm": found.rpm}
    return {
        name: amount
        for kind, pair in pairs.items()
        if pair is not None
        for name, amount in ((f"{kind}_used", pair[0]), (f"{kind}_max", pair[1]))
    }


def zone_of(work: Work, name: str) -> ZoneInfo:
    """Raises INVALID_INPUT."""
    return zone(name, work.deps.settings.timezone)


def _today(work: Work, where: ZoneInfo) -> Span:
    return last_days(1, where, now_ms=work.now_ms())
