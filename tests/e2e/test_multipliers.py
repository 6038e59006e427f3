"""Multipliers: the group's, the user's own, the account's; 0 is free (issue 3, point 7; ADR 15)."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES
from tests.support.gateway import Gateway, Provisioned

START_USD = 10.0


@pytest.fixture
def caller(provision: Provision, upstream_key: str) -> Provisioned:
    """In a group at x2.5, served by an account that costs half."""
    return provision(
        "anthropic",
        upstream_keys=(upstream_key,),
        balance=START_USD,
        group={"rate_multiplier": 2.5},
        account={"rate_multiplier": 0.5},
        key={"quota": 5},
    )


def asked(gateway: Gateway, caller: Provisioned) -> dict[str, Any]:
    """The record of one more request."""
    assert MESSAGES.ask(gateway, caller.key).status == 200
    return gateway.usage(api_key_id=caller.key_id)[-1]


def balance(gateway: Gateway, caller: Provisioned) -> float:
    return float(gateway.api("GET", f"/admin/users/{caller.user_id}")["balance"])


def quota_used(gateway: Gateway, caller: Provisioned) -> float:
    return float(gateway.api("GET", f"/keys/{caller.key_id}", token=caller.user_token)["quota_used"])


def test_the_charge_is_the_list_cost_times_the_groups_multiplier_and_leaves_balance_and_quota(
    gateway: Gateway, caller: Provisioned
) -> None:
    record = asked(gateway, caller)
    assert (record["rate_multiplier"], record["account_rate_multiplier"]) == (2.5, 0.5)
    assert record["total_cost"] > 0
    assert record["actual_cost"] == pytest.approx(2.5 * record["total_cost"], abs=1e-9)
    assert record["account_cost"] == pytest.approx(0.5 * record["total_cost"], abs=1e-9)
    assert balance(gateway, caller) == pytest.approx(START_USD - record["actual_cost"], abs=1e-9)
    assert quota_used(gateway, caller) == pytest.approx(record["actual_cost"], abs=1e-9)


def test_a_users_own_multiplier_wins_over_the_groups(gateway: Gateway, caller: Provisioned) -> None:
    rates = {"entries": [{"user_id": caller.user_id, "rate_multiplier": 1.25}]}
    gateway.api("PUT", f"/admin/groups/{caller.group_id}/rate-multipliers", rates)
    record = asked(gateway, caller)
    assert record["rate_multiplier"] == 1.25
    assert record["actual_cost"] == pytest.approx(1.25 * record["total_cost"], abs=1e-9)


def test_a_multiplier_of_zero_is_free_even_without_money(gateway: Gateway, caller: Provisioned) -> None:
    gateway.api("POST", f"/admin/users/{caller.user_id}/balance", {"balance": 0, "operation": "set"})
    assert MESSAGES.ask(gateway, caller.key).status == 403
    mine = {"group_rates": {str(caller.group_id): 0}}
    gateway.api("PUT", f"/admin/users/{caller.user_id}", mine)
    record = asked(gateway, caller)
    assert (record["rate_multiplier"], record["actual_cost"]) == (0, 0)
    assert record["total_cost"] > 0
    assert record["account_cost"] > 0, "free for the user; the operator still sees the cost"
    assert (balance(gateway, caller), quota_used(gateway, caller)) == (0, 0)
    gateway.api("PUT", f"/admin/users/{caller.user_id}", {"group_rates": {str(caller.group_id): None}})
    assert MESSAGES.ask(gateway, caller.key).status == 403, "without it the group's multiplier counts again"


def test_a_free_group_is_free(gateway: Gateway, caller: Provisioned) -> None:
    gateway.api("PUT", f"/admin/groups/{caller.group_id}", {"rate_multiplier": 0})
    gateway.api("POST", f"/admin/users/{caller.user_id}/balance", {"balance": 0, "operation": "set"})
    assert asked(gateway, caller)["actual_cost"] == 0


def test_a_group_may_count_the_list_cost_on_keys_while_the_balance_pays_the_charge(
    gateway: Gateway, caller: Provisioned
) -> None:
    gateway.api("PUT", f"/admin/groups/{caller.group_id}", {"quota_basis": "list_cost"})
    record = asked(gateway, caller)
    assert record["actual_cost"] == pytest.approx(2.5 * record["total_cost"], abs=1e-9)
    assert quota_used(gateway, caller) == pytest.approx(record["total_cost"], abs=1e-9)
    assert balance(gateway, caller) == pytest.approx(START_USD - record["actual_cost"], abs=1e-9)


@pytest.mark.parametrize(("basis", "counted"), [("charge", "actual_cost"), ("list_cost", "total_cost")])
def test_a_subscription_counts_what_its_group_says_and_spares_the_balance(
    gateway: Gateway, caller: Provisioned, basis: str, counted: str
) -> None:
    plan = {"subscription_type": "subscription", "daily_limit_usd": 5, "quota_basis": basis}
    gateway.api("PUT", f"/admin/groups/{caller.group_id}", plan)
    given = {"user_id": caller.user_id, "group_id": caller.group_id, "validity_days": 30}
    subscription = gateway.api("POST", "/admin/subscriptions/assign", given)["id"]
    record = asked(gateway, caller)
    assert (record["billing_type"], record["subscription_id"]) == (1, subscription)
    shown = gateway.api("GET", f"/admin/subscriptions/{subscription}")
    assert shown["daily_usage_usd"] == pytest.approx(record[counted], abs=1e-9)
    assert quota_used(gateway, caller) == pytest.approx(record[counted], abs=1e-9)
    assert balance(gateway, caller) == START_USD
    gateway.api("PUT", f"/keys/{caller.key_id}", {"quota": 0}, token=caller.user_token)
    _, body = gateway.get("/v1/usage", {"x-api-key": caller.key})
    answer = json.loads(body)
    assert answer["subscription"]["daily_usage_usd"] == pytest.approx(record[counted], abs=1e-9)
    assert answer["remaining"] == pytest.approx(5 - record[counted], abs=1e-9)
