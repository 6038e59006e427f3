"""Delivering: signed, through the address guard, tried again with growing pauses, never redirected.

A delivery is claimed before it is sent: whoever dies while sending leaves it to be sent again after a minute.
Receivers may therefore see an event twice, under the same `webhook-id`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import CursorResult, delete, select, update

from headgate.control.deps import ControlDeps, UnitOfWorkFactory
from headgate.control.webhooks.events import retry_at_ms, signed_headers
from headgate.kit.clock import Clock, instant
from headgate.kit.crypto import SealBroken, Vault
from headgate.settings import WebhookSettings
from headgate.storage.models import WebhookDeliveryRow, WebhookEndpointRow, WebhookEventRow
from headgate.upstream.web import WebFailed, WebRequest

log = structlog.get_logger(__name__)

EVERY_S = 2.0
LOCK, LOCK_S = "job:webhook-delivery", 120.0
AT_ONCE = 10
BATCH = 50
CLAIM_MS = 60_000
"""Longer than an attempt can take."""
DAY_MS = 86_400_000
CONTEXT = "webhook.secret"
_GONE = 410


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    delivery_id: int
    endpoint_id: int
    url: str
    secret: str
    event_id: str
    payload: bytes
    attempts: int


async def deliver_due(deps: ControlDeps) -> int:
    """How many attempts were made. Whoever holds the lock works until nothing is due."""
    token = await deps.state.locks.acquire(LOCK, ttl_s=LOCK_S)
    if token is None:
        return 0
    made = 0
    try:
        while jobs := await _claim(deps):
            limit = asyncio.Semaphore(AT_ONCE)
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(_attempt(deps, job, limit), name=f"webhook:{job.delivery_id}")
            made += len(jobs)
            if not await deps.state.locks.renew(LOCK, token, ttl_s=LOCK_S):
                return made
    finally:
        await deps.state.locks.release(LOCK, token)
    return made


async def delete_old_events(uow: UnitOfWorkFactory, clock: Clock, settings: WebhookSettings) -> int:
    """Events and their deliveries, delivered or not."""
    if settings.retention_days == 0:
        return 0
    event = WebhookEventRow
    end = clock.now_ms() - settings.retention_days * DAY_MS
    oldest = select(event.id).where(event.at_ms < end).order_by(event.at_ms).limit(500).scalar_subquery()
    async with uow() as work:
        await work.session.execute(
            delete(WebhookDeliveryRow)
            .where(WebhookDeliveryRow.event_id.in_(oldest))
            .execution_options(synchronize_session=False)
        )
        result = await work.session.execute(
            delete(event).where(event.id.in_(oldest)).execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount


async def _claim(deps: ControlDeps) -> Sequence[_Job]:
    now_ms = deps.clock.now_ms()
    delivery, endpoint, event = WebhookDeliveryRow, WebhookEndpointRow, WebhookEventRow
    async with deps.uow() as uow:
        found = await uow.session.execute(
            select(delivery, endpoint, event)
            .join(endpoint, endpoint.id == delivery.endpoint_id)
            .join(event, event.id == delivery.event_id)
            .where(delivery.status == "pending", delivery.next_at_ms <= now_ms, endpoint.status == "active")
            .order_by(delivery.next_at_ms, delivery.id)
            .limit(BATCH)
        )
        jobs = [
            _Job(
                delivery_id=row.id,
                endpoint_id=target.id,
                url=target.url,
                secret=opened(deps.vault, target.secret_sealed),
                event_id=what.id,
                payload=what.payload.encode(),
                attempts=row.attempts,
            )
            for row, target, what in found
        ]
        ids = [job.delivery_id for job in jobs]
        await uow.session.execute(
            update(delivery)
            .where(delivery.id.in_(ids))
            .values(next_at_ms=now_ms + CLAIM_MS)
            .execution_options(synchronize_session=False)
        )
    return jobs


async def _attempt(deps: ControlDeps, job: _Job, limit: asyncio.Semaphore) -> None:
    async with limit:
        status, error = await send(deps, job.url, job.secret, job.event_id, job.payload)
    now_ms = deps.clock.now_ms()
    async with deps.uow() as uow:
        row = await uow.session.get(WebhookDeliveryRow, job.delivery_id)
        if row is None:
            return  # deleted meanwhile
        row.attempts, row.answer_status, row.error = job.attempts + 1, status, error
        if not error:
            row.status, row.finished_at = "delivered", instant(now_ms)
            return
        again = retry_at_ms(row.attempts, now_ms)
        if again is None or status == _GONE:
            row.status, row.finished_at = "failed", instant(now_ms)
        else:
            row.next_at_ms = again
        if status == _GONE:
            endpoint = await uow.session.get(WebhookEndpointRow, job.endpoint_id)
            if endpoint is not None:
                endpoint.status, endpoint.status_reason = "inactive", "the receiver answered 410 Gone"
    log.info("webhook_failed", endpoint_id=job.endpoint_id, delivery_id=job.delivery_id, status=status)


async def send(
    deps: ControlDeps, url: str, secret: str, event_id: str, payload: bytes
) -> tuple[int | None, str]:
    """One attempt: the status, and what was wrong; empty when the receiver took it (2xx)."""
    if not secret:
        return None, "the secret cannot be read with this installation's key; make a new one"
    headers = signed_headers(secret, event_id, payload, deps.clock.now_ms() // 1000)
    try:
        answer = await deps.web.send(WebRequest("POST", url, headers, payload))
    except WebFailed as failure:
        return None, str(failure)[:300]
    if 200 <= answer.status < 300:
        return answer.status, ""
    return answer.status, f"the receiver answered {answer.status}"


def opened(vault: Vault, sealed: bytes) -> str:
    try:
        return vault.unseal(sealed, context=CONTEXT).decode()
    except SealBroken:
        return ""
