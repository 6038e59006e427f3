"""Subscriptions as their owner sees them (spec 7.12)."""

from datetime import timedelta

from tests.control.subscriptions.sold import change_row, grant, now, sold_group
from tests.control.subscriptions.test_admin import PLAIN


async def prepared(control):
    """Anna's: one that runs, one that is over, one that has not begun; and one of Ben's."""
    groups = [await sold_group(control, name, daily_limit_usd=2, monthly_limit_usd=40) for name in "abc"]
    running, over, future = [(await grant(control, control.anna, group)).row for group in groups]
    await grant(control, control.ben, groups[0])
    await change_row(control, over.id, expires_at=now(control))
    await change_row(control, future.id, starts_at=now(control) + timedelta(days=1))
    await change_row(
        control, running.id, daily_used_nano=5 * 10**8, daily_window_start=now(control) - timedelta(hours=1),
        total_used_nano=7 * 10**9,
    )  # fmt: skip
    return running, over, future


async def test_all_of_one_s_own_newest_first(control):
    running, over, future = await prepared(control)
    data = (await control.anna("GET", "/subscriptions")).data
    assert [(item["id"], item["status"]) for item in data] == [
        (future.id, "active"), (over.id, "expired"), (running.id, "active"),
    ]  # fmt: skip
    assert set(data[0]) == PLAIN
    assert data[2]["group"]["daily_limit_usd"] == 2
    assert data[2]["daily_usage_usd"] == 0.5


async def test_only_those_that_run_are_active(control):
    running, _, _ = await prepared(control)
    assert [item["id"] for item in (await control.anna("GET", "/subscriptions/active")).data] == [running.id]
    await change_row(control, running.id, status="suspended")
    for path in ("active", "progress"):
        assert (await control.anna("GET", f"/subscriptions/{path}")).data == []


async def test_progress_of_those_that_run(control):
    running, _, _ = await prepared(control)
    (data,) = (await control.anna("GET", "/subscriptions/progress")).data
    assert (data["id"], data["group_name"], data["expires_in_days"]) == (running.id, "a", 30)
    assert data["weekly"] is None
    daily = data["daily"]
    assert (daily["limit_usd"], daily["used_usd"], daily["remaining_usd"], daily["percentage"]) == (
        2, 0.5, 1.5, 25,
    )  # fmt: skip
    assert daily["resets_in_seconds"] == 23 * 3600
    assert data["monthly"]["window_start"] is None
    shown = (await control.admin("GET", f"/admin/subscriptions/{running.id}/progress")).data
    assert shown == data


async def test_the_summary_counts_those_that_run(control):
    running, _, _ = await prepared(control)
    data = (await control.anna("GET", "/subscriptions/summary")).data
    assert (data["active_count"], data["total_used_usd"]) == (1, 7)
    (item,) = data["subscriptions"]
    assert item == {
        "id": running.id, "group_id": running.group_id, "group_name": "a", "status": "active",
        "daily_used_usd": 0.5, "daily_limit_usd": 2, "weekly_used_usd": 0, "weekly_limit_usd": None,
        "monthly_used_usd": 0, "monthly_limit_usd": 40, "expires_at": item["expires_at"],
    }  # fmt: skip


async def test_whoever_has_none_sees_none(control):
    for path in ("", "/active", "/progress"):
        assert (await control.anna("GET", f"/subscriptions{path}")).data == []
    summary = (await control.anna("GET", "/subscriptions/summary")).data
    assert summary == {"active_count": 0, "total_used_usd": 0, "subscriptions": []}
