"""The audit log as the API shows it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from headgate.kit import json
from headgate.kit.clock import instant
from headgate.storage.models import AuditLogRow


class AuditEntryView(BaseModel):
    id: int
    at: datetime
    actor_id: int | None
    actor_kind: str
    actor_email: str
    address: str
    action: str
    target_kind: str
    target_id: str
    request_id: str
    outcome: str
    reason: str
    request: Any
    """The body, without secrets; null when there was none."""
    before: Any
    """Changed columns by `table:id`; null: nothing was there before."""
    after: Any


def entry_view(row: AuditLogRow) -> AuditEntryView:
    return AuditEntryView(
        id=row.id,
        at=instant(row.at_ms),
        actor_id=row.actor_id,
        actor_kind=row.actor_kind,
        actor_email=row.actor_email,
        address=row.address,
        action=row.action,
        target_kind=row.target_kind,
        target_id=row.target_id,
        request_id=row.request_id,
        outcome=row.outcome,
        reason=row.reason,
        request=_document(row.asked),
        before=_document(row.before),
        after=_document(row.after),
    )


def _document(text: str) -> Any:
    return json.loads(text) if text else None
