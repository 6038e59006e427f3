"""Webhook endpoints and their deliveries: make, change, try out, look, send again."""

import secrets
from collections.abc import Sequence
from datetime import UTC

from sqlalchemy import func, select

from headgate.control.deps import ControlDeps
from headgate.control.web.envelope import Paging
from headgate.control.webhooks.delivery import CONTEXT, opened, send
from headgate.control.webhooks.events import EventType, secret_from
from headgate.control.webhooks.outbox import add_delivery, add_event
from headgate.control.webhooks.schemas import EndpointCreate, EndpointUpdate, ReplayBody, TestView
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict, NotFound
from headgate.storage.models import WebhookDeliveryRow, WebhookEndpointRow, WebhookEventRow

MAX_ENDPOINTS = 50
MAX_REPLAYED = 1_000
Found = tuple[WebhookDeliveryRow, WebhookEventRow]


class WebhookService:
    def __init__(self, work: Work, deps: ControlDeps) -> None:
        self._work = work
        self._deps = deps
        self._session = work.session

    async def page(self, paging: Paging) -> tuple[Sequence[WebhookEndpointRow], int]:
        row = WebhookEndpointRow
        total = await self._session.scalar(select(func.count()).select_from(row))
        found = await self._session.scalars(
            select(row).order_by(row.id).limit(paging.page_size).offset(paging.offset)
        )
        return found.all(), total or 0

    async def get(self, endpoint_id: int) -> WebhookEndpointRow:
        """Raises WEBHOOK_NOT_FOUND."""
        row = await self._session.get(WebhookEndpointRow, endpoint_id)
        if row is None:
            raise NotFound("webhook not found", reason="WEBHOOK_NOT_FOUND")
        return row

    async def create(self, draft: EndpointCreate) -> tuple[WebhookEndpointRow, str]:
        """With its secret. Raises INVALID_WEBHOOK_URL, WEBHOOK_LIMIT."""
        count = await self._session.scalar(select(func.count()).select_from(WebhookEndpointRow))
        if (count or 0) >= MAX_ENDPOINTS:
            raise Conflict(f"there are {MAX_ENDPOINTS} webhooks already", reason="WEBHOOK_LIMIT")
        await self._require_usable(draft.url)
        secret, now = _new_secret(), self._work.now()
        row = WebhookEndpointRow(
            name=draft.name,
            url=draft.url.strip(),
            secret_sealed=self._sealed(secret),
            events=sorted(set(draft.events)),
            status="active",
            created_at=now,
            updated_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        return row, secret

    async def update(self, endpoint_id: int, change: EndpointUpdate) -> WebhookEndpointRow:
        """Raises WEBHOOK_NOT_FOUND, INVALID_WEBHOOK_URL."""
        row = await self.get(endpoint_id)
        if change.url is not None and change.url.strip() != row.url:
            await self._require_usable(change.url)
            row.url = change.url.strip()
        if change.name is not None:
            row.name = change.name
        if change.events is not None:
            row.events = sorted(set(change.events))
        if change.status is not None:
            row.status, row.status_reason = change.status, ""
        row.updated_at = self._work.now()
        return row

    async def rotate(self, endpoint_id: int) -> tuple[WebhookEndpointRow, str]:
        """A new secret; the old one signs nothing more. Raises WEBHOOK_NOT_FOUND."""
        row, secret = await self.get(endpoint_id), _new_secret()
        row.secret_sealed, row.updated_at = self._sealed(secret), self._work.now()
        return row, secret

    async def delete(self, endpoint_id: int) -> None:
        """With its deliveries. Raises WEBHOOK_NOT_FOUND."""
        await self._session.delete(await self.get(endpoint_id))

    async def try_out(self, endpoint_id: int) -> TestView:
        """Send a test event now, whatever the endpoint listens to. Raises WEBHOOK_NOT_FOUND."""
        row = await self.get(endpoint_id)
        url, secret = row.url, opened(self._deps.vault, row.secret_sealed)
        event = add_event(self._session, EventType.TEST, {"endpoint_id": row.id}, now_ms=self._work.now_ms())
        self._session.expunge(event)  # of a test nothing is kept
        await self._work.release_connection()
        status, error = await send(self._deps, url, secret, event.id, event.payload.encode())
        return TestView(delivered=not error, answer_status=status, error=error)

    async def deliveries(
        self, endpoint_id: int | None, status: str, paging: Paging
    ) -> tuple[Sequence[Found], int]:
        """Newest first."""
        delivery = WebhookDeliveryRow
        conditions = [] if endpoint_id is None else [delivery.endpoint_id == endpoint_id]
        if status:
            conditions.append(delivery.status == status)
        total = await self._session.scalar(select(func.count()).select_from(delivery).where(*conditions))
        found = await self._session.execute(
            select(delivery, WebhookEventRow)
            .join(WebhookEventRow, WebhookEventRow.id == delivery.event_id)
            .where(*conditions)
            .order_by(delivery.id.desc())
            .limit(paging.page_size)
            .offset(paging.offset)
        )
        return [(row[0], row[1]) for row in found], total or 0

    async def delivery(self, delivery_id: int) -> Found:
        """Raises WEBHOOK_DELIVERY_NOT_FOUND."""
        row = await self._session.get(WebhookDeliveryRow, delivery_id)
        event = None if row is None else await self._session.get(WebhookEventRow, row.event_id)
        if row is None or event is None:
            raise NotFound("delivery not found", reason="WEBHOOK_DELIVERY_NOT_FOUND")
        return row, event

    async def send_again(self, delivery_id: int) -> Found:
        """A new delivery of the same event, under the same id. Raises WEBHOOK_DELIVERY_NOT_FOUND."""
        row, event = await self.delivery(delivery_id)
        made = add_delivery(self._session, row.endpoint_id, event.id, now_ms=self._work.now_ms())
        await self._session.flush()
        return made, event

    async def replay(self, endpoint_id: int, body: ReplayBody) -> int:
        """Events since an instant, once more; only those that did not arrive, or all that it listens to.
        Raises WEBHOOK_NOT_FOUND, INVALID_INPUT (too many)."""
        endpoint = await self.get(endpoint_id)
        since = body.since if body.since.tzinfo else body.since.replace(tzinfo=UTC)
        event, delivery = WebhookEventRow, WebhookDeliveryRow
        query = select(event.id, event.type).where(event.at_ms >= round(since.timestamp() * 1000))
        if body.only_failed:
            failed = select(delivery.event_id).where(
                delivery.endpoint_id == endpoint.id, delivery.status == "failed"
            )
            arrived = select(delivery.event_id).where(
                delivery.endpoint_id == endpoint.id, delivery.status != "failed"
            )
            query = query.where(event.id.in_(failed), event.id.not_in(arrived))
        found = (await self._session.execute(query.order_by(event.at_ms).limit(MAX_REPLAYED + 1))).all()
        wanted = [row.id for row in found if not endpoint.events or row.type in endpoint.events]
        if len(found) > MAX_REPLAYED:
            raise BadRequest(f"more than {MAX_REPLAYED} events; name a later instant")
        for event_id in wanted:
            add_delivery(self._session, endpoint.id, event_id, now_ms=self._work.now_ms())
        return len(wanted)

    async def _require_usable(self, url: str) -> None:
        if (problem := await self._deps.web.problem_with(url.strip())) is not None:
            raise BadRequest(f"url: {problem}", reason="INVALID_WEBHOOK_URL")

    def _sealed(self, secret: str) -> bytes:
        return self._deps.vault.seal(secret.encode(), context=CONTEXT)


def _new_secret() -> str:
    return secret_from(secrets.token_bytes(24))
