"""Guessing codes is stopped: 20 failed attempts of a user within an hour (spec 7.11)."""

import structlog

from headgate.errors import TooManyRequests
from headgate.state.protocols import CounterStore, StateUnavailable

log = structlog.get_logger(__name__)
FAILURES_PER_WINDOW = 20
WINDOW_S = 3600


class RedeemAttempts:
    """Counts an attempt before the code is looked at, so that guesses in parallel count too, and takes it
    back when it succeeded. With the counters away nobody redeems (StateUnavailable)."""

    def __init__(self, counters: CounterStore, user_id: int) -> None:
        self._counters = counters
        self._name = f"redeem:failures:{user_id}"

    async def admit(self) -> None:
        """Raises REDEEM_RATE_LIMITED."""
        if await self._counters.add(self._name, 1, window_s=WINDOW_S) > FAILURES_PER_WINDOW:
            raise TooManyRequests("too many codes that do not work; try later", reason="REDEEM_RATE_LIMITED")

    async def succeeded(self) -> None:
        try:
            await self._counters.add(self._name, -1, window_s=WINDOW_S)
        except StateUnavailable:
            log.warning("redeem_attempt_not_taken_back")  # it counts as failed until its window ends
