import pytest

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId
from headgate.core.routing.suspicion import PoisonedRequests, Suspicions, is_ambiguous

BROKE = (AccountId(1), "m", FaultKind.UPSTREAM_ERROR)


def fault(kind: FaultKind, status: int | None = None, body: bytes | None = None) -> Fault:
    return Fault(kind=kind, message="", upstream_status=status, upstream_body=body)


@pytest.mark.parametrize(
    ("failed", "has_reset", "ambiguous"),
    [
        (fault(FaultKind.UPSTREAM_AUTH, 401), False, False),
        (fault(FaultKind.UPSTREAM_PAYMENT, 402), False, False),
        (fault(FaultKind.UPSTREAM_FORBIDDEN, 403), False, True),
        (fault(FaultKind.UPSTREAM_FORBIDDEN, 400), False, False),
        (fault(FaultKind.UPSTREAM_RATE_LIMITED, 429), True, False),
        (fault(FaultKind.UPSTREAM_RATE_LIMITED, 429), False, True),
        (fault(FaultKind.UPSTREAM_OVERLOADED, 529), False, False),
        (fault(FaultKind.UPSTREAM_ERROR, 500), False, True),
        (fault(FaultKind.UPSTREAM_UNREACHABLE), False, False),
        (fault(FaultKind.UPSTREAM_NOT_FOUND, 404, b'{"message":"Model x"}'), False, True),
        (fault(FaultKind.UPSTREAM_NOT_FOUND, 404, b'{"message":"no response resp_1"}'), False, False),
        (fault(FaultKind.UPSTREAM_REQUEST_REJECTED, 400), False, False),
    ],
)
def test_what_the_request_can_have_caused_is_ambiguous(
    failed: Fault, has_reset: bool, ambiguous: bool
) -> None:
    assert is_ambiguous(failed, has_reset=has_reset) is ambiguous


def test_one_conversation_alone_never_convinces() -> None:
    suspicions = Suspicions()
    assert not any(suspicions.is_convincing(BROKE, "same", needed=2) for _ in range(50))
    assert suspicions.is_convincing(BROKE, "another", needed=2)
    assert not suspicions.is_convincing(BROKE, "third", needed=2), "counted anew"


def test_an_answer_clears_the_account_for_the_model_that_it_served() -> None:
    suspicions = Suspicions()
    other = (AccountId(1), "n", FaultKind.UPSTREAM_ERROR)
    for suspect in (BROKE, other):
        suspicions.is_convincing(suspect, "one", needed=2)
    suspicions.answered(AccountId(1), "m")
    assert not suspicions.is_convincing(BROKE, "two", needed=2)
    assert suspicions.is_convincing(other, "two", needed=2)


def test_what_is_remembered_is_bounded_and_ends() -> None:
    suspicions, poisoned = Suspicions(most=3), PoisonedRequests(kept_ms=100, most=3)
    for n in range(10):
        suspicions.is_convincing((AccountId(n), "m", FaultKind.UPSTREAM_CUT), "c", needed=2)
        poisoned.remember(f"r{n}", now_ms=n)
    assert (len(suspicions), len(poisoned)) == (3, 3)
    assert poisoned.knows("r9", 50)
    assert not poisoned.knows("r9", 109)
    assert not poisoned.knows("r9", -1000), "a clock that went back ends it as well"
    assert not poisoned.knows("r0", 50)
