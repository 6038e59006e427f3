"""Readings of quota windows in one process. Bounded: so many readings of so many accounts."""

from collections import OrderedDict, deque
from collections.abc import Sequence

from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import MAX_READINGS, QuotaReading

MAX_ACCOUNTS = 5_000


class MemoryQuotaWindows:
    """Implements `QuotaWindowStore`."""

    def __init__(self, max_accounts: int = MAX_ACCOUNTS) -> None:
        self._max_accounts = max_accounts
        self._readings: OrderedDict[AccountId, deque[QuotaReading]] = OrderedDict()

    async def note(self, account: AccountId, readings: Sequence[QuotaReading]) -> None:
        kept = self._readings.setdefault(account, deque(maxlen=MAX_READINGS))
        kept.extendleft(readings)
        self._readings.move_to_end(account)
        if len(self._readings) > self._max_accounts:
            self._readings.popitem(last=False)

    async def readings(self, account: AccountId) -> Sequence[QuotaReading]:
        return list(self._readings.get(account, ()))
