"""A circuit breaker: after several failures in a row nobody is asked for a while, then a few try (spec 4.6).

Knows: failures in a row, until when it is open, how many trials are left. Refuses to know: what is asked,
why it failed, clocks: `now` is an argument, in seconds of a clock that never goes back. Invariants: below
the threshold everybody passes; from opening until `open_s` later nobody does; of the requests that pass
before the next verdict at most `trials` are let through each `open_s`; a success closes it at once, a
failure after opening opens it anew; it never stays shut for ever, whether or not verdicts come back.
"""

from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    def __init__(self, *, threshold: int, open_s: float, trials: int | None = None) -> None:
        """`trials` None: when the time is over everybody may try, until the first verdict."""
        self._threshold = threshold
        self._open_s = open_s
        self._trials = trials
        self._trials_left = 0
        self._failures = 0
        self._half_open_from: float | None = None
        """None: closed."""

    def admits(self, now: float) -> bool:
        """Whether to ask now. While half open, each yes is one of the trials, and the last one shuts the
        door behind it: if no verdict comes back, the next may try `open_s` later."""
        if self._half_open_from is None:
            return True
        if now < self._half_open_from:
            return False
        if self._trials is not None:
            self._trials_left -= 1
            if self._trials_left <= 0:
                self._open(now)
        return True

    def failed(self, now: float) -> bool:
        """A request that was asked failed. True: this failure opened it, or kept it open."""
        self._failures += 1
        if self._failures < self._threshold:
            return False
        self._open(now)
        return True

    def succeeded(self) -> bool:
        """A request that was asked came back well. True: it was open, and this closed it."""
        was_closed, self._failures, self._half_open_from = self._half_open_from is None, 0, None
        return not was_closed

    def state(self, now: float) -> BreakerState:
        if self._half_open_from is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._half_open_from else BreakerState.HALF_OPEN

    def opens_in_s(self, now: float) -> float:
        """Seconds until somebody may try; 0 when that is now."""
        return 0.0 if self._half_open_from is None else max(0.0, self._half_open_from - now)

    def _open(self, now: float) -> None:
        self._half_open_from, self._trials_left = now + self._open_s, self._trials or 0

    def __repr__(self) -> str:
        return f"Breaker(failures={self._failures}, half_open_from={self._half_open_from})"
