"""Sessions of people and what lets them in besides a password; secrets are kept as keyed digests (spec 7.3,
7.5)."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId, EpochMs


class RefreshTokenRow(Base):
    """One refresh token. The tokens of one login are a family, which is what people call a session; each is
    used once and has one successor. Used ones stay until they expire, so that a second use is noticed."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("uq_refresh_tokens_token_hash", "token_hash", unique=True),
        Index("ix_refresh_tokens_family", "family"),
        Index("ix_refresh_tokens_user_id", "user_id"),
        Index("ix_refresh_tokens_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    family: Mapped[str] = mapped_column(String(32))
    """Random, not secret: access tokens name it, and lists of sessions show it."""
    parent_id: Mapped[int | None] = mapped_column(BigId, default=None)
    """The token that was exchanged for this one; that row may be gone already."""
    token_version: Mapped[int] = mapped_column(Integer)
    """The user's when it was issued; a newer one of the user makes it void."""
    user_agent: Mapped[str] = mapped_column(String(255), default="")
    address: Mapped[str] = mapped_column(String(64), default="")
    started_at: Mapped[datetime] = mapped_column(EpochMs)
    """The login of the family."""
    created_at: Mapped[datetime] = mapped_column(EpochMs)
    expires_at: Mapped[datetime] = mapped_column(EpochMs)
    used_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)


class RecoveryCodeRow(Base):
    """Signs in once instead of a code of the authenticator app."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("uq_recovery_codes_user_id_code_hash", "user_id", "code_hash", unique=True),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(EpochMs)
    used_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)


class MailCodeRow(Base):
    """A code or token that went out by mail, until it is used or over."""

    __tablename__ = "mail_codes"
    __table_args__ = (
        Index("uq_mail_codes_purpose_subject", "purpose", "subject", unique=True),
        Index("ix_mail_codes_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    purpose: Mapped[str] = mapped_column(String(20))
    """register | reset | proof"""
    subject: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Keyed digest of the address."""
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    sent_at: Mapped[datetime] = mapped_column(EpochMs)
    expires_at: Mapped[datetime] = mapped_column(EpochMs)


class UserIdentityRow(Base):
    """A person at an identity provider, and which user that is."""

    __tablename__ = "user_identities"
    __table_args__ = (
        Index("uq_user_identities_digest", "digest", unique=True),
        Index("ix_user_identities_user_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    user_id: Mapped[int] = mapped_column(BigId, ForeignKey("users.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(String(32))
    """The slug it came in by, for people."""
    authority: Mapped[str] = mapped_column(String(2048))
    """Whose ids these are: the issuer, or the address of user info."""
    subject: Mapped[str] = mapped_column(String(255))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Of authority and subject, whole."""
    email: Mapped[str] = mapped_column(String(255), default="")
    username: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = mapped_column(EpochMs)
    used_at: Mapped[datetime] = mapped_column(EpochMs)


class EmbedTicketRow(Base):
    """What an embedded page knows its user by, for a few minutes."""

    __tablename__ = "embed_tickets"
    __table_args__ = (
        Index("uq_embed_tickets_ticket_hash", "ticket_hash", unique=True),
        Index("ix_embed_tickets_expires_at", "expires_at"),
        Index("ix_embed_tickets_user_id", "user_id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    user_id: Mapped[int] = mapped_column(BigId)
    session: Mapped[str] = mapped_column(String(64), default="")
    """The session that asked for it and ends it; empty: an access token without one."""
    token_version: Mapped[int] = mapped_column(Integer)
    audience: Mapped[str] = mapped_column(String(300))
    """Origin of the page."""
    created_at: Mapped[datetime] = mapped_column(EpochMs)
    expires_at: Mapped[datetime] = mapped_column(EpochMs)
    revoked_at: Mapped[datetime | None] = mapped_column(EpochMs, default=None)
