"""Groups (spec 8.3)."""

import pytest
from sqlalchemy import select

from headgate.storage.models import DirectoryVersionRow


async def directory_version(control):
    async with control.deps.uow() as uow:
        return await uow.session.scalar(select(DirectoryVersionRow.version))


async def test_a_created_group_has_the_contract_s_fields(control):
    data = (await control.admin("POST", "/admin/groups", {"name": "g", "daily_limit_usd": "2.5"})).data
    assert (data["platform"], data["rate_multiplier"], data["status"]) == ("anthropic", 1.0, "active")
    assert (data["daily_limit_usd"], data["weekly_limit_usd"]) == (2.5, None)
    assert {"account_count", "active_account_count", "rate_limited_account_count", "sort_order"} <= set(data)


async def test_a_name_is_taken_once(control):
    await control.add_group("g")
    answer = await control.admin("POST", "/admin/groups", {"name": "g"})
    assert (answer.status, answer.json["reason"]) == (409, "GROUP_EXISTS")


async def test_a_multiplier_of_zero_is_free_and_not_one(control):
    group = await control.add_group(rate_multiplier=0)
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["rate_multiplier"] == 0


async def test_an_update_clears_absent_limits_and_keeps_the_rest(control):
    group = await control.add_group(daily_limit_usd=5, rate_multiplier=2, description="d")
    data = (await control.admin("PUT", f"/admin/groups/{group}", {"name": "renamed"})).data
    assert (data["name"], data["daily_limit_usd"], data["rate_multiplier"]) == ("renamed", None, 2)
    assert data["description"] == "d"


@pytest.mark.parametrize("limit", [-1, "", None, "-3"])
async def test_a_negative_or_empty_limit_is_none(control, limit):
    group = await control.add_group(daily_limit_usd=limit)
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["daily_limit_usd"] is None


@pytest.mark.parametrize("limit", ["abc", "nan", 1e300])
async def test_a_limit_that_is_no_number_is_refused(control, limit):
    assert (
        await control.admin("POST", "/admin/groups", {"name": "g", "daily_limit_usd": limit})
    ).status == 400


async def test_a_fallback_must_exist_and_be_another(control):
    group = await control.add_group()
    assert (await control.admin("PUT", f"/admin/groups/{group}", {"fallback_group_id": 77})).status == 400
    assert (await control.admin("PUT", f"/admin/groups/{group}", {"fallback_group_id": group})).status == 400


async def test_fallbacks_make_no_circle(control):
    first = await control.add_group("a")
    second = await control.add_group("b", fallback_group_id=first)
    answer = await control.admin("PUT", f"/admin/groups/{first}", {"fallback_group_id": second})
    assert (answer.status, answer.json["message"]) == (400, "the fallback groups form a circle")
    assert (await control.admin("GET", f"/admin/groups/{first}")).data["fallback_group_id"] is None


async def test_a_fallback_limited_to_claude_code_is_refused(control):
    target = await control.add_group("t", claude_code_only=True)
    assert (
        await control.admin("POST", "/admin/groups", {"name": "g", "fallback_group_id": target})
    ).status == 400


async def test_the_invalid_request_fallback_is_for_anthropic_standard_groups(control):
    target = await control.add_group("t")
    other = await control.add_group("o", platform="openai")
    for body in (
        {"name": "g", "platform": "openai", "fallback_group_id_on_invalid_request": target},
        {"name": "g", "fallback_group_id_on_invalid_request": other},
    ):
        assert (await control.admin("POST", "/admin/groups", body)).status == 400
    chained = await control.add_group("c", fallback_group_id_on_invalid_request=target)
    body = {"name": "g", "fallback_group_id_on_invalid_request": chained}
    assert (await control.admin("POST", "/admin/groups", body)).status == 400


async def test_accounts_are_copied_from_groups_of_the_same_platform(control):
    source, other = await control.add_group("s"), await control.add_group("o", platform="openai")
    await control.add_account("one", group_ids=[source])
    await control.add_account("two", group_ids=[source])
    copy = await control.add_group("copy", copy_accounts_from_group_ids=[source])
    assert (await control.admin("GET", f"/admin/groups/{copy}")).data["account_count"] == 2
    body = {"name": "bad", "copy_accounts_from_group_ids": [other]}
    assert (await control.admin("POST", "/admin/groups", body)).status == 400


