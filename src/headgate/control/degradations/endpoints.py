"""HTTP of what does not work as it should right now."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from headgate.control.web.routing import Deps, Permission, RouteTable
from headgate.core.routing.degradation import Degradation, Ends, Kind
from headgate.kit.clock import instant

routes = RouteTable("/admin", tag="accounts")


class DegradationView(BaseModel):
    kind: Kind
    ends: Ends
    """How it ends: at its time, with the next answer, by itself, or by an operator."""
    account_id: int | None
    group_id: int | None
    name: str
    """Of the account or group."""
    model: str
    """Upstream model (or pattern of model routing) that alone is concerned; empty: everything."""
    cause: str
    evidence: str
    since: datetime | None
    until: datetime | None


@routes.route("GET", "/degradations", Permission.READ)
async def degradations(deps: Deps) -> Sequence[DegradationView]:
    """Everything that is out, avoided or in a fallback right now, with its cause and its end; empty: all is
    well. What lives in one process (poisoned requests, stopped billing, a stale directory) is that of the
    process that answers."""
    return [_view(found) for found in await deps.degradations()]


def _view(found: Degradation) -> DegradationView:
    return DegradationView(
        kind=found.kind,
        ends=found.ends,
        account_id=found.account_id,
        group_id=found.group_id,
        name=found.name,
        model=found.model,
        cause=found.cause,
        evidence=found.evidence,
        since=_moment(found.since_ms),
        until=_moment(found.until_ms),
    )


def _moment(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else instant(at_ms)
