"""SQL of idempotency records. Every change names the state that it starts from: of two writers one wins."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.idempotency.judgement import FAILED, PROCESSING, SUCCEEDED
from headgate.control.idempotency.keys import Identity
from headgate.storage.models import IdempotencyRecordRow

_Row = IdempotencyRecordRow


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a request. `locked_until` also tells this claim from a later one of the same record:
    whoever takes a record over sets a later instant."""

    record_id: int
    locked_until: datetime


class IdempotencyRecords:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find(self, identity: Identity) -> IdempotencyRecordRow | None:
        return await self._session.scalar(
            select(_Row)
            .where(_Row.scope == identity.scope, _Row.key_hash == identity.key_hash)
            .execution_options(populate_existing=True)
        )

    async def insert(
        self, identity: Identity, *, now: datetime, lock: timedelta, ttl: timedelta
    ) -> Claim | None:
        """None when another request was first."""
        values = _fresh(identity, now=now, lock=lock, ttl=ttl) | {
            "scope": identity.scope,
            "key_hash": identity.key_hash,
            "created_at": now,
        }
        is_sqlite = self._session.get_bind().dialect.name == "sqlite"
        statement: Any = (sqlite if is_sqlite else postgresql).insert(_Row).values(**values)
        inserted = await self._session.scalar(statement.on_conflict_do_nothing().returning(_Row.id))
        return None if inserted is None else Claim(inserted, now + lock)

    async def take_over(
        self,
        seen: IdempotencyRecordRow,
        identity: Identity,
        *,
        now: datetime,
        lock: timedelta,
        ttl: timedelta,
    ) -> Claim | None:
        """None when the record is no longer what was seen."""
        values = _fresh(identity, now=now, lock=lock, ttl=ttl)
        is_same = (
            _Row.id == seen.id,
            _Row.status == seen.status,
            _Row.locked_until.is_not_distinct_from(seen.locked_until),
            _Row.expires_at == seen.expires_at,
        )
        return Claim(seen.id, now + lock) if await self._change(values, *is_same) else None

    async def succeeded(self, claim: Claim, *, status: int, body: bytes | None, now: datetime) -> bool:
        """False when the claim was lost. In the transaction of the effect: both happen or neither does."""
        values = {
            "status": SUCCEEDED,
            "response_status": status,
            "response_body": body,
            "locked_until": None,
            "updated_at": now,
        }
        return await self._change(values, *_held(claim))

    async def failed(self, claim: Claim, *, reason: str, until: datetime, now: datetime) -> None:
        """Nothing was done; the same request may come again from `until` on."""
        values = {"status": FAILED, "error_reason": reason[:100], "locked_until": until, "updated_at": now}
        await self._change(values, *_held(claim))

    async def forget(self, claim: Claim) -> None:
        """Nothing was done and the request was none: the key is free again."""
        await self._session.execute(delete(_Row).where(*_held(claim)))

    async def delete_expired(self, now: datetime, *, limit: int) -> int:
        """How many records whose time is over were deleted, the oldest first."""
        over = select(_Row.id).where(_Row.expires_at <= now).order_by(_Row.expires_at).limit(limit)
        gone = await self._session.execute(
            delete(_Row)
            .where(_Row.id.in_(over), _Row.expires_at <= now)
            .execution_options(synchronize_session=False)
        )
        assert isinstance(gone, CursorResult)
        return gone.rowcount

    async def _change(self, values: dict[str, Any], *conditions: Any) -> bool:
        changed = await self._session.execute(
            update(_Row).where(*conditions).values(**values).execution_options(synchronize_session=False)
        )
        assert isinstance(changed, CursorResult)
        return changed.rowcount == 1


def _fresh(identity: Identity, *, now: datetime, lock: timedelta, ttl: timedelta) -> dict[str, Any]:
    return {
        "fingerprint": identity.fingerprint,
        "status": PROCESSING,
        "response_status": None,
        "response_body": None,
        "error_reason": "",
        "locked_until": now + lock,
        "expires_at": now + ttl,
        "updated_at": now,
    }


def _held(claim: Claim) -> tuple[Any, ...]:
    return (
        _Row.id == claim.record_id,
        _Row.status == PROCESSING,
        _Row.locked_until == claim.locked_until,
    )
