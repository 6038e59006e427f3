"""HTTP of the live events."""

from typing import Annotated

from fastapi import Header, Request

from headgate.control.auth.gate import authenticate_user
from headgate.control.events.stream import EventStream
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.work import Actor

routes = RouteTable("", tag="events")


@routes.route("GET", "/events", Permission.USER, produces="text/event-stream")
async def events(
    request: Request,
    work: CurrentWork,
    deps: Deps,
    last_event_id: Annotated[str, Header(max_length=400)] = "",
) -> EventStream:
    """Server-sent events for open pages, as far as the caller's role goes: `me` (balance, requests in flight
    and waiting), `directory` (something of the configuration changed), and with the permission to read the
    administration `counters`, `queue` and `accounts` (how each stands; first all, then what changed). Each
    event carries a state, so that nothing is missed; with `Last-Event-ID` only what differs is told. Every
    15 seconds a `beat`; `bye` says why the stream ends."""

    async def check() -> Actor:
        return await authenticate_user(deps, request.headers, method="GET")

    return EventStream(request.app.state.events, work.actor, check, deps.clock, last_event_id)
