"""Which user a person at a provider is. SQL only."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.oauth.claims import Identity
from headgate.control.oauth.providers import all_providers
from headgate.control.work import Work
from headgate.storage.models import UserIdentityRow


class IdentityRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, identity: Identity) -> UserIdentityRow | None:
        row = UserIdentityRow
        return await self._session.scalar(select(row).where(row.digest == bytes.fromhex(identity.digest)))

    async def of_user(self, user_id: int) -> Sequence[UserIdentityRow]:
        row = UserIdentityRow
        return (await self._session.scalars(select(row).where(row.user_id == user_id).order_by(row.id))).all()

    async def add(self, user_id: int, provider: str, identity: Identity, now: datetime) -> UserIdentityRow:
        row = UserIdentityRow(
            user_id=user_id,
            provider=provider,
            authority=identity.authority,
            subject=identity.subject,
            digest=bytes.fromhex(identity.digest),
            email=identity.email,
            username=identity.username,
            created_at=now,
            used_at=now,
        )
        self._session.add(row)
        await self._session.flush()
        return row

    async def remove(self, user_id: int, identity_id: int) -> bool:
        """False when the user has no such identity."""
        row = UserIdentityRow
        result = await self._session.execute(delete(row).where(row.id == identity_id, row.user_id == user_id))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0

    async def remove_all(self, user_id: int) -> None:
        await self._session.execute(delete(UserIdentityRow).where(UserIdentityRow.user_id == user_id))


async def usable_providers(work: Work, user_id: int, *, but: int = 0) -> Sequence[str]:
    """Slugs of providers that the user can sign in through now; `but`: without this identity."""
    found = {
        provider.authority: provider for provider in await all_providers(work.session) if provider.enabled
    }
    rows = await IdentityRepository(work.session).of_user(user_id)
    slugs = [found[row.authority].slug for row in rows if row.id != but and row.authority in found]
    return list(dict.fromkeys(slugs))
