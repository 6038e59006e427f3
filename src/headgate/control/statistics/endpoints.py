"""HTTP of statistics: the admin's dashboard and the user's own."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import Depends, Query, Response

from headgate.control.statistics.cache import cache_report
from headgate.control.statistics.figures import Granularity
from headgate.control.statistics.rollup import backfill
from headgate.control.statistics.schemas import (
    AdminTotals,
    BackfillAnswer,
    BackfillBody,
    CacheReport,
    GroupShares,
    KeysBody,
    KeyShares,
    KeysTrend,
    ModelShares,
    OwnKeysBody,
    Ranking,
    Realtime,
    Snapshot,
    SpentAnswer,
    Totals,
    Trend,
    UserBreakdown,
    UsersBody,
    UsersTrend,
)
from headgate.control.statistics.service import ModelSource, StatisticsService, Wanted, wanted_from
from headgate.control.statistics.snapshot import Parts, snapshot
from headgate.control.statistics.totals import admin_totals, own_totals, realtime
from headgate.control.usage.endpoints import AdminQuery, Common, own_query
from headgate.control.web.fields import Search
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Work

routes = RouteTable("", tag="statistics")
STATS_TTL_S = 15
RANKING_TTL_S = 300
Limit = Annotated[int, Query(ge=1, le=50)]


async def _admin_wanted(work: CurrentWork, query: AdminQuery, granularity: Granularity = "day") -> Wanted:
    return await wanted_from(work, query, granularity, hides_failed=False)


async def _own_wanted(work: CurrentWork, query: Common, granularity: Granularity = "day") -> Wanted:
    return await wanted_from(work, await own_query(work, query), granularity, hides_failed=True)


All = Annotated[Wanted, Depends(_admin_wanted)]
Own = Annotated[Wanted, Depends(_own_wanted)]


@routes.route("GET", "/admin/dashboard/stats", Permission.READ)
async def stats(work: CurrentWork, deps: Deps) -> AdminTotals:
    """Numbers of everything, at most 15 seconds old."""
    return await _stats(work, deps)


@routes.route("GET", "/admin/dashboard/realtime", Permission.READ)
async def now(work: CurrentWork) -> Realtime:
    """What goes on at this moment."""
    return await realtime(work)


@routes.route("GET", "/admin/dashboard/trend", Permission.READ)
async def trend(work: CurrentWork, wanted: All) -> Trend:
    """Usage by day or hour; points without usage are there."""
    points = await StatisticsService(work).trend(wanted)
    return Trend(trend=points, granularity=wanted.granularity, **wanted.named())


@routes.route("GET", "/admin/dashboard/models", Permission.READ)
async def models(work: CurrentWork, wanted: All, model_source: ModelSource = "requested") -> ModelShares:
    """Usage by model as the client named it, as it was sent, or both."""
    found = await StatisticsService(work).models(wanted, model_source)
    return ModelShares(models=found, **wanted.named())


@routes.route("GET", "/admin/dashboard/groups", Permission.READ)
async def groups(work: CurrentWork, wanted: All) -> GroupShares:
    """Usage by group."""
    return GroupShares(groups=await StatisticsService(work).groups(wanted), **wanted.named())


@routes.route("GET", "/admin/dashboard/cache", Permission.READ)
async def cache(work: CurrentWork, wanted: All, limit: Limit = 20) -> CacheReport:
    """What prompt caches saved, and what conversations lost that moved away from theirs."""
    return await cache_report(work, wanted, limit=limit)


@routes.route("GET", "/admin/dashboard/api-keys-trend", Permission.READ)
async def keys_trend(work: CurrentWork, wanted: All, limit: Limit = 5) -> KeysTrend:
    """The busiest keys over time; only points with usage."""
    points = await StatisticsService(work).keys_trend(wanted, limit=limit)
    return KeysTrend(trend=points, granularity=wanted.granularity, **wanted.named())


@routes.route("GET", "/admin/dashboard/users-trend", Permission.READ)
async def users_trend(work: CurrentWork, wanted: All, limit: Limit = 12) -> UsersTrend:
    """The users who are charged most, over time; only points with usage."""
    points = await StatisticsService(work).users_trend(wanted, limit=limit)
    return UsersTrend(trend=points, granularity=wanted.granularity, **wanted.named())


@routes.route("GET", "/admin/dashboard/users-ranking", Permission.READ)
async def users_ranking(work: CurrentWork, deps: Deps, wanted: All, limit: Limit = 12) -> Ranking:
    """The users who are charged most, and the sums of all; at most five minutes old."""
    answer, _ = await deps.memo.get(
        ("ranking", wanted, limit),
        lambda: StatisticsService(work).ranking(wanted, limit=limit),
        ttl_s=RANKING_TTL_S,
        now_ms=work.now_ms(),
    )
    return answer


@routes.route("GET", "/admin/dashboard/user-breakdown", Permission.READ)
async def user_breakdown(
    work: CurrentWork,
    query: AdminQuery,
    model_source: ModelSource = "requested",
    endpoint: Search = "",
    endpoint_type: Literal["inbound", "upstream", "path"] = "inbound",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> UserBreakdown:
    """Who used a model, a group or an endpoint. A mapping is `asked -> sent`; a path is
    `inbound -> upstream`."""
    wanted = await wanted_from(work, replace(query, model=""), "day", hides_failed=False)
    client_model, upstream_model = _sides(query.model, model_source)
    inbound, upstream = _sides(endpoint, endpoint_type)
    narrowed = replace(
        wanted.filter,
        model=client_model,
        upstream_model=upstream_model,
        inbound_endpoint=inbound,
        upstream_endpoint=upstream,
    )
    users = await StatisticsService(work).users(replace(wanted, filter=narrowed), limit=limit)
    return UserBreakdown(users=users, **wanted.named())


@routes.route("GET", "/admin/dashboard/snapshot-v2", Permission.READ, etag=True)
async def snapshot_v2(
    work: CurrentWork,
    deps: Deps,
    response: Response,
    wanted: All,
    include_stats: bool = True,
    include_trend: bool = True,
    include_model_stats: bool = True,
    include_group_stats: bool = False,
    include_users_trend: bool = False,
    users_trend_limit: Limit = 12,
) -> Snapshot:
    """All of a dashboard in one answer, at most 30 seconds old; answers 304 to a matching If-None-Match."""
    parts = Parts(
        stats=include_stats,
        trend=include_trend,
        models=include_model_stats,
        groups=include_group_stats,
        users_trend=users_trend_limit if include_users_trend else 0,
    )
    answer, was_kept = await snapshot(work, deps, wanted, parts)
    response.headers["X-Snapshot-Cache"] = "hit" if was_kept else "miss"
    return answer


@routes.route("POST", "/admin/dashboard/users-usage", Permission.AMOUNTS)
async def users_usage(body: UsersBody, work: CurrentWork) -> SpentAnswer:
    """What users were charged today and in the last thirty days."""
    return SpentAnswer(stats=await StatisticsService(work).spent_by_users(body.user_ids))


@routes.route("POST", "/admin/dashboard/api-keys-usage", Permission.AMOUNTS)
async def keys_usage(body: KeysBody, work: CurrentWork) -> SpentAnswer:
    """What keys were charged today and in the last thirty days."""
    found = await StatisticsService(work).spent_by_keys(body.api_key_ids, owner_id=None)
    return SpentAnswer(stats=found)


@routes.route("POST", "/admin/dashboard/aggregation/backfill", Permission.ADMIN)
async def aggregation_backfill(body: BackfillBody, work: CurrentWork) -> BackfillAnswer:
    """Add up the hours of at most 31 days again, from the records that are kept."""
    return BackfillAnswer(hours=await backfill(work, body.start, body.end))


@routes.route("GET", "/usage/dashboard/stats", Permission.USER)
async def own_stats(work: CurrentWork) -> Totals:
    """Numbers of the caller."""
    return await own_totals(work)


@routes.route("GET", "/usage/dashboard/trend", Permission.USER)
async def own_trend(work: CurrentWork, wanted: Own) -> Trend:
    """The caller's usage by day or hour."""
    points = await StatisticsService(work).trend(wanted)
    return Trend(trend=points, granularity=wanted.granularity, **wanted.named())


