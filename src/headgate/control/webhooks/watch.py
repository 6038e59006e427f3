"""Watching for what the data plane does to keys, balances and accounts.

The journal writes by the thousand and tells nobody; so this looks, and notes in the same transaction what it
has told. A look costs what has happened since the last one: only the users and keys of new ledger lines are
judged. From time to time everybody is, for what changed by other ways.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import ControlDeps
from headgate.control.webhooks.events import EventType
from headgate.control.webhooks.outbox import listeners
from headgate.control.webhooks.watch_accounts import watch_accounts, watch_forecasts
from headgate.control.webhooks.watch_alerts import AlertWatch
from headgate.control.webhooks.watch_money import watch_balances, watch_keys, watch_refused_keys
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import LedgerEntryRow

EVERY_S = 10.0
LOCK, LOCK_S = "job:webhook-watch", 60.0
SWEEP_S = 600.0
"""How often everybody is judged, whether there are new ledger lines or not."""
FORECASTS_S = 60.0
MAX_TOUCHED = 5_000
"""Beyond so many, judging everybody is cheaper."""


@dataclass(slots=True)
class Touched:
    """Whose books moved; None: judge everybody."""

    users: frozenset[int] | None = None
    keys: frozenset[int] | None = None


@dataclass(slots=True)
class EventWatcher:
    """One per process; what it remembers only saves work."""

    deps: ControlDeps
    _alerts: AlertWatch = field(init=False)
    _position: int | None = None
    """Of the ledger, as it was read before the last look: what commits late is read by the next one."""
    _read_to: int | None = None
    _swept: dict[EventType, float] = field(default_factory=dict)
    """When everybody was judged last, monotonic seconds."""
    _foretold_at: float | None = None

    def __post_init__(self) -> None:
        self._alerts = AlertWatch(self.deps, secrets.token_hex(4))

    async def look(self) -> int:
        """How many events were written. One process looks at what all share; each at what is its own."""
        told = await self._alerts.look_at_own() + await self._look_at_refused()
        try:
            token = await self.deps.state.locks.acquire(LOCK, ttl_s=LOCK_S)
        except StateUnavailable:
            return told  # of which `look_at_own` has spoken
        if token is None:
            return told
        try:
            return told + await self._look_at_shared()
        except IntegrityError:  # noted by a process that took the lock when this one was slow
            return told
        finally:
            await self.deps.state.locks.release(LOCK, token)

    async def _look_at_refused(self) -> int:
        """Only this process knows whom it refused."""
        if not (refused := self.deps.refused_keys()):
            return 0
        try:
            async with self.deps.uow() as uow:
                if not await listeners(uow.session, EventType.KEY_EXHAUSTED):
                    return 0
                return await watch_refused_keys(uow.session, self.deps.clock.now_ms(), refused)
        except IntegrityError:  # another process told of the same key in this instant
            return 0

    async def _look_at_shared(self) -> int:
        deps, now_ms = self.deps, self.deps.clock.now_ms()
        async with deps.uow() as uow:
            touched = await self._touched(uow.session)
        told = 0
        for kind, watch, ids in (
            (EventType.KEY_EXHAUSTED, watch_keys, touched.keys),
            (EventType.BALANCE_LOW, watch_balances, touched.users),
        ):
            async with deps.uow() as uow:
                if await self._is_wanted(uow.session, kind):
                    told += await watch(deps, uow.session, now_ms, self._whom(kind, ids))
        async with deps.uow() as uow:
            if await listeners(uow.session, EventType.ACCOUNT_DOWN, EventType.ACCOUNT_RECOVERED):
                told += await watch_accounts(uow.session, now_ms)
        async with deps.uow() as uow:
            if self._is_time_to_foretell() and await listeners(uow.session, EventType.QUOTA_FORECAST):
                told += await watch_forecasts(deps, uow.session, now_ms)
        return told + await self._alerts.look_at_shared()

    async def _is_wanted(self, session: AsyncSession, kind: EventType) -> bool:
        """Watching that begins, or begins again, begins with everybody."""
        is_wanted = bool(await listeners(session, kind))
        if not is_wanted:
            self._swept.pop(kind, None)
        return is_wanted

    def _whom(self, kind: EventType, touched: frozenset[int] | None) -> frozenset[int] | None:
        now = self.deps.clock.monotonic()
        if touched is None or now - self._swept.get(kind, -SWEEP_S) >= SWEEP_S:
            self._swept[kind] = now
            return None
        return touched

    def _is_time_to_foretell(self) -> bool:
        now = self.deps.clock.monotonic()
        if self._foretold_at is not None and now - self._foretold_at < FORECASTS_S:
            return False
        self._foretold_at = now
        return True

    async def _touched(self, session: AsyncSession) -> Touched:
        row, since = LedgerEntryRow, self._position
        newest = await session.scalar(select(func.max(row.id))) or 0
        self._position, self._read_to = self._read_to, newest
        if since is None:
            return Touched()
        books = await session.execute(
            select(row.debit_book, row.credit_book).where(row.id > since).distinct().limit(MAX_TOUCHED)
        )
        named = [book for pair in books for book in pair]
        if len(named) >= 2 * MAX_TOUCHED:
            return Touched()
        return Touched(users=_ids(named, "user"), keys=_ids(named, "key"))


def _ids(books: Sequence[str], kind: str) -> frozenset[int]:
    return frozenset(int(book.partition(":")[2]) for book in books if book.startswith(f"{kind}:"))
