"""Accounts as the API shows them, with what belongs to them, in a fixed number of queries."""

from collections.abc import Sequence
from datetime import datetime

from headgate.control.accounts.live_limits import limited, window_cost_usd
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.schemas import (
    AccountGroupView,
    AccountView,
    TempUnschedulableState,
    TempUnschedulableView,
    account_view,
)
from headgate.control.groups.repository import GroupRepository
from headgate.control.groups.schemas import group_view
from headgate.control.proxies.schemas import proxy_view
from headgate.control.work import Work
from headgate.kit import json
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import AccountRow


async def account_views(work: Work, rows: Sequence[AccountRow], *, is_live: bool) -> list[AccountView]:
    ids = [row.id for row in rows]
    accounts = AccountRepository(work.session)
    links = await accounts.links(ids)
    groups = await GroupRepository(work.session).by_ids(
        {link.group_id for some in links.values() for link in some}
    )
    proxies = await accounts.proxies([row.proxy_id for row in rows if row.proxy_id is not None])
    in_use = await work.deps.live.accounts(ids) if is_live else {}
    views = []
    for row in rows:
        own = [link for link in links.get(row.id, []) if link.group_id in groups]
        proxy = proxies.get(row.proxy_id) if row.proxy_id is not None else None
        view = account_view(
            row,
            work.deps.vault,
            links=[
                AccountGroupView(account_id=row.id, group_id=link.group_id, priority=link.priority)
                for link in own
            ],
            groups=[group_view(groups[link.group_id]) for link in own],
            proxy=proxy_view(proxy) if proxy else None,
            in_use=in_use.get(row.id, 0),
            now_ms=work.now_ms(),
        )
        views.append(view.model_copy(update=await _live(work, row)) if is_live else view)
    return views


async def _live(work: Work, row: AccountRow) -> dict[str, float | int | None]:
    """Display only: a store that does not answer shows nothing instead of failing the page."""
    extra = row.extra or {}
    try:
        found = await limited(work, row.id, extra)
        cost_usd = await window_cost_usd(work, row.id, extra)
    except StateUnavailable:
        return {}
    return {
        "current_window_cost": cost_usd,
        "active_sessions": None if found.sessions is None else found.sessions[0],
        "current_rpm": None if found.rpm is None else found.rpm[0],
    }


def temp_unschedulable_view(row: AccountRow, now: datetime) -> TempUnschedulableView:
    until = row.temp_unschedulable_until
    if until is None or until <= now:
        return TempUnschedulableView(active=False)
    try:
        reason = json.loads(row.temp_unschedulable_reason or "{}")
    except json.JSONDecodeError:
        reason = {"error_message": row.temp_unschedulable_reason}
    fields = (
        {name: reason.get(name) for name in TempUnschedulableState.model_fields}
        if isinstance(reason, dict)
        else {}
    )
    fields["until_unix"] = int(until.timestamp())
    return TempUnschedulableView(active=True, state=TempUnschedulableState(**fields))
