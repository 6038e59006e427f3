"""What a code may be worth."""

import pytest

from headgate.control.codes.terms import CodeTerms, Kind, checked_terms
from headgate.errors import BadRequest
from headgate.storage.models import RedeemCodeRow


def terms(kind: Kind, value: float = 0, group: int | None = None, days: int | None = None) -> CodeTerms:
    return checked_terms(kind=kind, value=value, group_id=group, validity_days=days)


def test_a_balance_is_nano_usd() -> None:
    assert terms("balance", 0.1).value_nano == 100_000_000
    assert terms("balance", 1e-9).value_nano == 1


def test_slots_are_whole() -> None:
    assert terms("concurrency", 3).value_nano == 3 * 10**9


@pytest.mark.parametrize("days", [None, 0, -5])
def test_a_subscription_without_days_is_for_thirty(days: int | None) -> None:
    assert terms("subscription", 0, 7, days).validity_days == 30
    assert terms("subscription", 0, 7, 90).validity_days == 90


def test_an_invitation_needs_no_value() -> None:
    assert terms("invitation").value_nano == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("balance", 0),
        ("balance", 1e-10),
        ("concurrency", 0),
        ("concurrency", 1.5),
        ("concurrency", 1_000_001),
    ],
)
def test_a_code_that_gives_nothing_sensible_is_refused(kind: Kind, value: float) -> None:
    with pytest.raises(BadRequest):
        terms(kind, value)


def test_a_subscription_needs_a_group() -> None:
    with pytest.raises(BadRequest) as refused:
        terms("subscription", 1)
    assert refused.value.reason == "INVALID_GROUP_ID"


def test_only_what_the_kind_uses_is_compared() -> None:
    row = RedeemCodeRow(type="subscription", value_nano=5, group_id=7, validity_days=30)
    assert terms("subscription", 1, 7).describes(row)
    assert not terms("subscription", 1, 8).describes(row)
    assert not terms("subscription", 1, 7, 31).describes(row)
    money = RedeemCodeRow(type="balance", value_nano=10**9, group_id=None, validity_days=7)
    assert terms("balance", 1).describes(money)
    assert not terms("balance", 2).describes(money)
    assert not terms("concurrency", 1).describes(money)