@routes.route("GET", "/usage/dashboard/models", Permission.USER)
async def own_models(work: CurrentWork, wanted: Own) -> ModelShares:
    """The caller's usage by model."""
    found = await StatisticsService(work).models(wanted, "requested")
    return ModelShares(models=found, **wanted.named())


@routes.route("GET", "/usage/dashboard/keys", Permission.USER)
async def own_keys(work: CurrentWork, wanted: Own) -> KeyShares:
    """The caller's usage by key."""
    return KeyShares(keys=await StatisticsService(work).keys(wanted), **wanted.named())


@routes.route("POST", "/usage/dashboard/api-keys-usage", Permission.USER)
async def own_keys_usage(body: OwnKeysBody, work: CurrentWork) -> SpentAnswer:
    """What the caller's keys were charged today and in the last thirty days; other keys are left out."""
    service = StatisticsService(work)
    return SpentAnswer(stats=await service.spent_by_keys(body.api_key_ids, owner_id=work.actor.user_id))


def _sides(text: str, source: str) -> tuple[str, str]:
    """What the client's side and what the upstream's side of a record must be; "" is anything."""
    if source in ("mapping", "path"):
        asked, _, sent = text.partition(" -> ")
        return asked, sent
    return ("", text) if source == "upstream" else (text, "")


async def _stats(work: Work, deps: Deps) -> AdminTotals:
    answer, _ = await deps.memo.get(
        "stats",
        lambda: admin_totals(work, started_at_ms=deps.started_at_ms),
        ttl_s=STATS_TTL_S,
        now_ms=work.now_ms(),
    )
    return answer
