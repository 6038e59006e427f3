"""Letters on their way (control/mail)."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId, EpochMs


class MailOutboxRow(Base):
    """One letter that has not left yet, or could not. What it says and to whom is sealed: letters hold codes
    and links that let people in. It is deleted when the mail server has taken it."""

    __tablename__ = "mail_outbox"
    __table_args__ = (Index("ix_mail_outbox_status_next_at_ms", "status", "next_at_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(32))
    """Random; the letter is sealed for this row, and every attempt carries the same Message-ID."""
    kind: Mapped[str] = mapped_column(String(30))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    """Empty once the letter failed: nobody needs its secret any more."""
    status: Mapped[str] = mapped_column(String(10), default="waiting")
    """waiting | failed"""
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at_ms: Mapped[int] = mapped_column(BigInteger)
    expires_at_ms: Mapped[int] = mapped_column(BigInteger)
    """Later it is not worth sending, because what it holds counts no more."""
    reason: Mapped[str] = mapped_column(String(40), default="")
    """Of the last failure."""
    created_at: Mapped[datetime] = mapped_column(EpochMs)
