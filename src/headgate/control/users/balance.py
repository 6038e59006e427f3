"""Balances: every movement is a ledger line, moved once per Idempotency-Key (spec 7.15, 8.2; DESIGN 5)."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import CompoundSelect, func, select, union_all

from headgate.control.users.repository import UserRepository
from headgate.control.users.schemas import BalanceBody, BalanceEvent, BalanceHistory
from headgate.control.web.envelope import Paging
from headgate.control.work import Work
from headgate.core.money import from_usd, to_usd
from headgate.errors import BadRequest, Conflict
from headgate.kit.ids import IdFactory
from headgate.storage.ledger import adjust_balance
from headgate.storage.models import LedgerEntryRow, UserRow
from headgate.storage.models.books import ADJUSTMENTS

_MAX_NANO = 2**62
_EQUITY = "equity"


class BalanceService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._users = UserRepository(work.session)

    async def change(self, user_id: int, body: BalanceBody) -> UserRow:
        """Raises USER_NOT_FOUND, INSUFFICIENT_BALANCE, IDEMPOTENCY_KEY_CONFLICT.

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
        if user.balance_nano + delta < 0:
            raise BadRequest("insufficient balance", reason="INSUFFICIENT_BALANCE")
        if abs(user.balance_nano + delta) > _MAX_NANO:
            raise BadRequest("balance would be too large")
        return await self.adjust(user, delta, note=body.notes, operation_id=operation_id)

    async def adjust(
        self, user: UserRow, delta_nano: int, *, note: str, operation_id: str | None = None
    ) -> UserRow:
        """Book a difference; 0 books nothing."""
        if delta_nano == 0:
            return user
        await adjust_balance(
            self._work.session,
            user_id=user.id,
            delta_nano=delta_nano,
            note=note,
            actor_id=self._work.actor_id,
            operation_id=operation_id or f"op:{IdFactory().new()}",
            now_ms=self._work.now_ms(),
        )
        self._work.bounds_changed(f"user:{user.id}:balance")
        await self._work.session.refresh(user)
        return user

    async def history(self, user_id: int, paging: Paging) -> BalanceHistory:
        """Adjustments of a user, newest first; charges are in the usage list."""
        await self._users.get(user_id)
        ids = _adjustment_ids(user_id)
        entry = LedgerEntryRow
        total = await self._work.session.scalar(select(func.count()).select_from(ids.subquery())) or 0
        rows = await self._work.session.scalars(
            select(entry)
            .where(entry.id.in_(select(ids.subquery().c.id)))
            .order_by(entry.id.desc())
            .limit(paging.page_size)
            .offset(paging.offset)
        )
        recharged = await self._work.session.scalar(
            select(func.coalesce(func.sum(entry.amount_nano), 0)).where(
                entry.credit_book == f"user:{user_id}", ADJUSTMENTS
            )
        )
        page = paging.wrap(_events(user_id, rows.all()), total)
        return BalanceHistory(**dict(page), total_recharged=to_usd(int(recharged or 0)))

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


def _adjustment_ids(user_id: int) -> CompoundSelect[int]:
    """Two look-ups in the partial index of adjustments: into the user's book, and out of it to equity."""
    entry = LedgerEntryRow
    book = f"user:{user_id}"
    return union_all(
        select(entry.id).where(entry.credit_book == book, ADJUSTMENTS),
        select(entry.id).where(entry.credit_book == _EQUITY, entry.debit_book == book, ADJUSTMENTS),
    )


def _events(user_id: int, rows: Sequence[LedgerEntryRow]) -> list[BalanceEvent]:
    events = []
    for row in rows:
        sign = 1 if row.credit_book == f"user:{user_id}" else -1
        instant = datetime.fromtimestamp(row.created_at_ms / 1000, tz=UTC)
        events.append(
            BalanceEvent(
                id=row.id,
                code=row.exchange_id,
                value=to_usd(sign * row.amount_nano),
                used_by=user_id,
                used_at=instant,
                created_at=instant,
                notes=row.note,
                actor_id=row.actor_id,
            )
        )
    return events
