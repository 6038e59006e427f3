"""Windows: where they begin, what is shown of them, how they are reset (spec 4.8)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from headgate.control.subscriptions.progress import progress_view
from headgate.control.subscriptions.service import SubscriptionService
from headgate.control.work import SYSTEM, open_work
from headgate.settings import Settings
from headgate.storage.ledger import verify
from headgate.storage.ledger_chain import NO_KEY
from headgate.storage.models import GroupRow, SubscriptionRow
from headgate.storage.read_model import ReadModel
from tests.control.subscriptions.sold import change_row, grant, now, rows, sold_group

USD = 10**9
NOON = datetime(2025, 6, 15, 12, tzinfo=UTC)


def subscription(**fields):
    return SubscriptionRow(id=1, group_id=2, expires_at=NOON + timedelta(days=2, hours=1), **fields)


def progress(row, *, at=NOON, **limits):
    group = GroupRow(id=2, name="plan", **limits)
    return progress_view(row, group, round(at.timestamp() * 1000))


def test_progress_says_how_much_is_left_and_until_when():
    row = subscription(daily_used_nano=3 * USD, daily_window_start=datetime(2025, 6, 15, tzinfo=UTC))
    view = progress(row, daily_limit_nano=4 * USD)
    assert view.daily is not None
    assert (view.daily.limit_usd, view.daily.used_usd, view.daily.remaining_usd) == (4, 3, 1)
    assert (view.daily.percentage, view.daily.resets_in_seconds) == (75, 12 * 3600)
    assert view.daily.resets_at == datetime(2025, 6, 16, tzinfo=UTC)
    assert (view.weekly, view.monthly, view.expires_in_days) == (None, None, 2)


def test_more_than_the_limit_is_still_a_hundred_percent_and_nothing_left():
    row = subscription(weekly_used_nano=9 * USD, weekly_window_start=NOON)
    view = progress(row, weekly_limit_nano=4 * USD).weekly
    assert view is not None
    assert (view.used_usd, view.remaining_usd, view.percentage) == (9, 0, 100)


@pytest.mark.parametrize("limit", [None, 0, -5])
def test_no_limit_is_no_window(limit):
    assert progress(subscription(), daily_limit_nano=limit).daily is None


@pytest.mark.parametrize(
    ("window", "length"),
    [("daily", timedelta(days=1)), ("weekly", timedelta(days=7)), ("monthly", timedelta(days=30))],
)
def test_a_window_counts_to_its_last_millisecond(window, length):
    row = subscription(**{f"{window}_used_nano": USD, f"{window}_window_start": NOON})
    limit = {f"{window}_limit_nano": 2 * USD}
    last = getattr(progress(row, at=NOON + length - timedelta(milliseconds=1), **limit), window)
    assert (last.used_usd, last.resets_in_seconds) == (1, 0)
    over = getattr(progress(row, at=NOON + length, **limit), window)
    assert (over.used_usd, over.window_start, over.resets_at, over.percentage) == (0, None, None, 0)


def test_one_that_is_over_has_no_days_left():
    view = progress(subscription(), at=NOON + timedelta(days=400))
    assert view.expires_in_days == 0


def test_a_clock_that_went_back_shows_no_nonsense():
    row = subscription(daily_used_nano=USD, daily_window_start=NOON)
    view = progress(row, at=NOON - timedelta(hours=5), daily_limit_nano=2 * USD).daily
    assert view is not None
    assert (view.used_usd, view.remaining_usd) == (1, 1)
    assert view.resets_in_seconds == 29 * 3600


async def reset(control, subscription_id, *windows):
    body = dict.fromkeys(windows, True)
    return await control.admin("POST", f"/admin/subscriptions/{subscription_id}/reset-quota", body)


async def used(control, **limits):
    """A subscription with something used in every window."""
    row = (await grant(control, control.anna, await sold_group(control, **limits))).row
    begun = now(control) - timedelta(hours=30)
    columns = {f"{window}_window_start": begun for window in ("daily", "weekly", "monthly")}
    columns["daily_window_start"] = now(control) - timedelta(hours=16)
    amounts = {f"{window}_used_nano": USD for window in ("daily", "weekly", "monthly", "total")}
    await change_row(control, row.id, **columns, **amounts)
    control.bounds.clear()
    return row.id


async def test_a_reset_begins_the_chosen_windows_today_with_nothing_used(control):
    row = await used(control)
    data = (await reset(control, row, "daily", "monthly")).data
    assert [data[f"{window}_usage_usd"] for window in ("daily", "weekly", "monthly")] == [0, 1, 0]
    assert data["daily_window_start"] == data["monthly_window_start"] == "2025-06-15T00:00:00Z"
    assert data["weekly_window_start"] == "2025-06-14T09:06:40Z"
    (stored,) = await rows(control)
    assert stored.total_used_nano == USD
    assert f"sub:{row}:daily" in control.bounds


async def test_a_reset_is_a_line_in_the_ledger_for_each_window_that_was_used(control, engine):
    """What a window counts is what left the subscription's book since it began, after the last such line; the
    chain and the books stay sound."""
    row = await used(control)
    await change_row(control, row, weekly_window_start=now(control) - timedelta(days=8), total_used_nano=0)
    for _ in range(2):
        await reset(control, row, "monthly", "daily", "weekly")
    async with engine.connect() as connection:
        lines = await connection.execute(
            text(
                "SELECT kind, debit_book, credit_book, amount_nano, note FROM ledger_entries"
                " WHERE credit_book LIKE 'window:%' ORDER BY seq"
            )
        )
        assert [tuple(line) for line in lines] == [
            ("adjustment", "equity", f"window:{row}:{window}", USD, f"{window} window reset")
            for window in ("daily", "monthly")  # the week was over already
        ]
    report = await verify(engine, ledger_key=NO_KEY)
    assert report.is_sound, report


async def test_a_reset_of_nothing_is_a_mistake(control):
    row = await used(control)
    for body in ({}, {"daily": False}, {"hourly": True}):
        answer = await control.admin("POST", f"/admin/subscriptions/{row}/reset-quota", body)
        assert (answer.status, answer.json["reason"]) == (400, "INVALID_INPUT")


async def test_what_is_shown_is_what_admission_reserves_against(control, engine):
    row = await used(control, daily_limit_usd=5, weekly_limit_usd=7)
    model = ReadModel(engine, control.deps.vault, control.clock)
    for windows in ((), ("daily",), ("weekly",)):
        if windows:
            await reset(control, row, *windows)
        shown = (await control.admin("GET", f"/admin/subscriptions/{row}/progress")).data
        left = await model.load_bounds([f"sub:{row}:daily", f"sub:{row}:weekly"])
        assert [shown["daily"]["remaining_usd"] * USD, shown["weekly"]["remaining_usd"] * USD] == list(
            left.values()
        )
        for window in ("daily", "weekly"):
            resets_ms = await model.bound_resets_at(f"sub:{row}:{window}")
            assert datetime.fromisoformat(shown[window]["resets_at"]).timestamp() * 1000 == resets_ms


async def test_windows_that_are_over_are_shown_empty_without_being_written(control):
    row = await used(control, daily_limit_usd=5)
    await change_row(control, row, daily_window_start=now(control) - timedelta(hours=24))
    data = (await control.admin("GET", f"/admin/subscriptions/{row}")).data
    assert (data["daily_usage_usd"], data["daily_window_start"], data["weekly_usage_usd"]) == (0, None, 1)
    assert (await rows(control))[0].daily_used_nano == USD


async def test_resets_at_once_are_one_reset(control):
    row = await used(control)
    answers = await asyncio.gather(*(reset(control, row, "daily") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert (await rows(control))[0].daily_used_nano == 0


@pytest.mark.parametrize(
    ("zone", "at", "midnight"),
    [
        ("UTC", "2025-06-15T23:59:59.999Z", "2025-06-15T00:00:00Z"),
        ("Asia/Shanghai", "2025-06-15T15:59:59Z", "2025-06-14T16:00:00Z"),
        ("Asia/Shanghai", "2025-06-15T16:00:00Z", "2025-06-15T16:00:00Z"),
        ("Pacific/Kiritimati", "2025-06-15T09:59:59Z", "2025-06-14T10:00:00Z"),
        ("Asia/Kathmandu", "2025-06-15T18:15:00Z", "2025-06-15T18:15:00Z"),
        # the day of 23 hours, and the day of 25
        ("Europe/Berlin", "2025-03-30T12:00:00Z", "2025-03-29T23:00:00Z"),
        ("Europe/Berlin", "2025-10-26T12:00:00Z", "2025-10-25T22:00:00Z"),
        ("Europe/Berlin", "2025-10-26T22:30:00Z", "2025-10-26T22:00:00Z"),
        # clocks go from 0:00 to 1:00: the day begins at 1:00
        ("Africa/Cairo", "2025-04-24T22:30:00Z", "2025-04-24T22:00:00Z"),
        # clocks go from 1:00 back to 0:00: midnight comes twice, the day begins with the first
        ("America/Havana", "2025-11-02T05:30:00Z", "2025-11-02T04:00:00Z"),
        ("America/Havana", "2025-11-02T12:00:00Z", "2025-11-02T04:00:00Z"),
    ],
)
async def test_a_reset_window_begins_at_the_operator_s_midnight(control, zone, at, midnight):
    row = (await grant(control, control.anna, await sold_group(control))).row
    control.clock.advance(datetime.fromisoformat(at).timestamp() - control.clock.now_ms() / 1000)
    await change_row(control, row.id, expires_at=now(control) + timedelta(days=1))
    deps = replace(control.deps, settings=Settings(timezone=zone))
    async with open_work(deps, SYSTEM) as work:
        await SubscriptionService(work).reset(row.id, ["daily"])
    assert (await rows(control))[0].daily_window_start == datetime.fromisoformat(midnight)
