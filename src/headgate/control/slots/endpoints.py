"""HTTP of the slot views: for admins by resource, for users their own."""

from typing import Annotated

from fastapi import Query

from headgate.control.slots.schemas import AdminSlotsView, OwnSlotsView
from headgate.control.slots.service import SlotService, resource_from
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("", tag="slots")


@routes.route("GET", "/admin/slots", Permission.READ)
async def slots_of(resource: Annotated[str, Query(max_length=30)], work: CurrentWork) -> AdminSlotsView:
    """Who holds the slots of `user:<id>`, `key:<id>`, `account:<id>` or `group:<id>`, since when, and how
    many wait."""
    return await SlotService(work).of(resource_from(resource))


@routes.route("GET", "/slots", Permission.USER)
async def own_slots(work: CurrentWork) -> OwnSlotsView:
    """Which of the caller's requests hold slots, since when, and how many wait."""
    return await SlotService(work).own()
