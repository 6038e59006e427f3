"""HTTP of the audit log. There is no way to change it."""

from typing import Annotated

from fastapi import Query

from headgate.control.audit.repository import AuditFilter, AuditRepository
from headgate.control.audit.schemas import AuditEntryView, entry_view
from headgate.control.web.envelope import Page, PagingParams
from headgate.control.web.fields import Deadline, IdQuery, Search, deadline
from headgate.control.web.permissions import may
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("/admin", tag="audit log")

_Instant = Annotated[Deadline, Query(description="RFC 3339 or seconds since 1970; without zone: UTC")]


@routes.route("GET", "/audit-log", Permission.READ)
async def list_entries(
    work: CurrentWork,
    paging: PagingParams,
    actor_id: IdQuery = None,
    actor: Search = "",
    action: Search = "",
    target_kind: Search = "",
    target_id: Search = "",
    outcome: Search = "",
    since: _Instant = None,
    until: _Instant = None,
    search: Search = "",
) -> Page[AuditEntryView]:
    """Who changed what, newest first. `actor`: part of the e-mail, or user, admin_key, cli, anonymous."""
    wanted = AuditFilter(
        actor_id=actor_id,
        actor=actor,
        action=action,
        target_kind=target_kind,
        target_id=target_id,
        outcome=outcome,
        since_ms=_ms(since),
        until_ms=_ms(until),
        search=search,
        hides_amounts=not may(work.actor.role, Permission.AMOUNTS),
    )
    rows, total = await AuditRepository(work.session).page(wanted, paging)
    return paging.wrap([entry_view(row) for row in rows], total)


def _ms(given: Deadline) -> int | None:
    instant = deadline(given)
    return None if instant is None else round(instant.timestamp() * 1000)
