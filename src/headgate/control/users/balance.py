"""Balances: every movement is a ledger line, moved once per Idempotency-Key (spec 7.15, 8.2; DESIGN 5)."""

import hashlib

from sqlalchemy import select

from headgate.control.codes.audit import record_balance_change
from headgate.control.users.repository import UserRepository
from headgate.control.users.schemas import BalanceBody
from headgate.control.work import Work
from headgate.core.money import from_usd
from headgate.errors import BadRequest, Conflict
from headgate.kit.ids import IdFactory
from headgate.storage.ledger import adjust_balance
from headgate.storage.models import LedgerEntryRow, UserRow

MAX_BALANCE_NANO = 2**62
"""Half of what 64 bits hold, so that a charge on top cannot overflow."""


class BalanceService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._users = UserRepository(work.session)

    async def change(self, user_id: int, body: BalanceBody) -> UserRow:
        """Raises USER_NOT_FOUND, INSUFFICIENT_BALANCE, IDEMPOTENCY_KEY_CONFLICT, INVALID_INPUT.

        The same Idempotency-Key with the same body moves money once; the user is answered either way.
        """
        user = await self._users.locked(user_id)
        operation_id = await self._operation(user_id, body)
        if operation_id is None:
            self._work.was_replayed = True
            return user
        amount = from_usd(body.balance)
        match body.operation:
            case "set":
                delta = amount - user.balance_nano
            case "add":
                delta = amount
            case "subtract":
                delta = -amount
        if delta < 0 and user.balance_nano + delta < 0:  # what is added may be less than what is owed
            raise BadRequest("insufficient balance", reason="INSUFFICIENT_BALANCE")
        return await self.adjust(user, delta, note=body.notes, operation_id=operation_id)

    async def adjust(
        self, user: UserRow, delta_nano: int, *, note: str, operation_id: str | None = None
    ) -> UserRow:
        """Book an administrator's difference and its audit row; 0 books nothing. Raises INVALID_INPUT."""
        if delta_nano == 0:
            return user
        operation_id = operation_id or f"op:{IdFactory().new()}"
        await record_balance_change(self._work, user.id, delta_nano, note=note, operation_id=operation_id)
        return await self.move(user, delta_nano, note=note, operation_id=operation_id)

    async def move(self, user: UserRow, delta_nano: int, *, note: str, operation_id: str) -> UserRow:
        """Book a difference, once for its operation; the user must be locked. Raises INVALID_INPUT when the
        balance would not fit."""
        self.require_room(user, delta_nano)
        if delta_nano == 0:
            return user
        await adjust_balance(
            self._work.session,
            user_id=user.id,
            delta_nano=delta_nano,
            note=note,
            actor_id=self._work.actor_id,
            operation_id=operation_id,
            now_ms=self._work.now_ms(),
        )
        self._work.bounds_changed(f"user:{user.id}:balance")
        await self._work.session.refresh(user)
        return user

    @staticmethod
    def require_room(user: UserRow, delta_nano: int) -> None:
        """Raises INVALID_INPUT when the balance would not fit its column."""
        if abs(user.balance_nano + delta_nano) > MAX_BALANCE_NANO:
            raise BadRequest("balance would be too large")

    async def _operation(self, user_id: int, body: BalanceBody) -> str | None:
        """The id under which this movement is booked; None when it is booked already."""
        key = self._work.idempotency_key
        if key is None:
            return f"op:{IdFactory().new()}"
        scope = f"op:{_digest('admin.users.balance.update', str(self._work.actor.user_id), key)}:"
        operation_id = scope + _digest(str(user_id), body.operation, str(from_usd(body.balance)), body.notes)
        entry = LedgerEntryRow
        seen = await self._work.session.scalar(
            select(entry.exchange_id)
            .where(entry.exchange_id >= scope, entry.exchange_id < scope + "g", entry.attempt == 0)
            .limit(1)
        )
        if seen is None:
            return operation_id
        if seen != operation_id:
            raise Conflict(
                "this Idempotency-Key was used with another request; use a new key",
                reason="IDEMPOTENCY_KEY_CONFLICT",
            )
        return None


def _digest(*parts: str) -> str:
    """24 hex digits (96 bits): two of them and the prefix fit the 64 characters of a ledger id."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
