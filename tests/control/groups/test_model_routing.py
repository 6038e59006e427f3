"""Model routing as operators set it: patterns that can match, accounts that there are (spec 8.3)."""

import pytest

from headgate.storage.read_model import ReadModel


async def routes_in_force(control, engine, group):
    groups = (await ReadModel(engine, control.deps.vault).load_directory()).groups
    return next(g for g in groups if g.id == group).model_routes


async def test_model_routing_set_at_creation_reaches_the_data_plane(control, engine):
    account = await control.add_account()
    rules = {"claude-*": [account], "empty": []}
    group = await control.add_group(model_routing_enabled=True, model_routing=rules)
    data = (await control.admin("GET", f"/admin/groups/{group}")).data
    assert (data["model_routing_enabled"], data["model_routing"]) == (True, rules)
    assert await routes_in_force(control, engine, group) == {"claude-*": {account}}


async def test_model_routing_that_is_switched_off_routes_nothing(control, engine):
    account = await control.add_account()
    group = await control.add_group(model_routing={"claude-*": [account]})
    assert await routes_in_force(control, engine, group) == {}


async def test_model_routing_stays_when_absent_and_is_emptied_by_an_empty_object(control, engine):
    account = await control.add_account()
    rules = {"claude-*": [account]}
    group = await control.add_group(model_routing_enabled=True, model_routing=rules)
    await control.admin("PUT", f"/admin/groups/{group}", {"description": "x"})
    assert await routes_in_force(control, engine, group) == {"claude-*": {account}}
    await control.admin("PUT", f"/admin/groups/{group}", {"model_routing": {}})
    assert await routes_in_force(control, engine, group) == {}


@pytest.mark.parametrize("pattern", ["cl*ude", " ", "**", "a\tb"])
async def test_a_pattern_that_cannot_match_is_refused(control, pattern):
    group = await control.add_group()
    answer = await control.admin("PUT", f"/admin/groups/{group}", {"model_routing": {pattern: []}})
    assert answer.status == 400
    assert "model_routing: pattern" in answer.json["message"]


async def test_accounts_that_do_not_exist_or_are_of_another_platform_are_refused(control):
    group, other = await control.add_group(), await control.add_account(platform="openai")
    for account, why in ((4711, "does not exist"), (other, "is of platform openai, not anthropic")):
        answer = await control.admin("PUT", f"/admin/groups/{group}", {"model_routing": {"m": [account]}})
        assert (answer.status, why in answer.json["message"]) == (400, True), answer


async def test_an_account_deleted_later_does_not_stand_in_the_way_of_other_changes(control, engine):
    account = await control.add_account()
    group = await control.add_group(model_routing_enabled=True, model_routing={"m": [account]})
    await control.admin("DELETE", f"/admin/accounts/{account}")
    answer = await control.admin("PUT", f"/admin/groups/{group}", {"description": "x"})
    assert answer.status == 200
