"""What attempts teach about accounts: bounded, aged, and only what the accounts answer for."""

import pytest

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId
from headgate.core.routing.track_record import NO_RECORD
from headgate.kit.clock import FakeClock
from headgate.relay.track_records import TrackRecords

ONE = AccountId(1)


def fault(kind: FaultKind) -> Fault:
    return Fault(kind=kind, message="m")


def test_a_record_is_of_an_account_and_a_model(clock: FakeClock) -> None:
    records = TrackRecords(clock)
    records.note(ONE, "m", fault=fault(FaultKind.UPSTREAM_ERROR), ttft_ms=None)
    records.note(ONE, "m", fault=None, ttft_ms=300)
    assert records.of(ONE, "m").error_rate == pytest.approx(0.16)
    assert records.of(ONE, "m").ttft_ms == 300
    assert records.of(ONE, "other") is records.of(AccountId(2), "m") is NO_RECORD


@pytest.mark.parametrize(
    "kind", [FaultKind.CLIENT_GONE, FaultKind.REQUEST_INVALID, FaultKind.INTERNAL, FaultKind.QUEUE_FULL]
)
def test_faults_of_the_client_and_of_ourselves_say_nothing(clock: FakeClock, kind: FaultKind) -> None:
    records = TrackRecords(clock)
    records.note(ONE, "m", fault=fault(kind), ttft_ms=None)
    assert len(records) == 0


def test_the_oldest_record_goes_when_there_are_too_many(clock: FakeClock) -> None:
    records = TrackRecords(clock, most=2)
    for model in ("a", "b", "a", "c"):
        records.note(ONE, model, fault=None, ttft_ms=1)
    assert len(records) == 2
    assert records.of(ONE, "b") is NO_RECORD
    assert records.of(ONE, "a") is not NO_RECORD
