"""Telling: the event and its deliveries are written in the transaction in which the thing happens, so that
what is rolled back was never told, and what happened is told whatever dies afterwards."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.webhooks.events import EventType
from headgate.kit import json
from headgate.kit.clock import instant
from headgate.storage.models import WebhookDeliveryRow, WebhookEndpointRow, WebhookEventRow


async def tell(session: AsyncSession, kind: EventType, data: Mapping[str, Any], *, now_ms: int) -> str | None:
    """The event's id; None when nobody wants to hear of it."""
    endpoints = await listeners(session, kind)
    if not endpoints:
        return None
    event = add_event(session, kind, data, now_ms=now_ms)
    await session.flush()
    for endpoint in endpoints:
        add_delivery(session, endpoint.id, event.id, now_ms=now_ms)
    return event.id


async def listeners(session: AsyncSession, *kinds: EventType) -> Sequence[WebhookEndpointRow]:
    """Active endpoints that hear of any of these."""
    found = await session.scalars(
        select(WebhookEndpointRow)
        .where(WebhookEndpointRow.status == "active")
        .order_by(WebhookEndpointRow.id)
    )
    return [row for row in found if not row.events or set(kinds) & set(row.events)]


def add_event(
    session: AsyncSession, kind: EventType, data: Mapping[str, Any], *, now_ms: int
) -> WebhookEventRow:
    event_id = f"evt_{now_ms:012x}{secrets.token_hex(8)}"
    document = {
        "id": event_id,
        "type": kind.value,
        "timestamp": instant(now_ms).isoformat(),
        "data": dict(data),
    }
    row = WebhookEventRow(id=event_id, type=kind.value, at_ms=now_ms, payload=json.dumps(document).decode())
    session.add(row)
    return row


def add_delivery(
    session: AsyncSession, endpoint_id: int, event_id: str, *, now_ms: int
) -> WebhookDeliveryRow:
    row = WebhookDeliveryRow(
        endpoint_id=endpoint_id,
        event_id=event_id,
        status="pending",
        attempts=0,
        next_at_ms=now_ms,
        created_at=instant(now_ms),
    )
    session.add(row)
    return row
