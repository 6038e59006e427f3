"""What operators see of money: nothing (docs/operations/roles.md). By name: one that looks like money is
either masked or explained here."""

from collections.abc import Iterator
from typing import Any

import pytest

from headgate.control.app import management_schema
from headgate.control.web.amounts import DOCUMENTS, FIELDS, looks_like_money, without_amounts
from headgate.control.web.permissions import GRANTS, Permission
from headgate.kit import json

NO_MONEY = {
    "quota_daily_reset_hour": "an hour of the day",
    "quota_weekly_reset_day": "a day of the week",
    "quota_weekly_reset_hour": "an hour of the day",
    "value": "what staff wrote into the conditions of an announcement",
}
NO_DOCUMENTS = {
    "credentials": "masked for everybody",
    "fair_sharing": "shares and counts of slots",
    "data": "presets of identity providers",
}
"""Fields with anything in them that are nevertheless no place for amounts."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return management_schema()


def masked_answers(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if operation["x-permission"] in (Permission.READ, Permission.OPERATE):
                for status, answer in operation["responses"].items():
                    if status.startswith("2"):
                        yield f"{method} {path}", answer


def properties(
    document: dict[str, Any], node: Any, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for inner in node:
            yield from properties(document, inner, seen)
    if not isinstance(node, dict):
        return
    name = str(node.get("$ref", "")).rpartition("/")[2]
    if name and name not in seen:
        yield from properties(document, document["components"]["schemas"][name], seen | {name})
    if isinstance(node.get("properties"), dict):
        yield from node["properties"].items()
    for key, inner in node.items():
        if key == "properties":
            yield from properties(document, list(inner.values()), seen)
        elif isinstance(inner, dict | list):
            yield from properties(document, inner, seen)


def has(schema: Any, wanted: Any) -> bool:
    """The schema, or one of its alternatives, or what it maps to."""
    if not isinstance(schema, dict):
        return False
    inner = [*schema.get("anyOf", ()), schema.get("additionalProperties"), schema.get("items")]
    return wanted(schema) or any(has(each, wanted) for each in inner)


def is_number(schema: dict[str, Any]) -> bool:
    return schema.get("type") in ("number", "integer")


def is_anything(schema: dict[str, Any]) -> bool:
    return schema.get("additionalProperties") is True or not set(schema) - {"title", "description"}


def test_a_number_that_looks_like_money_is_masked_or_explained(document):
    unexplained = {
        (name, where)
        for where, answer in masked_answers(document)
        for name, schema in properties(document, answer)
        if has(schema, is_number) and looks_like_money(name) and name not in FIELDS | set(NO_MONEY)
    }
    assert unexplained == set()


def test_a_field_that_holds_anything_is_searched_for_amounts_or_explained(document):
    unexplained = {
        (name, where)
        for where, answer in masked_answers(document)
        for name, schema in properties(document, answer)
        if has(schema, is_anything) and name not in DOCUMENTS | FIELDS | set(NO_DOCUMENTS)
    }
    assert unexplained == set()


def test_every_masked_name_exists_and_its_schema_says_that_it_may_be_null(document):
    seen: dict[str, bool] = {}
    for _, answer in masked_answers(document):
        for name, schema in properties(document, answer):
            if name in FIELDS:
                seen[name] = seen.get(name, True) and {"type": "null"} in schema.get("anyOf", ())
    assert set(seen) == FIELDS
    assert all(seen.values()), seen


def test_amounts_become_null_at_any_depth_and_documents_are_searched_by_the_words():
    shown = {
        "data": {
            "items": [{"balance": 1.5, "email": "a@example.org", "group_rates": {"3": 0.5}, "value": 3}],
            "before": {"users:3": {"balance_nano": 5, "status": "active"}, "settings:x": {"value": "7"}},
            "payload": {"data": {"balance_usd": 0.8, "user_id": 3}},
        }
    }
    assert json.loads(without_amounts(json.dumps(shown))) == {
        "data": {
            "items": [{"balance": None, "email": "a@example.org", "group_rates": None, "value": 3}],
            "before": {"users:3": {"balance_nano": None, "status": "active"}, "settings:x": {"value": None}},
            "payload": {"data": {"balance_usd": None, "user_id": 3}},
        }
    }


def test_of_the_staff_only_operators_do_not_see_amounts():
    staff = [role for role, held in GRANTS.items() if Permission.READ in held]
    assert [role for role in staff if Permission.AMOUNTS not in GRANTS[role]] == ["operator"]
