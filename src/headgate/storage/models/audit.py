"""The record of management work: who did what, when, from where, and what it changed (issue 5, item 6)."""

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId


class AuditLogRow(Base):
    """One management call or command. Only ever added and, when its time is over, deleted."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_at_ms", "at_ms"),
        Index("ix_audit_log_actor_id_id", "actor_id", "id"),
        Index("ix_audit_log_target", "target_kind", "target_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    actor_id: Mapped[int | None] = mapped_column(BigId, default=None)
    """The user, or whom the admin key acts as; NULL: the command line, or nobody known."""
    actor_kind: Mapped[str] = mapped_column(String(20))
    """user | admin_key | cli | anonymous"""
    actor_email: Mapped[str] = mapped_column(String(255), default="")
    """As it was then."""
    address: Mapped[str] = mapped_column(String(64), default="")
    action: Mapped[str] = mapped_column(String(200))
    """`PUT /api/v1/admin/users/{user_id}`, `headgate user create`"""
    target_kind: Mapped[str] = mapped_column(String(50), default="")
    target_id: Mapped[str] = mapped_column(String(100), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    outcome: Mapped[str] = mapped_column(String(20))
    """ok | refused | denied"""
    reason: Mapped[str] = mapped_column(String(100), default="")
    asked: Mapped[str] = mapped_column(Text, default="")
    """JSON of the request body, without secrets; "" when there was none."""
    before: Mapped[str] = mapped_column(Text, default="")
    """JSON: `{"users:3": {"role": "user"}}`, changed columns only, without secrets."""
    after: Mapped[str] = mapped_column(Text, default="")
