"""Codes and tokens that went out by mail: kept as digests, for minutes, one per address and purpose (spec
7.2, 7.6).

Wrong ones are counted outside of the transaction that refuses them: a refusal does not take its count back.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.auth.throttle import count_try
from headgate.control.deps import WorkDeps
from headgate.control.work import Work
from headgate.storage.models import MailCodeRow

MAX_TRIES = 5
"""Of one code; six digits are guessed once in 200,000 times."""


class Purpose(StrEnum):
    REGISTER = "register"
    RESET = "reset"
    PROOF = "proof"


@dataclass(frozen=True, slots=True)
class Sort:
    """What a code looks like and how long it counts."""

    lifetime: timedelta
    pause: timedelta
    """Between two letters to one address."""
    digits: int = 0
    """0: 32 random bytes."""


SORTS = {
    Purpose.REGISTER: Sort(timedelta(minutes=15), timedelta(seconds=60), digits=6),
    Purpose.RESET: Sort(timedelta(minutes=30), timedelta(seconds=30)),
    Purpose.PROOF: Sort(timedelta(minutes=10), timedelta(seconds=60), digits=6),
}


class MailCodes:
    def __init__(self, work: Work, purpose: Purpose) -> None:
        self._work = work
        self._deps: WorkDeps = work.deps
        self._purpose = purpose
        self._sort = SORTS[purpose]

    async def seconds_to_wait(self, email: str) -> int:
        """Until another letter may go to the address; 0: now."""
        row = await self._row(email)
        if row is None:
            return 0
        left = row.sent_at + self._sort.pause - self._work.now()
        return max(0, -(-left // timedelta(seconds=1)))

    async def issue(self, email: str) -> str:
        """A new one, to be mailed; the one before counts no more."""
        digits = self._sort.digits
        code = f"{secrets.randbelow(10**digits):0{digits}d}" if digits else secrets.token_hex(32)
        await self.spend(email)
        now = self._work.now()
        self._work.session.add(
            MailCodeRow(
                purpose=self._purpose.value,
                subject=self._subject(email),
                code_hash=self._digest(email, code),
                sent_at=now,
                expires_at=now + self._sort.lifetime,
            )
        )
        await self._work.session.flush()
        return code

    async def admit_try(self, email: str) -> bool:
        """Before a code is looked at; False when there were too many. Raises `Throttled` when the counters
        cannot be reached."""
        row = await self._row(email)
        if row is None:
            return True
        name = f"mail-code:{row.id}:{round(row.sent_at.timestamp())}"
        seconds = int(self._sort.lifetime.total_seconds())
        return await count_try(self._deps, name, window_s=seconds) <= MAX_TRIES

    async def is_right(self, email: str, code: str) -> bool:
        row = await self._row(email)
        given = self._digest(email, code.strip())
        return (
            row is not None
            and row.expires_at > self._work.now()
            and hmac.compare_digest(row.code_hash, given)
        )

    async def spend(self, email: str) -> bool:
        """It counts no more. False when another request was first."""
        row = MailCodeRow
        result = await self._work.session.execute(
            delete(row)
            .where(row.purpose == self._purpose.value, row.subject == self._subject(email))
            .execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount > 0

    async def _row(self, email: str) -> MailCodeRow | None:
        row = MailCodeRow
        query = select(row).where(row.purpose == self._purpose.value, row.subject == self._subject(email))
        return await self._work.session.scalar(query.execution_options(populate_existing=True))

    def _subject(self, email: str) -> bytes:
        """The table says nothing about whose address it is."""
        return self._deps.vault.signature("mail-code-subject", email.encode())

    def _digest(self, email: str, code: str) -> bytes:
        message = f"{self._purpose.value}\0{email}\0{code}".encode()
        return self._deps.vault.signature("mail-code", message)


async def delete_expired_codes(session: AsyncSession, now: datetime, *, limit: int) -> int:
    row = MailCodeRow
    chosen = select(row.id).where(row.expires_at <= now).order_by(row.expires_at).limit(limit)
    result = await session.execute(
        delete(row).where(row.id.in_(chosen.scalar_subquery())).execution_options(synchronize_session=False)
    )
    assert isinstance(result, CursorResult)
    return result.rowcount
