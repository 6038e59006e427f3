"""HTTP of usage, for users (their own) and admins."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Path, Response

from headgate.control.keys.service import KeyService
from headgate.control.usage.export import csv_document
from headgate.control.usage.finding import FoundKey, FoundUser, find_keys, find_users
from headgate.control.usage.query import UsageQuery
from headgate.control.usage.review import ReviewReason, ReviewService
from headgate.control.usage.review_schemas import ReviewBody, ReviewedView, reviewed_view
from headgate.control.usage.schemas import (
    AdminUsageStats,
    AdminUsageView,
    UsageDetail,
    UsageExplanation,
    UsageStats,
    UsageView,
    admin_usage_view,
    usage_view,
)
from headgate.control.usage.service import UsageService
from headgate.control.web.csv_cells import MAX_ROWS, MEDIA_TYPE, headers
from headgate.control.web.envelope import Page, Paging, PagingParams
from headgate.control.web.fields import IdPath, IdQuery, Search
from headgate.control.web.permissions import may
from headgate.control.web.routing import CurrentWork, Permission, RouteTable
from headgate.control.work import Work

routes = RouteTable("", tag="usage")


def _common(
    model: Search = "",
    request_type: Search = "",
    stream: Search = "",
    billing_type: Search = "",
    start_date: Search = "",
    end_date: Search = "",
    timezone: Search = "",
    period: Search = "",
    api_key_id: IdQuery = None,
) -> UsageQuery:
    return UsageQuery(
        model=model,
        request_type=request_type,
        stream=stream,
        billing_type=billing_type,
        start_date=start_date,
        end_date=end_date,
        timezone=timezone,
        period=period,
        api_key_id=api_key_id,
    )


Common = Annotated[UsageQuery, Depends(_common)]


def _admin(
    common: Common, user_id: IdQuery = None, account_id: IdQuery = None, group_id: IdQuery = None
) -> UsageQuery:
    return replace(common, user_id=user_id, account_id=account_id, group_id=group_id)


AdminQuery = Annotated[UsageQuery, Depends(_admin)]
Reference = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_:-]+$")]


@routes.route("GET", "/usage", Permission.USER)
async def own_usage(work: CurrentWork, paging: PagingParams, query: Common) -> Page[UsageView]:
    """The caller's records, newest first."""
    service = UsageService(work)
    rows, total = await service.page(await own_query(work, query), paging, hides_failed=True, exact=True)
    names = await service.references(rows)
    return paging.wrap([usage_view(row, names) for row in rows], total)


@routes.route("GET", "/usage/stats", Permission.USER)
async def own_stats(work: CurrentWork, query: Common) -> UsageStats:
    """Sums of the caller's records: `period` today (default), week or month, or dates."""
    return await UsageService(work).stats(await own_query(work, query), hides_failed=True)


@routes.route("GET", "/usage/export", Permission.USER, produces="text/csv")
async def export_own(work: CurrentWork, query: Common) -> Response:
    """The newest 10,000 of the caller's records as CSV. `X-Total-Count` says how many there are."""
    return await _exported(work, await own_query(work, query), for_admin=False)


@routes.route("GET", "/usage/{record_id}", Permission.USER)
async def own_record(record_id: IdPath, work: CurrentWork) -> UsageDetail:
    """One of the caller's records, with how it came about."""
    return await UsageService(work).detail(record_id)


@routes.route("GET", "/admin/usage", Permission.READ)
async def all_usage(
    work: CurrentWork, paging: PagingParams, query: AdminQuery, exact_total: bool = False
) -> Page[AdminUsageView]:
    """Records, newest first. Without a user, key or account the total is an estimate unless `exact_total`."""
    service = UsageService(work)
    rows, total = await service.page(query, paging, hides_failed=False, exact=exact_total)
    names = await service.references(rows, for_admin=True)
    return paging.wrap([admin_usage_view(row, names) for row in rows], total)


@routes.route("GET", "/admin/usage/stats", Permission.READ)
async def all_stats(work: CurrentWork, query: AdminQuery) -> AdminUsageStats:
    """Sums: `period` today (default), week or month, or dates; at most 31 days without a user, key or
    account."""
    return await UsageService(work).admin_stats(query)


@routes.route("GET", "/admin/usage/export", Permission.READ, produces="text/csv")
async def export_all(work: CurrentWork, query: AdminQuery) -> Response:
    """The newest 10,000 records as CSV. `X-Total-Count` says how many there are, up to 100,000. Without
    the columns of amounts for a role that may not see them."""
    return await _exported(work, query, for_admin=True)


@routes.route("GET", "/admin/usage/search-users", Permission.READ)
async def search_users(work: CurrentWork, q: Search = "") -> Sequence[FoundUser]:
    """At most 30 users whose e-mail or name holds the text, newest first."""
    return await find_users(work, q)


@routes.route("GET", "/admin/usage/search-api-keys", Permission.READ)
async def search_keys(work: CurrentWork, q: Search = "", user_id: IdQuery = None) -> Sequence[FoundKey]:
    """At most 30 keys whose name holds the text, newest first."""
    return await find_keys(work, q, user_id)


@routes.route("GET", "/admin/usage/review", Permission.READ)
async def to_review(
    work: CurrentWork, paging: PagingParams, reason: ReviewReason | None = None
) -> Page[AdminUsageView]:
    """Records with estimated usage, a default price or a report that cannot be true, until somebody has
    looked at them; newest first."""
    rows, total = await ReviewService(work).page(reason, paging)
    names = await UsageService(work).references(rows, for_admin=True)
    return paging.wrap([admin_usage_view(row, names) for row in rows], total)


@routes.route("POST", "/admin/usage/{record_id}/review", Permission.MONEY, idempotent="admin.usage.review")
async def review(record_id: IdPath, body: ReviewBody, work: CurrentWork) -> ReviewedView:
    """Take a record off the review list. With the usage that was really made, the difference to what was
    charged becomes new ledger lines; the record itself stays as it is."""
    row, corrected = await ReviewService(work).review(record_id, body)
    names = await UsageService(work).references([row], for_admin=True)
    return reviewed_view(row, names, corrected)


@routes.route("GET", "/admin/usage/{record_id}", Permission.READ)
async def any_record(record_id: IdPath, work: CurrentWork) -> AdminUsageView:
    """One record."""
    return await UsageService(work).admin_view(record_id)


@routes.route("GET", "/admin/usage/{reference}/explain", Permission.READ)
async def explain(reference: Reference, work: CurrentWork) -> UsageExplanation:
    """Why an exchange went as it did: all attempts and the whole trace. By record id or request id."""
    return await UsageService(work).explain(reference)


async def _exported(work: Work, query: UsageQuery, *, for_admin: bool) -> Response:
    service, paging = UsageService(work), Paging(page_size=MAX_ROWS)
    rows, total = await service.page(query, paging, hides_failed=not for_admin, exact=True)
    names = await service.references(rows, for_admin=for_admin)
    hides_amounts = for_admin and not may(work.actor.role, Permission.AMOUNTS)
    content = csv_document(rows, names, for_admin=for_admin, hides_amounts=hides_amounts)
    return Response(content, media_type=MEDIA_TYPE, headers=headers("usage", total))


async def own_query(work: Work, query: UsageQuery) -> UsageQuery:
    """Limited to the caller. Raises INSUFFICIENT_PERMISSIONS for somebody else's key."""
    if query.api_key_id is not None:
        await KeyService(work).own(query.api_key_id)
    return replace(query, user_id=work.actor.user_id)
