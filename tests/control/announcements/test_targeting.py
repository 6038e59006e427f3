"""Whom an announcement is for."""

from typing import Any

import pytest
from pydantic import ValidationError

from headgate.control.announcements.targeting import Reader, Targeting

RICH = Reader(balance_nano=10_000_000_000, group_ids=frozenset({1, 2}))


def condition(operator: str, value: float) -> dict[str, Any]:
    return {"type": "balance", "operator": operator, "value": value}


def includes(*groups: list[dict[str, Any]], reader: Reader = RICH) -> bool:
    return Targeting.model_validate({"any_of": [{"all_of": group} for group in groups]}).includes(reader)


def test_nothing_means_everyone() -> None:
    assert Targeting().includes(Reader(0, frozenset()))
    assert includes()


@pytest.mark.parametrize(
    ("operator", "below", "same", "above"),
    [
        ("gt", True, False, False),
        ("gte", True, True, False),
        ("lt", False, False, True),
        ("lte", False, True, True),
        ("eq", False, True, False),
    ],
)
def test_balances_are_compared_to_the_nano_dollar(
    operator: str, below: bool, same: bool, above: bool
) -> None:
    found = [includes([condition(operator, value)]) for value in (9.999999999, 10.0, 10.000000001)]
    assert found == [below, same, above]


def test_subscriptions_to_one_of_the_groups() -> None:
    wanted = {"type": "subscription", "operator": "in", "group_ids": [2, 3]}
    assert includes([wanted])
    assert not includes([wanted], reader=Reader(0, frozenset({4})))


def test_or_over_groups_and_inside() -> None:
    yes, no = condition("gt", 1.0), condition("gt", 100.0)
    assert includes([no], [yes])
    assert not includes([yes, no])
    assert not includes([yes, no], [no])


@pytest.mark.parametrize(
    "document",
    [
        {"any_of": [{"all_of": [condition("gt", 1.0)] * 51}]},
        {"any_of": [{"all_of": [condition("gt", 1.0)]}] * 51},
        {"any_of": [{"all_of": []}]},
        {"any_of": [{"all_of": [condition("ne", 1.0)]}]},
        {"any_of": [{"all_of": [{"type": "balance", "operator": "gt", "value": "5"}]}]},
        {"any_of": [{"all_of": [{"type": "subscription", "operator": "in", "group_ids": []}]}]},
        {"any_of": [{"all_of": [{"type": "age", "operator": "gt", "value": 1.0}]}]},
        {"any_of": "all"},
    ],
)
def test_other_documents_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Targeting.model_validate(document)


def test_fifty_groups_of_fifty_conditions_are_the_limit() -> None:
    group = {"all_of": [condition("gt", 1.0)] * 50}
    assert Targeting.model_validate({"any_of": [group] * 50}).includes(RICH)
