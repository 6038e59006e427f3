"""Quotas of accounts (spec 1.4, 8.4): set inside `extra`, shown there and at the top, never moved by what is
sent."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from headgate.core.limits.windows import account_windows
from headgate.core.world import AccountQuota
from headgate.storage.journal import AccountWindows
from headgate.storage.journal_opening import open_journal_at
from headgate.storage.models import AccountRow
from headgate.storage.read_model import ReadModel
from tests.storage.books import intent, settlement

QUOTA = {
    "quota_limit": 100,
    "quota_daily_limit": 5,
    "quota_daily_reset_mode": "fixed",
    "quota_daily_reset_hour": 9,
    "quota_weekly_limit": 20.5,
    "quota_weekly_reset_mode": "fixed",
    "quota_weekly_reset_day": 0,
    "quota_weekly_reset_hour": 23,
    "quota_reset_timezone": "Europe/Berlin",
}
BOUNDS = ["account:{0}:quota", "account:{0}:daily", "account:{0}:weekly"]


async def shown(control, account):
    return (await control.admin("GET", f"/admin/accounts/{account}")).data


async def put(control, account, body):
    return await control.admin("PUT", f"/admin/accounts/{account}", body)


async def spend(control, account, **columns):
    async with control.deps.uow() as uow:
        await uow.session.execute(update(AccountRow).where(AccountRow.id == account).values(**columns))


async def seen_by_the_data_plane(control, engine):
    (account,) = (await ReadModel(engine, control.deps.vault).load_directory()).accounts
    return account.quota


async def test_a_quota_arrives_inside_extra_and_is_shown_twice(control, engine):
    account = await control.add_account(extra={**QUOTA, "base_rpm": 7})
    data = await shown(control, account)
    assert {name: data[name] for name in QUOTA} == QUOTA
    assert {name: data["extra"][name] for name in QUOTA} == QUOTA
    assert data["extra"]["base_rpm"] == 7
    assert (data["quota_used"], data["quota_daily_used"], data["quota_weekly_used"]) == (0, 0, 0)
    assert await seen_by_the_data_plane(control, engine) == AccountQuota(
        total_nano=100 * 10**9,
        daily_nano=5 * 10**9,
        weekly_nano=20_500_000_000,
        daily_is_fixed=True,
        daily_hour=9,
        weekly_is_fixed=True,
        weekly_day=0,
        weekly_hour=23,
        timezone="Europe/Berlin",
    )


async def test_an_account_without_a_quota_shows_none(control, engine):
    data = await shown(control, await control.add_account())
    assert not [name for name in data["extra"] if name.startswith("quota")]
    assert {data[name] for name in data if name.startswith("quota")} == {None}
    assert await seen_by_the_data_plane(control, engine) is None


async def test_defaults_are_rolling_windows_in_utc_and_a_week_from_monday(control):
    data = await shown(control, await control.add_account(extra={"quota_weekly_limit": 1}))
    assert (data["quota_weekly_reset_mode"], data["quota_reset_timezone"]) == ("rolling", "UTC")
    assert (data["quota_weekly_reset_day"], data["quota_weekly_reset_hour"]) == (1, 0)
    assert data["quota_weekly_reset_at"] is None, "a rolling window that is not open ends at no known time"
    assert data["quota_daily_limit"] is None


async def test_an_update_replaces_the_settings_and_keeps_what_was_used(control):
    account = await control.add_account(extra=QUOTA)
    await spend(control, account, quota_used_nano=3 * 10**9)
    await put(control, account, {"extra": {"quota_limit": 50, "quota_used": 0, "quota_daily_start": None}})
    data = await shown(control, account)
    assert (data["quota_limit"], data["quota_used"], data["quota_daily_limit"]) == (50, 3, None)
    await put(control, account, {"notes": "no extra in this body"})
    assert (await shown(control, account))["quota_limit"] == 50
    await put(control, account, {"extra": {}})
    assert (await shown(control, account))["quota_limit"] is None
    await put(control, account, {"extra": {"quota_limit": 50}})
    assert (await shown(control, account))["quota_used"] == 3


async def test_what_was_read_can_be_written_back(control):
    account = await control.add_account(extra={**QUOTA, "other": {"a": 1}})
    await spend(control, account, quota_used_nano=10**9)
    before = await shown(control, account)
    assert (await put(control, account, {"extra": before["extra"]})).status == 200
    after = await shown(control, account)
    assert after["extra"] == before["extra"]


async def test_reservations_hear_of_a_limit_that_moved_and_of_nothing_else(control):
    account = await control.add_account(extra=QUOTA)
    assert control.bounds == []
    await put(control, account, {"extra": {**QUOTA, "quota_daily_reset_hour": 3}})
    assert control.bounds == []
    await put(control, account, {"extra": {**QUOTA, "quota_daily_limit": 6}})
    assert control.bounds == [name.format(account) for name in BOUNDS]


@pytest.mark.parametrize(
    "bad",
    [
        {"quota_limit": -1},
        {"quota_limit": 1e300},
        {"quota_limit": float("nan")},
        {"quota_limit": float("inf")},
        {"quota_daily_limit": "plenty"},
        {"quota_weekly_limit": [1]},
        {"quota_daily_reset_mode": "sliding"},
        {"quota_weekly_reset_mode": ""},
        {"quota_daily_reset_hour": 24},
        {"quota_daily_reset_hour": -1},
        {"quota_weekly_reset_hour": 1.5},
        {"quota_weekly_reset_day": 7},
        {"quota_reset_timezone": "Mars/Olympus"},
        {"quota_reset_timezone": "../../etc/passwd"},
        {"quota_reset_timezone": "/etc/passwd"},
        {"quota_reset_timezone": "Europe"},
        {"quota_reset_timezone": ""},
        {"quota_reset_timezone": "x" * 65},
        {"quota_reset_timezone": 1},
    ],
    ids=json.dumps,
)
async def test_a_quota_that_cannot_be_meant_is_refused_and_changes_nothing(control, bad):
    account = await control.add_account(extra=QUOTA)
    answer = await put(control, account, {"name": "other", "extra": {**QUOTA, **bad}})
    assert answer.status == 400
    data = await shown(control, account)
    assert {name: data[name] for name in QUOTA} == QUOTA
    assert data["name"] == "main"


async def test_the_refusal_names_the_field(control):
    answer = await put(
        control, await control.add_account(), {"extra": {"quota_reset_timezone": "Mars/Olympus"}}
    )
    assert answer.json["message"].startswith("extra.quota_reset_timezone: ")
    assert answer.json["reason"] == "INVALID_INPUT"


async def test_a_limit_too_small_to_count_is_still_a_limit(control, engine):
    await control.add_account(extra={"quota_limit": 1e-12})
    assert (await seen_by_the_data_plane(control, engine)).total_nano == 1


async def test_a_fixed_window_shows_when_it_begins_anew_whether_or_not_it_is_open(control):
    account = await control.add_account(extra=QUOTA)
    now = datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC)
    data = await shown(control, account)
    ends = [datetime.fromisoformat(data[f"quota_{name}_reset_at"]) for name in ("daily", "weekly")]
    quota = AccountQuota(
        daily_is_fixed=True,
        daily_hour=9,
        weekly_is_fixed=True,
        weekly_day=0,
        weekly_hour=23,
        timezone="Europe/Berlin",
    )
    expected = account_windows(quota, control.clock.now_ms())
    assert [round(end.timestamp() * 1000) for end in ends] == [expected[1], expected[3]]
    opened, end = now - timedelta(hours=1), now + timedelta(minutes=30)
    await spend(
        control, account, quota_daily_used_nano=2 * 10**9, quota_daily_start=opened, quota_daily_end=end
    )
    data = await shown(control, account)
    assert (data["quota_daily_used"], datetime.fromisoformat(data["quota_daily_reset_at"])) == (2, end)
    control.clock.advance(30 * 60)
    data = await shown(control, account)
    assert (data["quota_daily_used"], data["quota_daily_start"]) == (0, None), (
        "an ended window counts nothing"
    )


async def test_a_reset_forgets_what_was_used_and_keeps_the_limits(control):
    account = await control.add_account(extra=QUOTA)
    now = datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC)
    await spend(
        control, account, quota_used_nano=10**9, quota_daily_used_nano=10**9, quota_weekly_used_nano=10**9,
        quota_daily_start=now, quota_daily_end=now + timedelta(days=1), quota_weekly_start=now,
        quota_weekly_end=now + timedelta(days=7),
    )  # fmt: skip
    control.bounds.clear()
    data = (await control.admin("POST", f"/admin/accounts/{account}/reset-quota")).data
    assert (data["quota_used"], data["quota_daily_used"], data["quota_weekly_used"]) == (0, 0, 0)
    assert {name: data[name] for name in QUOTA} == QUOTA
    assert control.bounds == [name.format(account) for name in BOUNDS]
    async with control.deps.uow() as uow:
        row = (await uow.session.scalars(select(AccountRow))).one()
    assert (row.quota_daily_end, row.quota_weekly_end) == (None, None)


async def test_only_admins_reset_and_only_accounts_that_exist(control):
    account = await control.add_account(extra=QUOTA)
    assert (await control.anna("POST", f"/admin/accounts/{account}/reset-quota")).status == 403
    answer = await control.admin("POST", "/admin/accounts/999/reset-quota")
    assert (answer.status, answer.json["reason"]) == (404, "ACCOUNT_NOT_FOUND")


async def test_what_the_journal_counts_is_what_is_shown(control, target):
    account = await control.add_account(extra=QUOTA)
    group = await control.add_group()
    key = (await control.anna("POST", "/keys", {"name": "k", "group_id": group})).data["id"]
    now_ms = control.clock.now_ms()
    windows = AccountWindows(
        daily_start_ms=now_ms - 1000, daily_end_ms=now_ms + 60_000, weekly_start_ms=now_ms - 1000,
        weekly_end_ms=now_ms + 120_000,
    )  # fmt: skip
    journal = await open_journal_at(target, control.clock, "test")
    made = intent(account_id=account, group_id=group, key_id=key, user_id=control.anna.user_id)
    await journal.settle(settlement(made, charge=1, account_cost=1_500_000_000, account_windows=windows))
    await journal.close()
    data = await shown(control, account)
    assert (data["quota_used"], data["quota_daily_used"], data["quota_weekly_used"]) == (1.5, 1.5, 1.5)
    ends = [datetime.fromisoformat(data[f"quota_{name}_reset_at"]) for name in ("daily", "weekly")]
    assert [round(end.timestamp() * 1000) - now_ms for end in ends] == [60_000, 120_000]
