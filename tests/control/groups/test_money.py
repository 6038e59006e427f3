"""A group's rules of money: overrun, unknown prices, what quotas count (ADR 15)."""

import json

import pytest

from headgate.control.commands import GroupCommands
from headgate.core.world import OverrunPolicy, QuotaBasis, UnknownPrice
from headgate.storage.read_model import ReadModel

RULES = ("overrun_policy", "overdraft_limit_usd", "unknown_price", "quota_basis")
ALL_SET = {
    "overrun_policy": "overdraft",
    "overdraft_limit_usd": 2.5,
    "unknown_price": "refuse",
    "quota_basis": "list_cost",
}


async def rules(control, group):
    data = (await control.admin("GET", f"/admin/groups/{group}")).data
    return {name: data[name] for name in RULES}


async def seen_by_the_data_plane(control, engine):
    (group,) = (await ReadModel(engine, control.deps.vault).load_directory()).groups
    return group


async def test_a_new_group_is_strict_counts_the_charge_and_does_as_the_installation_says(control, engine):
    group = await control.add_group()
    assert await rules(control, group) == {
        "overrun_policy": "strict",
        "overdraft_limit_usd": 0,
        "unknown_price": "inherit",
        "quota_basis": "charge",
    }
    seen = await seen_by_the_data_plane(control, engine)
    assert (seen.overrun_policy, seen.quota_basis) == (OverrunPolicy.STRICT, QuotaBasis.CHARGE)


async def test_what_is_set_reaches_the_data_plane(control, engine):
    await control.add_group(**ALL_SET)
    seen = await seen_by_the_data_plane(control, engine)
    assert seen.overrun_policy is OverrunPolicy.OVERDRAFT
    assert seen.overdraft_limit_nano == 2_500_000_000
    assert seen.unknown_price is UnknownPrice.REFUSE
    assert seen.quota_basis is QuotaBasis.LIST_COST


async def test_absent_rules_stay_as_they_were(control):
    group = await control.add_group(**ALL_SET)
    await control.admin("PUT", f"/admin/groups/{group}", {"description": "other"})
    assert await rules(control, group) == ALL_SET
    await control.admin("PUT", f"/admin/groups/{group}", {"overrun_policy": "strict"})
    assert await rules(control, group) == {**ALL_SET, "overrun_policy": "strict"}


@pytest.mark.parametrize("limit", [None, 0, 1e-10])
async def test_an_overdraft_names_its_limit(control, limit):
    body = {"name": "g", "overrun_policy": "overdraft", "overdraft_limit_usd": limit}
    answer = await control.admin("POST", "/admin/groups", body)
    assert (answer.status, answer.json["reason"]) == (400, "OVERDRAFT_LIMIT_REQUIRED")
    assert (await control.admin("GET", "/admin/groups")).data["total"] == 0


async def test_a_limit_in_force_cannot_be_taken_away(control):
    group = await control.add_group(**ALL_SET)
    answer = await control.admin("PUT", f"/admin/groups/{group}", {"overdraft_limit_usd": 0})
    assert (answer.status, answer.json["reason"]) == (400, "OVERDRAFT_LIMIT_REQUIRED")
    assert await rules(control, group) == ALL_SET


@pytest.mark.parametrize(
    "bad",
    [
        {"overdraft_limit_usd": -1},
        {"overdraft_limit_usd": 1e300},
        {"overdraft_limit_usd": 1_000_000_001},
        {"overdraft_limit_usd": float("nan")},
        {"overdraft_limit_usd": float("inf")},
        {"overdraft_limit_usd": "a lot"},
        {"overrun_policy": "kill"},
        {"unknown_price": "free"},
        {"unknown_price": ""},
        {"quota_basis": "tokens"},
        {"quota_basis": 1},
    ],
    ids=json.dumps,
)
async def test_a_rule_that_nobody_can_follow_is_refused_and_changes_nothing(control, bad):
    group = await control.add_group(**ALL_SET)
    for method, path, body in (
        ("PUT", f"/admin/groups/{group}", bad),
        ("POST", "/admin/groups", {"name": "other", **bad}),
    ):
        assert (await control.admin(method, path, body)).status == 400
    assert await rules(control, group) == ALL_SET


async def test_users_see_what_their_quotas_count_and_not_the_operator_s_rules(control):
    await control.add_group(**ALL_SET)
    (seen,) = (await control.anna("GET", "/groups/available")).data
    assert seen["quota_basis"] == "list_cost"
    assert not {"overrun_policy", "overdraft_limit_usd", "unknown_price"} & set(seen)


async def test_the_command_line_sets_the_same_rules(control, engine):
    await GroupCommands(control.deps).create(
        name="g", platform="openai", overdraft_usd=1, unknown_price="default", quota_basis="list_cost"
    )
    seen = await seen_by_the_data_plane(control, engine)
    assert (seen.overrun_policy, seen.overdraft_limit_nano) == (OverrunPolicy.OVERDRAFT, 10**9)
    assert (seen.unknown_price, seen.quota_basis) == (UnknownPrice.DEFAULT, QuotaBasis.LIST_COST)
