"""Default subscriptions: set by the operator, granted to new users (spec 7.2, 8.8)."""

from datetime import datetime, timedelta

import pytest

from headgate.control.subscriptions.defaults import SETTING
from headgate.storage.models import SettingRow
from tests.control.subscriptions.sold import now, rows, sold_group


async def set_defaults(control, *entries):
    wanted = [{"group_id": group, "validity_days": days} for group, days in entries]
    return await control.admin("PUT", "/admin/settings", {"default_subscriptions": wanted})


async def create_user(control, email="carl@example.com"):
    return await control.admin("POST", "/admin/users", {"email": email, "password": "long enough"})


async def test_without_a_word_nobody_is_given_anything(control):
    assert (await control.admin("GET", "/admin/settings")).data["default_subscriptions"] == []
    assert (await create_user(control)).data["subscriptions"] == []


async def test_new_users_are_given_what_was_set(control):
    first, second = await sold_group(control, "a"), await sold_group(control, "b")
    shown = (await set_defaults(control, (first, 7), (second, 90))).data
    assert shown == (await control.admin("GET", "/admin/settings")).data
    assert shown["default_subscriptions"] == [
        {"group_id": first, "validity_days": 7},
        {"group_id": second, "validity_days": 90},
    ]
    given = (await create_user(control)).data["subscriptions"]
    assert {
        item["group_id"]: datetime.fromisoformat(item["expires_at"]) - now(control) for item in given
    } == {
        first: timedelta(days=7),
        second: timedelta(days=90),
    }
    assert {(item["notes"], item["assigned_by"]) for item in given} == {("default subscription", None)}
    assert len(await rows(control)) == 2  # those who were there before got nothing


async def test_absent_settings_stay_and_an_empty_list_clears(control):
    await set_defaults(control, (await sold_group(control), 7))
    kept = (await control.admin("PUT", "/admin/settings", {"something_else": 1})).data
    assert len(kept["default_subscriptions"]) == 1
    assert (await set_defaults(control)).data["default_subscriptions"] == []


async def test_what_cannot_be_granted_is_not_accepted(control):
    group, pool = await sold_group(control), await control.add_group("pool")
    for entries, reason in (
        ([(group, 7), (group, 8)], "INVALID_INPUT"),
        ([(4711, 7)], "INVALID_GROUP_ID"),
        ([(group, 7), (pool, 7)], "GROUP_NOT_SUBSCRIPTION_TYPE"),
    ):
        answer = await set_defaults(control, *entries)
        assert (answer.status, answer.json["reason"]) == (400, reason)
    assert (await control.admin("GET", "/admin/settings")).data["default_subscriptions"] == []


@pytest.mark.parametrize("days", [0, -1, 36_501, "x", None])
async def test_days_have_bounds(control, days):
    assert (await set_defaults(control, (await sold_group(control), days))).status == 400


async def test_a_group_that_is_gone_keeps_nobody_out(control):
    gone, changed, left = [await sold_group(control, name) for name in "abc"]
    await set_defaults(control, (gone, 7), (changed, 7), (left, 7))
    await control.admin("DELETE", f"/admin/groups/{gone}")
    await control.admin("PUT", f"/admin/groups/{changed}", {"subscription_type": "standard"})
    given = (await create_user(control)).data["subscriptions"]
    assert [item["group_id"] for item in given] == [left]


@pytest.mark.parametrize("value", ["{", "7", '[{"group_id": "x"}]'])
async def test_a_setting_that_cannot_be_read_counts_as_none(control, value):
    async with control.deps.uow() as uow:
        uow.session.add(SettingRow(key=SETTING, value=value, updated_at=now(control)))
    assert (await create_user(control)).data["subscriptions"] == []
    assert (await set_defaults(control, (await sold_group(control), 7))).status == 200


async def test_a_user_who_could_not_be_created_was_given_nothing(control):
    await set_defaults(control, (await sold_group(control), 7))
    assert (await create_user(control, "anna@example.com")).status == 409
    assert await rows(control) == []
