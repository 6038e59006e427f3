"""Assign or extend: what codes, default subscriptions and the command line do (spec 4.8)."""

import asyncio
from datetime import timedelta

import pytest

from headgate.control.subscriptions.terms import LATEST_EXPIRY
from headgate.errors import ApiError
from headgate.storage.read_model import ReadModel
from tests.control.subscriptions.sold import DAY_S, change_row, grant, now, rows, sold_group


async def test_the_first_grant_starts_now(control):
    group = await sold_group(control)
    granted = await grant(control, control.anna, group, 7, notes=" from a code ", by=control.admin.user_id)
    row = granted.row
    assert granted.is_new
    assert (row.starts_at, row.expires_at) == (now(control), now(control) + timedelta(days=7))
    assert (row.status, row.notes, row.assigned_by) == ("active", "from a code", control.admin.user_id)
    assert row.assigned_at == now(control)
    assert (row.daily_window_start, row.daily_used_nano, row.total_used_nano) == (None, 0, 0)


async def test_the_next_one_is_added_to_the_end_of_what_runs(control):
    group = await sold_group(control)
    first = await grant(control, control.anna, group, 30, notes="one")
    control.clock.advance(10 * DAY_S)
    second = await grant(control, control.anna, group, 5, notes="two")
    assert (second.is_new, second.row.id) == (False, first.row.id)
    assert second.row.expires_at == first.row.starts_at + timedelta(days=35)
    assert second.row.starts_at == first.row.starts_at
    assert second.row.notes == "one\ntwo"


async def test_one_that_is_over_goes_on_from_now(control):
    group = await sold_group(control)
    first = await grant(control, control.anna, group, 1)
    await change_row(control, first.row.id, status="expired")
    control.clock.advance(10 * DAY_S)
    second = await grant(control, control.anna, group, 5)
    assert (second.row.expires_at, second.row.status) == (now(control) + timedelta(days=5), "active")


async def test_a_suspended_one_is_switched_on_again(control):
    group = await sold_group(control)
    first = await grant(control, control.anna, group, 1)
    await change_row(control, first.row.id, status="suspended")
    second = await grant(control, control.anna, group, 1)
    assert (second.row.status, second.row.expires_at) == ("active", now(control) + timedelta(days=2))


async def test_a_revoked_one_does_not_come_back(control):
    group = await sold_group(control)
    first = await grant(control, control.anna, group, 30)
    await change_row(control, first.row.id, deleted_at=now(control))
    second = await grant(control, control.anna, group, 5)
    assert second.is_new
    assert second.row.id != first.row.id
    assert second.row.expires_at == now(control) + timedelta(days=5)


@pytest.mark.parametrize("days", [0, -3])
async def test_no_days_stand_for_the_group_s_period(control, days):
    monthly, weekly = await sold_group(control), await sold_group(control, "week", default_validity_days=7)
    for group, expected in ((monthly, 30), (weekly, 7)):
        granted = await grant(control, control.anna, group, days)
        assert granted.row.expires_at == now(control) + timedelta(days=expected)


async def test_nothing_runs_beyond_the_last_day(control):
    group = await sold_group(control)
    for _ in range(3):
        granted = await grant(control, control.anna, group, 36_500)
    assert granted.row.expires_at == LATEST_EXPIRY


async def test_notes_stay_within_bounds(control):
    group = await sold_group(control)
    for number in range(5):
        granted = await grant(control, control.anna, group, 1, notes=f"{number}" * 9_000)
    assert len(granted.row.notes) == 20_000
    assert granted.row.notes.endswith("4")


async def test_who_and_what_must_exist(control):
    standard, deleted = await control.add_group("pool"), await sold_group(control, "gone")
    group = await sold_group(control)
    await control.admin("DELETE", f"/admin/groups/{deleted}")
    await control.admin("DELETE", f"/admin/users/{control.ben.user_id}")
    for user, target, reason in (
        (control.anna, standard, "GROUP_NOT_SUBSCRIPTION_TYPE"),
        (control.anna, deleted, "GROUP_NOT_FOUND"),
        (control.anna, 4711, "GROUP_NOT_FOUND"),
        (control.ben, group, "USER_NOT_FOUND"),
    ):
        with pytest.raises(ApiError) as caught:
            await grant(control, user, target)
        assert caught.value.reason == reason
    assert await rows(control) == []


async def test_two_at_once_make_one_row_and_count_twice(control):
    group = await sold_group(control)
    granted = await asyncio.gather(*(grant(control, control.anna, group, 1) for _ in range(2)))
    assert sorted(one.is_new for one in granted) == [False, True]
    (row,) = await rows(control)
    assert row.expires_at == now(control) + timedelta(days=2)


async def test_a_hundred_at_once_add_up_exactly(control):
    group = await sold_group(control)
    await asyncio.gather(*(grant(control, control.anna, group, 1, notes="n") for _ in range(100)))
    (row,) = await rows(control)
    assert row.expires_at == now(control) + timedelta(days=100)
    assert row.notes == "\n".join(["n"] * 100)


async def test_many_users_at_once_do_not_disturb_each_other(control):
    group = await sold_group(control)
    users = [control.anna, control.ben, control.admin]
    await asyncio.gather(*(grant(control, user, group, 1) for user in users * 10))
    assert [row.expires_at for row in await rows(control)] == [now(control) + timedelta(days=10)] * 3


async def test_a_grant_and_the_deletion_of_its_group_leave_nothing_half_done(control):
    group = await sold_group(control)
    outcomes = await asyncio.gather(
        *(grant(control, user, group) for user in (control.anna, control.ben)),
        control.admin("DELETE", f"/admin/groups/{group}"),
        return_exceptions=True,
    )
    refused = [one for one in outcomes[:2] if isinstance(one, Exception)]
    assert all(isinstance(one, ApiError) and one.reason == "GROUP_NOT_FOUND" for one in refused)
    assert all(row.deleted_at is not None for row in await rows(control))


async def test_the_data_plane_sees_it_and_reads_the_windows_afresh(control, engine):
    group = await sold_group(control, daily_limit_usd=2)
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["key"]
    model = ReadModel(engine, control.deps.vault, control.clock)
    before = await model.directory_version()
    row = (await grant(control, control.anna, group)).row
    bounds = [f"sub:{row.id}:{window}" for window in ("daily", "weekly", "monthly")]
    assert control.bounds == bounds
    assert await model.directory_version() > before
    found = await model.load_key(control.deps.vault.key_hash(key))
    assert found is not None
    assert found[1].subscriptions[group].is_running(control.clock.now_ms())
    assert (await model.load_bounds(bounds))[bounds[0]] == 2 * 10**9
