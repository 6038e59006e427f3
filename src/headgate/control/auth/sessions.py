"""Sessions: families of refresh tokens (spec 7.3). SQL only; `rotation` judges.

Who adds to or ends the sessions of a user holds that user's row lock, so that no successor slips past the end
of its session.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from headgate.control.web.address import address_of
from headgate.kit.crypto import Vault
from headgate.storage.models import RefreshTokenRow, UserRow

PREFIX = "rt_"
MAX_SHOWN = 100
_PURPOSE = "refresh-token"


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session is used from, for its owner to recognise."""

    address: str
    user_agent: str = ""


def device_of(request: Request, trusted: Sequence[str]) -> Device:
    """Printable ASCII of the User-Agent: it is shown again."""
    agent = "".join(char for char in request.headers.get("user-agent", "") if " " <= char <= "~")
    return Device(address_of(request, trusted)[:64], agent[:255])


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A token as its owner gets it, once."""

    refresh_token: str
    session: str


async def is_alive(session: AsyncSession, family: str) -> bool:
    """Whether access tokens of the session still count."""
    row = RefreshTokenRow
    query = select(row.id).where(row.family == family, row.revoked_at.is_(None)).limit(1)
    return await session.scalar(query) is not None


async def end_sessions(
    session: AsyncSession, user: UserRow, now: datetime, *, keep: str | None = None
) -> None:
    """End every session of the user and every access token; the session `keep` can refresh once more and goes
    on. The caller has locked the user or changes it in this transaction."""
    user.token_version += 1
    await session.flush()
    row = RefreshTokenRow
    alive = (row.user_id == user.id, row.revoked_at.is_(None))
    if keep:
        await session.execute(
            update(row).where(*alive, row.family == keep).values(token_version=user.token_version)
        )
    await session.execute(update(row).where(*alive, row.family != (keep or "")).values(revoked_at=now))


class SessionRepository:
    def __init__(self, session: AsyncSession, vault: Vault) -> None:
        self._session = session
        self._vault = vault

    async def start(self, user: UserRow, device: Device, now: datetime, lifetime: timedelta) -> Issued:
        """A new session."""
        token = PREFIX + secrets.token_hex(32)
        family = secrets.token_hex(16)
        self._session.add(
            RefreshTokenRow(
                user_id=user.id,
                token_hash=self._digest(token),
                family=family,
                token_version=user.token_version,
                user_agent=device.user_agent,
                address=device.address,
                started_at=now,
                created_at=now,
                expires_at=now + lifetime,
            )
        )
        await self._session.flush()
        return Issued(refresh_token=token, session=family)

    async def exchange(
        self, parent: RefreshTokenRow, device: Device, now: datetime, lifetime: timedelta
    ) -> Issued:
        """The successor of a token that was judged good."""
        parent.used_at = now
        token = PREFIX + secrets.token_hex(32)
        self._session.add(
            RefreshTokenRow(
                user_id=parent.user_id,
                token_hash=self._digest(token),
                family=parent.family,
                parent_id=parent.id,
                token_version=parent.token_version,
                user_agent=device.user_agent,
                address=device.address,
                started_at=parent.started_at,
                created_at=now,
                expires_at=now + lifetime,
            )
        )
        await self._session.flush()
        return Issued(refresh_token=token, session=parent.family)

    async def find(self, token: str) -> RefreshTokenRow | None:
        """By digest, as it is in the database now."""
        row = RefreshTokenRow
        query = select(row).where(row.token_hash == self._digest(token))
        return await self._session.scalar(query.execution_options(populate_existing=True))

    async def end(self, family: str, user_id: int, now: datetime) -> bool:
        """False when the user has no such session alive."""
        row = RefreshTokenRow
        result = await self._session.execute(
            update(row)
            .where(row.family == family, row.user_id == user_id, row.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount > 0

    async def of_user(self, user: UserRow, now: datetime) -> Sequence[RefreshTokenRow]:
        """The newest token of each session alive, the most recently used first."""
        row = RefreshTokenRow
        found = await self._session.scalars(
            select(row)
            .where(
                row.user_id == user.id,
                row.token_version == user.token_version,
                row.used_at.is_(None),
                row.revoked_at.is_(None),
                row.expires_at > now,
            )
            .order_by(row.created_at.desc(), row.id.desc())
            .limit(MAX_SHOWN)
        )
        return found.all()

    async def delete_expired(self, now: datetime, *, limit: int) -> int:
        row = RefreshTokenRow
        chosen = select(row.id).where(row.expires_at <= now).order_by(row.expires_at).limit(limit)
        result = await self._session.execute(
            delete(row)
            .where(row.id.in_(chosen.scalar_subquery()))
            .execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount

    def _digest(self, token: str) -> bytes:
        return self._vault.signature(_PURPOSE, token.encode())
