import pytest

from headgate.core.faults import Blame, Fault, FaultKind, RelayError


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_has_a_status_a_blame_and_a_retry_rule(kind: FaultKind) -> None:
    assert 400 <= kind.http_status <= 599
    assert kind.blame in Blame
    assert kind.retry in {"retry", "switch", "stop"}


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.blame is Blame.CLIENT])
def test_the_clients_faults_are_never_tried_elsewhere(kind: FaultKind) -> None:
    assert kind.retry == "stop"
    assert kind.http_status < 500


@pytest.mark.parametrize(
    "kind", [kind for kind in FaultKind if kind.blame in {Blame.ACCOUNT, Blame.UPSTREAM}]
)
def test_faults_of_accounts_and_upstreams_are_tried_elsewhere(kind: FaultKind) -> None:
    assert kind.retry == "switch"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.UPSTREAM_AUTH, 502),
        (FaultKind.UPSTREAM_PAYMENT, 502),
        (FaultKind.UPSTREAM_FORBIDDEN, 502),
        (FaultKind.UPSTREAM_RATE_LIMITED, 429),
        (FaultKind.UPSTREAM_OVERLOADED, 503),
        (FaultKind.UPSTREAM_ERROR, 502),
        (FaultKind.NO_ACCOUNT, 503),
        (FaultKind.BALANCE_INSUFFICIENT, 403),
        (FaultKind.KEY_INVALID, 401),
    ],
)
def test_statuses_are_those_of_the_spec(kind: FaultKind, status: int) -> None:
    assert kind.http_status == status


def test_a_relay_error_shows_the_kind_and_never_the_upstream_body() -> None:
    fault = Fault(kind=FaultKind.UPSTREAM_NOT_FOUND, message="m", upstream_body=b"canary")
    error = RelayError(fault)
    assert error.fault is fault
    assert str(error) == "upstream_not_found"
