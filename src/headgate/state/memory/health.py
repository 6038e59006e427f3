"""Timelines of one process. Bounded: so many events of so many accounts."""

from collections import OrderedDict, deque
from collections.abc import Sequence

from headgate.core.ids import AccountId
from headgate.core.routing.health import MAX_EVENTS, HealthEvent

MAX_ACCOUNTS = 5_000


class MemoryHealthLog:
    """Implements `HealthLog`."""

    def __init__(self, max_accounts: int = MAX_ACCOUNTS) -> None:
        self._max_accounts = max_accounts
        self._events: OrderedDict[AccountId, deque[HealthEvent]] = OrderedDict()

    async def note(self, account: AccountId, event: HealthEvent) -> None:
        events = self._events.setdefault(account, deque(maxlen=MAX_EVENTS))
        events.appendleft(event)
        self._events.move_to_end(account)
        if len(self._events) > self._max_accounts:
            self._events.popitem(last=False)

    async def timeline(self, account: AccountId) -> Sequence[HealthEvent]:
        return list(self._events.get(account, ()))
