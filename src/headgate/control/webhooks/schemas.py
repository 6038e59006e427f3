"""Bodies and answers about webhooks. The secret is shown once, when it is made."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from headgate.control.web.fields import Name, RequestBody
from headgate.control.webhooks.events import EventType
from headgate.kit import json
from headgate.kit.clock import instant
from headgate.storage.models import WebhookDeliveryRow, WebhookEndpointRow, WebhookEventRow

Events = Annotated[list[EventType], Field(max_length=50)]
Url = Annotated[str, Field(min_length=1, max_length=2048)]


class EndpointCreate(RequestBody):
    name: Name
    url: Url
    events: Events = Field(default_factory=list)
    """Empty: all."""


class EndpointUpdate(RequestBody):
    """Absent fields stay."""

    name: Name | None = None
    url: Url | None = None
    events: Events | None = None
    status: Literal["active", "inactive"] | None = None


class ReplayBody(RequestBody):
    since: datetime
    """Events from then on are sent once more; without a zone: UTC."""
    only_failed: bool = True


class EndpointView(BaseModel):
    id: int
    name: str
    url: str
    events: Sequence[str]
    status: str
    status_reason: str
    created_at: datetime
    updated_at: datetime


class NewEndpointView(EndpointView):
    secret: str
    """`whsec_...`, for the receiver; shown once, in this response."""


class DeliveryView(BaseModel):
    id: int
    endpoint_id: int
    event_id: str
    event_type: str
    status: str
    """pending, delivered or failed."""
    attempts: int
    answer_status: int | None
    error: str
    next_at: datetime | None
    created_at: datetime
    finished_at: datetime | None


class DeliveryDetail(DeliveryView):
    payload: Mapping[str, Any]


class TestView(BaseModel):
    delivered: bool
    answer_status: int | None
    error: str


class ReplayView(BaseModel):
    queued: int


def endpoint_view(row: WebhookEndpointRow) -> EndpointView:
    return EndpointView(
        id=row.id,
        name=row.name,
        url=row.url,
        events=row.events or [],
        status=row.status,
        status_reason=row.status_reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def delivery_view(row: WebhookDeliveryRow, event: WebhookEventRow) -> DeliveryView:
    is_open = row.status == "pending"
    return DeliveryView(
        id=row.id,
        endpoint_id=row.endpoint_id,
        event_id=event.id,
        event_type=event.type,
        status=row.status,
        attempts=row.attempts,
        answer_status=row.answer_status,
        error=row.error,
        next_at=instant(row.next_at_ms) if is_open else None,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def delivery_detail(row: WebhookDeliveryRow, event: WebhookEventRow) -> DeliveryDetail:
    return DeliveryDetail(**delivery_view(row, event).model_dump(), payload=json.loads(event.payload))
