"""Keys and groups that are sold: only who is subscribed binds (spec 1.2, 8.2)."""

from datetime import timedelta

import pytest

from tests.control.subscriptions.sold import change_row, grant, now, sold_group


async def create_key(caller, group):
    return await caller("POST", "/keys", {"name": "k", "group_id": group})


async def available(caller):
    return [item["id"] for item in (await caller("GET", "/groups/available")).data]


async def test_a_subscriber_binds_a_key_and_nobody_else_does(control):
    group = await sold_group(control)
    await grant(control, control.anna, group)
    assert (await create_key(control.anna, group)).data["group_id"] == group
    answer = await create_key(control.ben, group)
    assert (answer.status, answer.json["reason"]) == (403, "GROUP_NOT_ALLOWED")


async def test_a_key_moves_into_the_group_once_there_is_a_subscription(control):
    group = await sold_group(control)
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["id"]
    change = {"group_id": group}
    assert (await control.anna("PUT", f"/keys/{key}", change)).json["reason"] == "GROUP_NOT_ALLOWED"
    await grant(control, control.anna, group)
    assert (await control.anna("PUT", f"/keys/{key}", change)).data["group_id"] == group


@pytest.mark.parametrize("why", ["over", "future", "suspended", "revoked", "inactive group"])
async def test_a_subscription_that_does_not_run_opens_nothing(control, why):
    group = await sold_group(control)
    row = (await grant(control, control.anna, group)).row
    match why:
        case "over":
            await change_row(control, row.id, expires_at=now(control))
        case "future":
            await change_row(control, row.id, starts_at=now(control) + timedelta(seconds=1))
        case "suspended":
            await change_row(control, row.id, status="suspended")
        case "revoked":
            await control.admin("DELETE", f"/admin/subscriptions/{row.id}")
        case _:
            await control.admin("PUT", f"/admin/groups/{group}", {"status": "inactive"})
    assert await available(control.anna) == []
    assert (await create_key(control.anna, group)).json["reason"] == "GROUP_NOT_ALLOWED"


async def test_groups_that_are_sold_are_available_to_subscribers(control):
    public, group = await control.add_group("public"), await sold_group(control)
    exclusive = await sold_group(control, "exclusive", is_exclusive=True)
    for target in (group, exclusive):
        await grant(control, control.anna, target)
    await control.admin("PUT", f"/admin/users/{control.ben.user_id}", {"allowed_groups": [exclusive]})
    assert await available(control.anna) == [public, group, exclusive]
    assert await available(control.ben) == [public]


async def test_an_admin_moves_a_key_only_where_its_owner_is_subscribed(control):
    group = await sold_group(control, is_exclusive=True)
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["id"]
    path, change = f"/admin/api-keys/{key}", {"group_id": group}
    answer = await control.admin("PUT", path, change)
    assert (answer.status, answer.json["reason"]) == (400, "SUBSCRIPTION_REQUIRED")
    await grant(control, control.anna, group)
    data = (await control.admin("PUT", path, change)).data
    assert (data["api_key"]["group_id"], data["auto_granted_group_access"]) == (group, False)
