import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId
from headgate.core.routing.failover import FailoverPlan

A, B = AccountId(1), AccountId(2)


def fault(kind: FaultKind) -> Fault:
    return Fault(kind=kind, message="failed")


def plan(switches: int = 10, retries: int = 1) -> FailoverPlan:
    return FailoverPlan(max_switches=switches, max_same_account_retries=retries)


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.UPSTREAM_RATE_LIMITED,
        FaultKind.UPSTREAM_AUTH,
        FaultKind.UPSTREAM_ERROR,
        FaultKind.UPSTREAM_TIMEOUT,
    ],
)
def test_a_fault_of_the_account_switches(kind: FaultKind) -> None:
    running = plan()
    assert running.after(A, fault(kind), response_started=False) == "switch"
    assert running.excluded == {A}


@pytest.mark.parametrize(
    "kind", [FaultKind.UPSTREAM_REQUEST_REJECTED, FaultKind.CLIENT_GONE, FaultKind.REQUEST_INVALID]
)
def test_a_fault_that_another_account_cannot_cure_stops(kind: FaultKind) -> None:
    assert plan().after(A, fault(kind), response_started=False) == "stop"


@pytest.mark.parametrize("kind", list(FaultKind))
def test_after_the_commit_point_everything_stops(kind: FaultKind) -> None:
    assert plan().after(A, fault(kind), response_started=True) == "stop"


def test_a_transport_accident_is_tried_once_more_on_the_same_account_then_elsewhere() -> None:
    running = plan()
    cut = fault(FaultKind.UPSTREAM_CUT)
    assert running.after(A, cut, response_started=False) == "retry"
    assert running.excluded == frozenset()
    assert running.after(A, cut, response_started=False) == "switch"
    assert running.after(B, cut, response_started=False) == "retry"


def test_without_retries_a_transport_accident_switches() -> None:
    assert plan(retries=0).after(A, fault(FaultKind.UPSTREAM_UNREACHABLE), response_started=False) == "switch"


def test_switches_are_bounded() -> None:
    running = plan(switches=1)
    assert running.after(A, fault(FaultKind.UPSTREAM_ERROR), response_started=False) == "switch"
    assert running.after(B, fault(FaultKind.UPSTREAM_ERROR), response_started=False) == "stop"
    assert running.excluded == {A, B}


def test_the_history_tells_the_last_fault() -> None:
    assert plan().last_fault is None
    running = plan()
    running.after(A, fault(FaultKind.UPSTREAM_OVERLOADED), response_started=False)
    assert running.last_fault == fault(FaultKind.UPSTREAM_OVERLOADED)
    assert repr(running) == "FailoverPlan(switches=1/10, tried=[1: upstream_overloaded -> switch])"


@given(
    kinds=st.lists(st.sampled_from(list(FaultKind)), min_size=40, max_size=40),
    switches=st.integers(0, 5),
    retries=st.integers(0, 2),
)
def test_an_exchange_makes_a_bounded_number_of_attempts(
    kinds: list[FaultKind], switches: int, retries: int
) -> None:
    running = plan(switches, retries)
    current, attempts = 1, 0
    for kind in kinds:
        attempts += 1
        decision = running.after(AccountId(current), fault(kind), response_started=False)
        if decision == "stop":
            break
        current += decision == "switch"
    assert attempts <= (switches + 1) * (retries + 1)
    assert len(running.history) == attempts
