"""What accounts have cost since their five-hour windows began, for limits on it (spec 3.7).

Read from the records at most every 30 seconds per account; what is booked between two readings is counted in
the shared state by whichever process books it. So an account may pass its limit by what is under way there,
and by nothing else. A database that does not answer counts as nothing spent, for so long.
"""

from typing import NamedTuple, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import window_start_ms
from headgate.kit.clock import Clock
from headgate.state.protocols import CounterStore, QuotaWindowStore
from headgate.storage.journal import StorageUnavailable

log = structlog.get_logger(__name__)

FRESH_MS = 30_000
_COUNTER_S = 24 * 3600


class CostReader(Protocol):
    async def account_list_cost(self, account_id: AccountId, *, since_ms: int) -> int: ...


class _Known(NamedTuple):
    spent_nano: int
    counter_nano: int
    """What the counter said just before the records were read: all of that is in them."""
    at_ms: int


class WindowCosts:
    """One per process; knows accounts that have such a limit."""

    def __init__(
        self, windows: QuotaWindowStore, counters: CounterStore, reader: CostReader, clock: Clock
    ) -> None:
        self._windows = windows
        self._counters = counters
        self._reader = reader
        self._clock = clock
        self._known: dict[AccountId, _Known] = {}

    async def of(self, account_id: AccountId) -> int:
        """List cost in nano-USD; what was booked during the last reading may count twice until the next.
        Raises `StateUnavailable`."""
        now = self._clock.now_ms()
        counter = await self._counters.value(_counter(account_id))
        known = self._known.get(account_id)
        if known is None or now - known.at_ms >= FRESH_MS:
            spent = 0 if known is None else known.spent_nano
            self._known[account_id] = _Known(spent, counter, now)  # others need not read it, too
            known = self._known[account_id] = _Known(await self._read(account_id, now), counter, now)
        grown = counter - known.counter_nano
        return known.spent_nano + (grown if grown >= 0 else counter)

    async def add(self, account_id: AccountId, list_nano: int) -> None:
        """Booked just now. Raises `StateUnavailable`."""
        await self._counters.add(_counter(account_id), list_nano, window_s=_COUNTER_S)

    async def _read(self, account_id: AccountId, now: int) -> int:
        since = window_start_ms(await self._windows.readings(account_id), now)
        try:
            return await self._reader.account_list_cost(account_id, since_ms=since)
        except (SQLAlchemyError, OSError, StorageUnavailable) as error:
            log.warning("window_cost_unknown", account_id=account_id, error=type(error).__name__)
            return 0


def _counter(account_id: AccountId) -> str:
    """Grows for a day, then begins anew; only its growth is read."""
    return f"window_cost:{account_id}"
