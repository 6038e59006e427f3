"""Money that cannot be read refuses everybody at once, says so in every dialect, and recovers by itself."""

import json

import pytest

from headgate.core.dialects.contract import StreamFraming
from headgate.core.faults import FaultKind, RelayError
from headgate.core.limits.breaker import BreakerState
from headgate.kit.clock import FakeClock
from headgate.relay.billing_gate import BillingGate, billing_fault, cause_of
from headgate.relay.dialects import HANDLERS
from headgate.settings import CircuitBreakerSettings
from headgate.state.protocols import StateUnavailable
from headgate.storage.journal import RowRefused, StorageUnavailable

MESSAGE = "Billing service temporarily unavailable. Please retry later."


@pytest.fixture
def gate(clock: FakeClock) -> BillingGate:
    return BillingGate(CircuitBreakerSettings(), clock)


def fail(gate: BillingGate, times: int = 1, error: type[Exception] = StorageUnavailable) -> None:
    for _ in range(times):
        with pytest.raises(error), gate.watching():
            raise error("gone")


def refusal(gate: BillingGate) -> RelayError:
    with pytest.raises(RelayError) as caught:
        gate.let_in()
    return caught.value


def test_five_failures_in_a_row_refuse_the_sixth_at_once(gate: BillingGate) -> None:
    fail(gate, 4)
    gate.let_in()
    fail(gate)
    fault = refusal(gate).fault
    assert (fault.kind, fault.kind.http_status) == (FaultKind.STORAGE_UNAVAILABLE, 503)
    assert (fault.code, fault.message) == ("billing_service_error", MESSAGE)
    assert fault.retry_after_s == 31
    assert gate.openings == 1


def test_the_reason_is_the_dependency_that_failed(gate: BillingGate) -> None:
    fail(gate, 5, StateUnavailable)
    assert refusal(gate).fault.kind is FaultKind.STATE_UNAVAILABLE
    assert gate.describe() == "circuit breaker open: state_unavailable"
    assert (gate.state(), gate.state_number()) == (BreakerState.OPEN, 2)


def test_money_that_could_be_read_proves_nothing_until_the_books_take_it(gate: BillingGate) -> None:
    for _ in range(5):
        with gate.watching():
            pass
        fail(gate)
    assert gate.state() is BreakerState.OPEN


def test_an_intent_in_the_books_closes_it(gate: BillingGate, clock: FakeClock) -> None:
    fail(gate, 5)
    clock.advance(30)
    assert (gate.state(), gate.describe()) == (BreakerState.HALF_OPEN, "ok")
    gate.let_in()
    with gate.watching(proves_health=True):
        pass
    assert gate.state() is BreakerState.CLOSED
    for _ in range(10):
        gate.let_in()


def test_three_may_try_after_thirty_seconds(gate: BillingGate, clock: FakeClock) -> None:
    fail(gate, 5)
    clock.advance(30)
    for _ in range(3):
        gate.let_in()
    assert refusal(gate).fault.retry_after_s == 31


def test_refusals_and_refused_rows_are_no_outage(gate: BillingGate) -> None:
    """A caller whose own numbers cannot be stored must not shut the door for everybody."""
    fail(gate, 20, RowRefused)
    for _ in range(20):
        with pytest.raises(RelayError), gate.watching():
            raise RelayError(billing_fault(FaultKind.BALANCE_INSUFFICIENT))
    assert gate.state() is BreakerState.CLOSED


def test_it_can_be_switched_off(clock: FakeClock) -> None:
    gate = BillingGate(CircuitBreakerSettings(enabled=False), clock)
    fail(gate, 50)
    gate.let_in()
    assert (gate.state(), gate.openings) == (BreakerState.CLOSED, 0)


@pytest.mark.parametrize("dialect", HANDLERS)
def test_every_dialect_says_it_in_its_own_envelope(dialect: str) -> None:
    fault = billing_fault(cause_of(StorageUnavailable("gone")))
    handler = HANDLERS[dialect]  # type: ignore[index]
    body = handler.render_fault(fault, request_id="r")
    error = json.loads(body)["error"]
    assert error["message"] == MESSAGE
    assert b"billing_service_error" in body
    event = handler.render_fault_event(fault, request_id="r", framing=StreamFraming.SSE)
    assert b"billing_service_error" in event