async def test_deleting_lets_keys_accounts_and_fallbacks_go(control):
    group = await control.add_group("g")
    user = await control.add_group("u", fallback_group_id=group)
    key = (await control.anna("POST", "/keys", {"name": "k", "group_id": group})).data["id"]
    account = await control.add_account(group_ids=[group])
    assert (await control.admin("DELETE", f"/admin/groups/{group}")).status == 200
    assert (await control.admin("GET", f"/admin/groups/{group}")).status == 404
    assert (await control.anna("GET", f"/keys/{key}")).data["group_id"] is None
    assert (await control.admin("GET", f"/admin/accounts/{account}")).data["group_ids"] == []
    assert (await control.admin("GET", f"/admin/groups/{user}")).data["fallback_group_id"] is None


async def test_the_order_is_ours(control):
    first, second = await control.add_group("a"), await control.add_group("b")
    updates = [{"id": first, "sort_order": 2}, {"id": second, "sort_order": 1}]
    await control.admin("PUT", "/admin/groups/sort-order", {"updates": updates})
    assert [item["name"] for item in (await control.admin("GET", "/admin/groups/all")).data] == ["b", "a"]


async def test_filters(control):
    await control.add_group("a", platform="openai", is_exclusive=True)
    await control.add_group("b")
    for query, names in (
        ({"platform": "openai"}, ["a"]),
        ({"is_exclusive": "false"}, ["b"]),
        ({"search": "B"}, ["b"]),
        ({"status": "inactive"}, []),
    ):
        items = (await control.admin("GET", "/admin/groups", query=query)).data["items"]
        assert [item["name"] for item in items] == names


async def test_personal_multipliers_are_replaced_as_a_list(control):
    group = await control.add_group()
    path = f"/admin/groups/{group}/rate-multipliers"
    for user, rate in ((control.anna, 0.5), (control.ben, 1.25)):
        await control.admin("PUT", path, {"entries": [{"user_id": user.user_id, "rate_multiplier": rate}]})
    data = (await control.admin("GET", path)).data
    assert [(item["user_email"], item["rate_multiplier"]) for item in data] == [("ben@example.com", 1.25)]
    await control.admin("DELETE", path)
    assert (await control.admin("GET", path)).data == []
    unknown = {"entries": [{"user_id": 4711, "rate_multiplier": 1}]}
    assert (await control.admin("PUT", path, unknown)).status == 400


async def test_users_see_public_groups_and_those_allowed_to_them(control):
    public = await control.add_group("public")
    exclusive = await control.add_group("exclusive", is_exclusive=True)
    inactive = await control.add_group("inactive")
    await control.admin("PUT", f"/admin/groups/{inactive}", {"status": "inactive"})
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"allowed_groups": [exclusive]})
    assert [item["id"] for item in (await control.anna("GET", "/groups/available")).data] == [
        public,
        exclusive,
    ]
    shown = (await control.ben("GET", "/groups/available")).data
    assert [item["id"] for item in shown] == [public]
    assert "model_routing" not in shown[0]


async def test_the_data_plane_hears_of_changes_and_not_of_failures(control):
    before = await directory_version(control)
    group = await control.add_group()
    after = await directory_version(control)
    await control.admin("PUT", f"/admin/groups/{group}", {"fallback_group_id": 77})
    assert (after > before, await directory_version(control)) == (True, after)


async def test_a_group_has_rate_limits_that_stay_when_absent(control):
    group = await control.add_group(rpm_limit=600, tpm_limit=90_000)
    before = await directory_version(control)
    data = (await control.admin("PUT", f"/admin/groups/{group}", {"tpm_limit": 0})).data
    assert (data["rpm_limit"], data["tpm_limit"]) == (600, 0)
    assert await directory_version(control) > before


@pytest.mark.parametrize("limit", [-1, 10**9 + 1, "x"])
async def test_a_group_s_rate_limit_out_of_bounds_is_refused(control, limit):
    answer = await control.admin("POST", "/admin/groups", {"name": "g", "rpm_limit": limit})
    assert answer.status == 400
