"""Fail closed, and quickly: while money cannot be read or booked, requests are refused at once (spec 4.6).

A request that the database or the shared state cannot vouch for is never sent to a provider. Without a
breaker each such request would first wait for its deadline, and a crowd of them would keep a struggling
database down.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.breaker import Breaker, BreakerState
from headgate.kit.clock import Clock
from headgate.settings import CircuitBreakerSettings
from headgate.state.protocols import StateUnavailable
from headgate.storage.journal import RowRefused, StorageUnavailable

log = structlog.get_logger(__name__)

CODE = "billing_service_error"
MESSAGE = "Billing service temporarily unavailable. Please retry later."
_RETRY_AFTER_S = 5
"""Where nobody knows how long it takes: a dependency that failed just now."""
_STATES = (BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN)


class BillingGate:
    def __init__(self, settings: CircuitBreakerSettings, clock: Clock) -> None:
        self._clock = clock
        self._is_enabled = settings.enabled
        self._breaker = Breaker(
            threshold=settings.failure_threshold,
            open_s=settings.reset_timeout_s,
            trials=settings.half_open_requests,
        )
        self._cause = FaultKind.STORAGE_UNAVAILABLE
        self.openings = 0
        """How often it opened since the process started."""

    def let_in(self) -> None:
        """Before anything is held for a billable request. Raises `RelayError` while the breaker is open."""
        now = self._clock.monotonic()
        if self._is_enabled and not self._breaker.admits(now):
            raise RelayError(billing_fault(self._cause, retry_after_s=int(self._breaker.opens_in_s(now)) + 1))

    @contextmanager
    def watching(self, *, proves_health: bool = False) -> Iterator[None]:
        """Count what the block meets: an outage against the breaker; a good end for it, where the block did
        both, read the money and write to the books. A row that the database refuses for itself is no
        outage."""
        try:
            yield
        except RowRefused:
            raise
        except (StateUnavailable, StorageUnavailable) as error:
            self._failed(cause_of(error))
            raise
        if proves_health and self._breaker.succeeded():
            log.warning("billing_breaker_closed")

    def state(self) -> BreakerState:
        return self._breaker.state(self._clock.monotonic()) if self._is_enabled else BreakerState.CLOSED

    def state_number(self) -> int:
        """For the metric: 0 closed, 1 half open, 2 open."""
        return _STATES.index(self.state())

    def describe(self) -> str:
        """For /ready. Half open is ready: without requests nobody would find out that all is well again."""
        if self.state() is not BreakerState.OPEN:
            return "ok"
        return f"circuit breaker open: {self._cause.value}"

    def _failed(self, cause: FaultKind) -> None:
        was_open = self.state() is BreakerState.OPEN
        self._cause = cause
        if self._breaker.failed(self._clock.monotonic()) and self._is_enabled and not was_open:
            self.openings += 1
            log.error("billing_breaker_opened", cause=cause.value)


def cause_of(error: StateUnavailable | StorageUnavailable) -> FaultKind:
    """Which dependency is gone."""
    return (
        FaultKind.STATE_UNAVAILABLE if isinstance(error, StateUnavailable) else FaultKind.STORAGE_UNAVAILABLE
    )


def billing_fault(cause: FaultKind, *, retry_after_s: int = _RETRY_AFTER_S) -> Fault:
    """503 in the caller's dialect; which dependency it was is for the operator."""
    return Fault(kind=cause, code=CODE, message=MESSAGE, retry_after_s=retry_after_s)
