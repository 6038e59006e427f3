"""Conversations that are answered without what another account has minted for them (thinking signatures,
encrypted reasoning, a response to be continued).

A state, not an event: it begins with the first such answer, is shown while it lasts, and ends by itself with
the conversation's next answer by an account that minted what it carries, or when it is not heard of any more.
Kept per process and bounded; losing it costs a line on a dashboard.
"""

from collections import OrderedDict
from collections.abc import Mapping

import structlog

from headgate.core.ids import AccountId
from headgate.kit.clock import Clock
from headgate.relay.exchange import Exchange

log = structlog.get_logger(__name__)

LASTS_MS = 10 * 60_000
"""After which silence a conversation counts as over."""
_MOST = 10_000


class Degraded:
    """One per process."""

    def __init__(self, clock: Clock, most: int = _MOST) -> None:
        self._clock = clock
        self._most = most
        self._since: OrderedDict[str, int] = OrderedDict()
        self._counts: dict[str, int] = {}

    def note(self, exchange: Exchange, account_id: AccountId) -> None:
        """The account has answered."""
        name = exchange.session or exchange.id
        if exchange.minted_by is None or exchange.minted_by[1] == account_id:
            self._since.pop(name, None)
            return
        what, minter = exchange.minted_by
        is_new = self._since.pop(name, None) is None
        self._since[name] = self._clock.now_ms()
        if len(self._since) > self._most:
            self._since.popitem(last=False)
        self._counts[what] = self._counts.get(what, 0) + 1
        if is_new:
            log.warning(
                "conversation_degraded", exchange_id=exchange.id, what=what, minted_by=minter,
                served_by=account_id,
            )  # fmt: skip

    def now(self) -> int:
        """Conversations that are degraded at this moment."""
        over = self._clock.now_ms() - LASTS_MS
        while self._since and next(iter(self._since.values())) < over:
            self._since.popitem(last=False)
        return len(self._since)

    def counts(self) -> Mapping[str, int]:
        """Answers so far, by what was missing."""
        return self._counts
