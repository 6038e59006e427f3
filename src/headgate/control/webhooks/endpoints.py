"""HTTP of webhooks."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Query

from headgate.control.web.envelope import MessageView, Page, PagingParams
from headgate.control.web.fields import IdPath, IdQuery
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable
from headgate.control.webhooks.events import EventType
from headgate.control.webhooks.schemas import (
    DeliveryDetail,
    DeliveryView,
    EndpointCreate,
    EndpointUpdate,
    EndpointView,
    NewEndpointView,
    ReplayBody,
    ReplayView,
    TestView,
    delivery_detail,
    delivery_view,
    endpoint_view,
)
from headgate.control.webhooks.service import WebhookService

routes = RouteTable("/admin/webhooks", tag="webhooks")

Status = Annotated[Literal["", "pending", "delivered", "failed"], Query()]


@routes.route("GET", "", Permission.READ)
async def list_endpoints(work: CurrentWork, deps: Deps, paging: PagingParams) -> Page[EndpointView]:
    """Who is told of events."""
    rows, total = await WebhookService(work, deps).page(paging)
    return paging.wrap([endpoint_view(row) for row in rows], total)


@routes.route("POST", "", Permission.SECRETS, status=201)
async def create_endpoint(body: EndpointCreate, work: CurrentWork, deps: Deps) -> NewEndpointView:
    """Tell an address of events. The signing secret is shown once, in this response."""
    row, secret = await WebhookService(work, deps).create(body)
    return NewEndpointView(**endpoint_view(row).model_dump(), secret=secret)


@routes.route("GET", "/event-types", Permission.READ)
async def event_types() -> Sequence[str]:
    """What can be listened to."""
    return [kind.value for kind in EventType]


@routes.route("GET", "/deliveries", Permission.READ)
async def list_deliveries(
    work: CurrentWork, deps: Deps, paging: PagingParams, endpoint_id: IdQuery = None, status: Status = ""
) -> Page[DeliveryView]:
    """What was delivered, is under way, or failed; newest first."""
    found, total = await WebhookService(work, deps).deliveries(endpoint_id, status, paging)
    return paging.wrap([delivery_view(row, event) for row, event in found], total)


@routes.route("GET", "/deliveries/{delivery_id}", Permission.READ)
async def get_delivery(delivery_id: IdPath, work: CurrentWork, deps: Deps) -> DeliveryDetail:
    """One delivery with what is sent."""
    return delivery_detail(*await WebhookService(work, deps).delivery(delivery_id))


@routes.route("POST", "/deliveries/{delivery_id}/replay", Permission.OPERATE)
async def send_again(delivery_id: IdPath, work: CurrentWork, deps: Deps) -> DeliveryView:
    """Send the same event once more, under its id."""
    return delivery_view(*await WebhookService(work, deps).send_again(delivery_id))


@routes.route("GET", "/{endpoint_id}", Permission.READ)
async def get_endpoint(endpoint_id: IdPath, work: CurrentWork, deps: Deps) -> EndpointView:
    """One endpoint."""
    return endpoint_view(await WebhookService(work, deps).get(endpoint_id))


@routes.route("PUT", "/{endpoint_id}", Permission.SECRETS)
async def update_endpoint(
    endpoint_id: IdPath, body: EndpointUpdate, work: CurrentWork, deps: Deps
) -> EndpointView:
    """Change it; absent fields stay."""
    return endpoint_view(await WebhookService(work, deps).update(endpoint_id, body))


@routes.route("DELETE", "/{endpoint_id}", Permission.SECRETS)
async def delete_endpoint(endpoint_id: IdPath, work: CurrentWork, deps: Deps) -> MessageView:
    """Stop telling it, and forget its deliveries."""
    await WebhookService(work, deps).delete(endpoint_id)
    return MessageView(message="webhook deleted")


@routes.route("POST", "/{endpoint_id}/rotate-secret", Permission.SECRETS)
async def rotate_secret(endpoint_id: IdPath, work: CurrentWork, deps: Deps) -> NewEndpointView:
    """A new signing secret, shown once, in this response; the old one signs nothing more."""
    row, secret = await WebhookService(work, deps).rotate(endpoint_id)
    return NewEndpointView(**endpoint_view(row).model_dump(), secret=secret)


@routes.route("POST", "/{endpoint_id}/test", Permission.OPERATE)
async def try_out(endpoint_id: IdPath, work: CurrentWork, deps: Deps) -> TestView:
    """Send a test event now, and say how it went."""
    return await WebhookService(work, deps).try_out(endpoint_id)


@routes.route("POST", "/{endpoint_id}/replay", Permission.OPERATE)
async def replay(endpoint_id: IdPath, body: ReplayBody, work: CurrentWork, deps: Deps) -> ReplayView:
    """Send events since an instant once more: those that failed, or all."""
    return ReplayView(queued=await WebhookService(work, deps).replay(endpoint_id, body))
