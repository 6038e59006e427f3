"""HTTP of the slot views: for admins by resource, for users their own."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from headgate.control.slots.busy import busiest
from headgate.control.slots.schemas import AdminSlotsView, BusyView, OwnSlotsView
from headgate.control.slots.service import SlotService, resource_from
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("", tag="slots")


@routes.route("GET", "/admin/slots", Permission.READ)
async def slots_of(resource: Annotated[str, Query(max_length=30)], work: CurrentWork) -> AdminSlotsView:
    """Who holds the slots of `user:<id>`, `key:<id>`, `account:<id>` or `group:<id>`, since when, and how
    many wait."""
    return await SlotService(work).of(resource_from(resource))


@routes.route("GET", "/admin/slots/busy", Permission.READ)
async def busy(work: CurrentWork, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> Sequence[BusyView]:
    """Where requests are under way or wait right now: users, accounts and groups with shared slots; those
    that are waited for most first."""
    return await busiest(work, limit=limit)


@routes.route("GET", "/slots", Permission.USER)
async def own_slots(work: CurrentWork) -> OwnSlotsView:
    """Which of the caller's requests hold slots, since when, and how many wait."""
    return await SlotService(work).own()
