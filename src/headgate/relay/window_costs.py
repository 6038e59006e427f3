"""What accounts have cost since their five-hour windows began, for limits on it (spec 3.7).

Read from the records at most every 30 seconds per account; between two readings an account may pass its limit
by what it serves meanwhile. A database that does not answer counts as nothing spent, for so long.
"""

from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import window_start_ms
from headgate.kit.clock import Clock
from headgate.state.protocols import QuotaWindowStore
from headgate.storage.journal import StorageUnavailable

log = structlog.get_logger(__name__)

FRESH_MS = 30_000


class CostReader(Protocol):
    async def account_list_cost(self, account_id: AccountId, *, since_ms: int) -> int: ...


class WindowCosts:
    """One per process; knows accounts that have such a limit."""

    def __init__(self, windows: QuotaWindowStore, reader: CostReader, clock: Clock) -> None:
        self._windows = windows
        self._reader = reader
        self._clock = clock
        self._known: dict[AccountId, tuple[int, int]] = {}

    async def of(self, account_id: AccountId) -> int:
        """List cost in nano-USD. Raises `StateUnavailable`."""
        now = self._clock.now_ms()
        known = self._known.get(account_id)
        if known is not None and now - known[1] < FRESH_MS:
            return known[0]
        self._known[account_id] = (0 if known is None else known[0], now)  # others need not read it, too
        since = window_start_ms(await self._windows.readings(account_id), now)
        try:
            spent = await self._reader.account_list_cost(account_id, since_ms=since)
        except (SQLAlchemyError, OSError, StorageUnavailable) as error:
            log.warning("window_cost_unknown", account_id=account_id, error=type(error).__name__)
            spent = 0
        self._known[account_id] = (spent, now)
        return spent
