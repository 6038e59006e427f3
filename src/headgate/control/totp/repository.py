"""SQL about second factors. The caller holds the user's row lock."""

from datetime import datetime

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.totp.codes import new_recovery_codes, normal_recovery_code
from headgate.kit.crypto import Vault
from headgate.storage.models import RecoveryCodeRow, UserRow

_PURPOSE = "recovery-code"


class TotpRepository:
    def __init__(self, session: AsyncSession, vault: Vault) -> None:
        self._session = session
        self._vault = vault

    def seal(self, user: UserRow, secret: str) -> bytes:
        return self._vault.seal(secret.encode(), context=_context(user))

    def secret(self, user: UserRow) -> str:
        """Raises `SealBroken`."""
        assert user.totp_secret_sealed is not None
        return self._vault.unseal(user.totp_secret_sealed, context=_context(user)).decode()

    async def replace_recovery_codes(self, user_id: int, now: datetime) -> list[str]:
        """New ones, shown once; older ones are worth nothing."""
        codes = new_recovery_codes()
        await self._forget_recovery_codes(user_id)
        self._session.add_all(
            RecoveryCodeRow(user_id=user_id, code_hash=self._digest(user_id, code), created_at=now)
            for code in codes
        )
        await self._session.flush()
        return codes

    async def spend_recovery_code(self, user_id: int, code: str, now: datetime) -> bool:
        """False when there is no such unused code."""
        row = RecoveryCodeRow
        result = await self._session.execute(
            update(row)
            .where(
                row.user_id == user_id, row.code_hash == self._digest(user_id, code), row.used_at.is_(None)
            )
            .values(used_at=now)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount == 1

    async def recovery_codes_left(self, user_id: int) -> int:
        row = RecoveryCodeRow
        query = select(func.count()).select_from(row).where(row.user_id == user_id, row.used_at.is_(None))
        return await self._session.scalar(query) or 0

    async def remove(self, user: UserRow) -> None:
        """The user has no second factor any more."""
        user.totp_secret_sealed = user.totp_enabled_at = None
        user.totp_last_step = 0
        await self._forget_recovery_codes(user.id)

    async def _forget_recovery_codes(self, user_id: int) -> None:
        await self._session.execute(delete(RecoveryCodeRow).where(RecoveryCodeRow.user_id == user_id))

    def _digest(self, user_id: int, code: str) -> bytes:
        return self._vault.signature(_PURPOSE, f"{user_id}:{normal_recovery_code(code)}".encode())


def _context(user: UserRow) -> str:
    """Of this user only: a row copied to another user opens nothing."""
    return f"user.totp:{user.id}"
