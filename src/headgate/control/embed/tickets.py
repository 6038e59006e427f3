"""Tickets for embedded pages: who looks, told to one site, for minutes, until revoked (spec 8.14, DESIGN 8).

The page gets a ticket instead of the session: it opens nothing but `GET /auth/me`, from its own origin. It
ends with the session that asked for it, with a change of the password, and when its owner says so.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers

from headgate.control.auth.sessions import is_alive
from headgate.control.deps import ControlDeps, UnitOfWorkFactory
from headgate.control.web.faults import AuthRefused
from headgate.control.work import Actor, Work
from headgate.kit.clock import Clock, instant
from headgate.storage.models import EmbedTicketRow, UserRow

PREFIX = "emb_"
MAX_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Whose ticket it is, and for whom."""

    user: UserRow
    session: str
    audience: str
    expires_at: datetime


async def issue(work: Work, audience: str) -> tuple[str, datetime]:
    """A ticket for pages of one origin, and until when it is good."""
    ticket = PREFIX + secrets.token_urlsafe(32)
    expires_at = work.now() + timedelta(seconds=work.deps.settings.auth.embed_ticket_s)
    user = await work.session.get(UserRow, work.actor.user_id)
    assert user is not None
    work.session.add(
        EmbedTicketRow(
            ticket_hash=work.deps.vault.key_hash(ticket),
            user_id=user.id,
            session=work.actor.session,
            token_version=user.token_version,
            audience=audience,
            created_at=work.now(),
            expires_at=expires_at,
        )
    )
    return ticket, expires_at


async def revoke_all(work: Work) -> int:
    """The caller's own; how many were still good."""
    row, now = EmbedTicketRow, work.now()
    result = await work.session.execute(
        update(row)
        .where(row.user_id == work.actor.user_id, row.revoked_at.is_(None), row.expires_at > now)
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount


async def known(deps: ControlDeps, session: AsyncSession, ticket: str) -> Known:
    """Raises `AuthRefused` INVALID_TOKEN, TOKEN_EXPIRED, TOKEN_REVOKED, USER_INACTIVE."""
    if len(ticket) > MAX_CHARS or not ticket.startswith(PREFIX):
        raise AuthRefused("INVALID_TOKEN", "Invalid token")
    row = EmbedTicketRow
    found = await session.scalar(select(row).where(row.ticket_hash == deps.vault.key_hash(ticket)))
    if found is None:
        raise AuthRefused("INVALID_TOKEN", "Invalid token")
    if found.expires_at <= instant(deps.clock.now_ms()):
        raise AuthRefused("TOKEN_EXPIRED", "Token has expired")
    user = await session.get(UserRow, found.user_id)
    is_ended = bool(found.session) and not await is_alive(session, found.session)
    if found.revoked_at is not None or is_ended or user is None or user.token_version != found.token_version:
        raise AuthRefused("TOKEN_REVOKED", "Token has been revoked")
    if user.deleted_at is not None or user.status != "active":
        raise AuthRefused("USER_INACTIVE", "User account is not active")
    return Known(user=user, session=found.session, audience=found.audience, expires_at=found.expires_at)


async def embedded_actor(deps: ControlDeps, headers: Headers) -> Actor | None:
    """Whose ticket a page sends; None: it sends none. A browser says where the page is from: it must be
    whom the ticket is for. Raises `AuthRefused`."""
    scheme, _, ticket = headers.get("authorization", "").partition(" ")
    ticket = ticket.strip()
    if scheme.lower() != "bearer" or not ticket.startswith(PREFIX):
        return None
    async with deps.uow() as uow:
        found = await known(deps, uow.session, ticket)
    if headers.get("origin", found.audience) != found.audience:
        raise AuthRefused("EMBED_AUDIENCE", "This ticket is for another site", status=403)
    user = found.user
    return Actor(user_id=user.id, email=user.email, role=user.role, via="embed", session=found.session)


async def delete_expired_tickets(uow: UnitOfWorkFactory, clock: Clock) -> int:
    row = EmbedTicketRow
    async with uow() as work:
        result = await work.session.execute(
            delete(row)
            .where(row.expires_at <= instant(clock.now_ms()))
            .execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount
