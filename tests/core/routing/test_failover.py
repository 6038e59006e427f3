import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId
from headgate.core.routing.failover import FailoverPlan, FaultScope, is_prompt_too_long, scope_of

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


def test_after_a_503_of_the_last_account_all_may_be_tried_once_more() -> None:
    running = plan()
    assert not running.start_over(), "nobody has been tried"
    unavailable = Fault(kind=FaultKind.UPSTREAM_ERROR, message="", upstream_status=503)
    running.after(A, fault(FaultKind.UPSTREAM_ERROR), response_started=False)
    assert not running.start_over(), "no 503"
    running.after(B, unavailable, response_started=False)
    assert running.start_over()
    assert running.excluded == frozenset()
    running.after(B, unavailable, response_started=False)
    assert not running.start_over(), "once"


@pytest.mark.parametrize("switches", [0, 1])
def test_who_has_no_switches_left_does_not_start_over(switches: int) -> None:
    running = plan(switches=switches)
    running.after(
        A, Fault(kind=FaultKind.UPSTREAM_ERROR, message="", upstream_status=503), response_started=False
    )
    assert not running.start_over()


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


def refusal(kind: FaultKind, status: int, body: bytes) -> Fault:
    return Fault(kind=kind, message="failed", upstream_status=status, upstream_body=body)


NO_MODEL = refusal(FaultKind.UPSTREAM_NOT_FOUND, 404, b'{"error":{"message":"The model does not exist"}}')
SIGNATURE = refusal(FaultKind.UPSTREAM_REQUEST_REJECTED, 400, b'{"error":"Invalid signature in thinking"}')


def test_a_model_that_one_account_lacks_is_asked_of_one_more() -> None:
    running = plan()
    assert running.after(A, NO_MODEL, response_started=False) == "switch"
    assert running.after(B, NO_MODEL, response_started=False) == "stop", "two say so: believe them"


def test_an_object_that_is_not_there_is_looked_for_once() -> None:
    gone = refusal(FaultKind.UPSTREAM_NOT_FOUND, 404, b'{"error":"No response resp_1"}')
    assert plan().after(A, gone, response_started=False) == "stop"


@pytest.mark.parametrize(("on_400", "decision"), [(False, "stop"), (True, "switch")])
def test_a_400_that_can_depend_on_the_account_switches_where_that_is_wanted(
    on_400: bool, decision: str
) -> None:
    running = FailoverPlan(max_switches=10, max_same_account_retries=1, on_400=on_400)
    assert running.after(A, SIGNATURE, response_started=False) == decision
    plain = refusal(FaultKind.UPSTREAM_REQUEST_REJECTED, 400, b'{"error":"max_tokens is missing"}')
    assert running.after(B, plain, response_started=False) == "stop"


def test_failed_attempts_are_bounded_in_money_too() -> None:
    running = FailoverPlan(max_switches=10, max_same_account_retries=1, max_spent_nano=100)
    cut = fault(FaultKind.UPSTREAM_CUT)
    assert running.after(A, cut, response_started=False, spent_nano=99) == "retry"
    assert running.after(A, cut, response_started=False, spent_nano=100) == "stop"
    assert running.is_out_of_money


@pytest.mark.parametrize(
    ("failed", "scope"),
    [
        (NO_MODEL, FaultScope.MODEL),
        (SIGNATURE, FaultScope.REQUEST),
        (fault(FaultKind.UPSTREAM_AUTH), FaultScope.ACCOUNT),
        (fault(FaultKind.UPSTREAM_CUT), FaultScope.NETWORK),
        (fault(FaultKind.UPSTREAM_ERROR), FaultScope.PROVIDER),
        (fault(FaultKind.CLIENT_GONE), FaultScope.CLIENT),
        (fault(FaultKind.INTERNAL), FaultScope.GATEWAY),
    ],
)
def test_every_fault_has_a_scope(failed: Fault, scope: FaultScope) -> None:
    assert scope_of(failed) is scope


@pytest.mark.parametrize(
    ("kind", "body", "is_too_long"),
    [
        (FaultKind.UPSTREAM_REQUEST_REJECTED, b"Prompt is too long: 213000 tokens > 200000", True),
        (FaultKind.UPSTREAM_REQUEST_REJECTED, b'{"code":"context_length_exceeded"}', True),
        (FaultKind.UPSTREAM_REQUEST_REJECTED, b"max_tokens is too large", False),
        (FaultKind.UPSTREAM_ERROR, b"prompt is too long", False),
    ],
)
def test_a_prompt_that_is_too_long_is_known_by_the_providers_words(
    kind: FaultKind, body: bytes, is_too_long: bool
) -> None:
    assert is_prompt_too_long(refusal(kind, 400, body)) is is_too_long
