"""Fail closed, and quickly: while money cannot be read or booked, requests are refused at once (spec 4.6).

A request that the database or the shared state cannot vouch for is never sent to a provider. Without a
breaker each such request would first wait for its deadline, and a crowd of them would keep a struggling
database down.
"""

import structlog

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.breaker import Breaker, BreakerState
from headgate.kit.clock import Clock
from headgate.settings import CircuitBreakerSettings
from headgate.state.protocols import StateContended, StateUnavailable
from headgate.storage.journal import RowRefused, StorageLate, StorageUnavailable

log = structlog.get_logger(__name__)

CODE = "billing_service_error"
MESSAGE = "Billing service temporarily unavailable. Please retry later."
_RETRY_AFTER_S = 5
"""Where nobody knows how long it takes: a dependency that failed just now."""
_NO_OUTAGE = (RowRefused, StorageLate, StateContended)
"""The request is refused, but whoever refused it is there and serves others."""
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
        self._watch = _Watch(self, proves_health=False)
        self._proof = _Watch(self, proves_health=True)
        self.openings = 0
        """How often it opened since the process started."""

    def let_in(self) -> None:
        """Before anything is held for a billable request. Raises `RelayError` while the breaker is open."""
        now = self._clock.monotonic()
        if self._is_enabled and not self._breaker.admits(now):
            raise RelayError(billing_fault(self._cause, retry_after_s=int(self._breaker.opens_in_s(now)) + 1))

    def watching(self, *, proves_health: bool = False) -> "_Watch":
        """`with` it around what may meet an outage: counts it against the breaker; a good end counts for it,
        where the block did both, read the money and write to the books. A row that the database refuses for
        itself is no outage, nor is a database or store that is late because it serves so many others: a crowd
        must not shut the door for everybody."""
        return self._proof if proves_health else self._watch

    def failed(self, error: StateUnavailable | StorageUnavailable) -> None:
        """An outage."""
        was_open, self._cause = self.state() is BreakerState.OPEN, cause_of(error)
        if self._breaker.failed(self._clock.monotonic()) and self._is_enabled and not was_open:
            self.openings += 1
            log.error("billing_breaker_opened", cause=self._cause.value)

    def succeeded(self) -> None:
        """Money was read, and the books took it."""
        if self._breaker.succeeded() and self._is_enabled:
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


class _Watch:
    """Holds nothing, so that one serves all requests: this is on every request's way."""

    __slots__ = ("_gate", "_proves_health")

    def __init__(self, gate: BillingGate, *, proves_health: bool) -> None:
        self._gate = gate
        self._proves_health = proves_health

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            if self._proves_health:
                self._gate.succeeded()
        elif isinstance(error, (StateUnavailable, StorageUnavailable)) and not isinstance(error, _NO_OUTAGE):
            self._gate.failed(error)


def cause_of(error: StateUnavailable | StorageUnavailable) -> FaultKind:
    """Which dependency is gone."""
    return (
        FaultKind.STATE_UNAVAILABLE if isinstance(error, StateUnavailable) else FaultKind.STORAGE_UNAVAILABLE
    )


def billing_fault(cause: FaultKind, *, retry_after_s: int = _RETRY_AFTER_S) -> Fault:
    """503 in the caller's dialect; which dependency it was is for the operator."""
    return Fault(kind=cause, code=CODE, message=MESSAGE, retry_after_s=retry_after_s)
