"""Subscriptions as admins handle them (spec 4.8, 8.6)."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.control.subscriptions.sold import DAY_S, change_row, grant, now, pass_time, rows, sold_group

PLAIN = {
    "id", "user_id", "group_id", "starts_at", "expires_at", "status", "daily_window_start",
    "weekly_window_start", "monthly_window_start", "daily_usage_usd", "weekly_usage_usd",
    "monthly_usage_usd", "created_at", "updated_at", "user", "group",
}  # fmt: skip
ADMIN = PLAIN | {"assigned_by", "assigned_at", "notes", "assigned_by_user"}


async def assign(control, user, group, days=30, notes=""):
    body = {"user_id": user.user_id, "group_id": group, "validity_days": days, "notes": notes}
    return await control.admin("POST", "/admin/subscriptions/assign", body)


async def extend(control, subscription, days, **options):
    path = f"/admin/subscriptions/{subscription}/extend"
    return await control.admin("POST", path, {"days": days}, **options)


async def listed(control, **query):
    return (await control.admin("GET", "/admin/subscriptions", query=query)).data["items"]


def until(data):
    return datetime.fromisoformat(data["expires_at"])


async def test_an_assigned_subscription_has_the_contract_s_fields(control):
    group = await sold_group(control)
    data = (await assign(control, control.anna, group, 7, "gift")).data
    assert set(data) == ADMIN
    assert (data["status"], data["notes"], data["assigned_by"]) == ("active", "gift", control.admin.user_id)
    assert (data["user"]["email"], data["group"]["name"]) == ("anna@example.com", "plan")
    assert data["assigned_by_user"]["email"] == "admin@example.com"
    assert until(data) == now(control) + timedelta(days=7)
    assert (data["daily_usage_usd"], data["daily_window_start"]) == (0, None)
    assert (await control.admin("GET", f"/admin/subscriptions/{data['id']}")).data == data


async def test_the_same_call_again_answers_the_one_there_is(control):
    group = await sold_group(control)
    first = (await assign(control, control.anna, group, 7, "gift")).data
    await pass_time(control, DAY_S)
    control.bounds.clear()
    second = (await assign(control, control.anna, group, 7, "  gift ")).data
    assert second == first
    assert control.bounds == []


@pytest.mark.parametrize(
    ("days", "notes", "difference"),
    [
        (8, "gift", "validity_days_mismatch"),
        (7, "other", "notes_mismatch"),
        (8, "other", "validity_days_mismatch"),
    ],
)
async def test_another_period_or_note_is_a_conflict_that_says_which(control, days, notes, difference):
    group = await sold_group(control)
    first = (await assign(control, control.anna, group, 7, "gift")).data
    answer = await assign(control, control.anna, group, days, notes)
    assert (answer.status, answer.json["reason"]) == (409, "SUBSCRIPTION_ASSIGN_CONFLICT")
    assert answer.json["metadata"] == {"conflict_reason": difference}
    assert (await control.admin("GET", f"/admin/subscriptions/{first['id']}")).data == first


async def test_the_last_day_compares_equal_too(control):
    group = await sold_group(control)
    first = (await assign(control, control.anna, group, 36_500)).data
    assert first["expires_at"] == "2099-12-31T23:59:59Z"
    assert (await assign(control, control.anna, group, 36_500)).data == first


@pytest.mark.parametrize("days", [-1, 36_501, "x", 1.5, 10**30])
async def test_a_period_that_is_none_is_refused(control, days):
    group = await sold_group(control)
    assert (await assign(control, control.anna, group, days)).status == 400
    assert await rows(control) == []


async def test_assigning_needs_a_user_and_a_group_that_is_sold(control):
    group, pool = await sold_group(control), await control.add_group("pool")
    for body, status, reason in (
        ({"user_id": 4711, "group_id": group}, 404, "USER_NOT_FOUND"),
        ({"user_id": control.anna.user_id, "group_id": 4711}, 404, "GROUP_NOT_FOUND"),
        ({"user_id": control.anna.user_id, "group_id": pool}, 400, "GROUP_NOT_SUBSCRIPTION_TYPE"),
    ):
        answer = await control.admin("POST", "/admin/subscriptions/assign", body)
        assert (answer.status, answer.json["reason"]) == (status, reason)


async def test_bulk_assign_counts_what_became_of_each_user(control):
    group = await sold_group(control)
    await assign(control, control.anna, group, 7, "n")
    await assign(control, control.admin, group, 8, "n")
    users = [4711, control.ben.user_id, control.anna.user_id, control.admin.user_id, control.ben.user_id]
    body = {"user_ids": users, "group_id": group, "validity_days": 7, "notes": "n"}
    data = (await control.admin("POST", "/admin/subscriptions/bulk-assign", body)).data
    assert [data[f"{name}_count"] for name in ("success", "created", "reused", "failed")] == [2, 1, 1, 2]
    assert data["statuses"] == {
        str(control.ben.user_id): "created", str(control.anna.user_id): "reused",
        str(control.admin.user_id): "failed", "4711": "failed",
    }  # fmt: skip
    assert {item["user"]["email"] for item in data["subscriptions"]} == {
        "anna@example.com",
        "ben@example.com",
    }
    assert [error.split(":")[0] for error in data["errors"]] == [
        f"user {control.admin.user_id}",
        "user 4711",
    ]
    assert "SUBSCRIPTION_ASSIGN_CONFLICT" in data["errors"][0]
    assert len(await rows(control)) == 3


async def test_bulk_assign_spans_many_transactions(control):
    group = await sold_group(control)
    users = [await control.add_user(f"u{number}@example.com") for number in range(45)]
    body = {"user_ids": [user.user_id for user in users], "group_id": group}
    data = (await control.admin("POST", "/admin/subscriptions/bulk-assign", body)).data
    assert (data["created_count"], data["failed_count"], data["errors"]) == (45, 0, [])
    again = (await control.admin("POST", "/admin/subscriptions/bulk-assign", body)).data
    assert (again["reused_count"], again["created_count"]) == (45, 0)
    assert len(control.bounds) == 45 * 3


async def test_bulk_assign_refuses_a_wrong_group_as_a_whole(control):
    pool = await control.add_group("pool")
    for group, reason in ((4711, "GROUP_NOT_FOUND"), (pool, "GROUP_NOT_SUBSCRIPTION_TYPE")):
        body = {"user_ids": [control.anna.user_id], "group_id": group}
        answer = await control.admin("POST", "/admin/subscriptions/bulk-assign", body)
        assert answer.json["reason"] == reason


@pytest.mark.parametrize("user_ids", [[], [0], ["x"], None, list(range(1, 1002))])
async def test_bulk_assign_needs_users(control, user_ids):
    body = {"user_ids": user_ids, "group_id": await sold_group(control)}
    assert (await control.admin("POST", "/admin/subscriptions/bulk-assign", body)).status == 400


async def test_extending_moves_the_end_both_ways(control):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    control.bounds.clear()
    assert until((await extend(control, row.id, 5)).data) == row.starts_at + timedelta(days=35)
    assert until((await extend(control, row.id, -10)).data) == row.starts_at + timedelta(days=25)
    assert control.bounds[:3] == [f"sub:{row.id}:{window}" for window in ("daily", "weekly", "monthly")]


async def test_extending_one_that_is_over_goes_on_from_now(control):
    row = (await grant(control, control.anna, await sold_group(control), 1)).row
    await change_row(control, row.id, status="expired")
    await pass_time(control, 2 * DAY_S)
    data = (await extend(control, row.id, 3)).data
    assert (until(data), data["status"]) == (now(control) + timedelta(days=3), "active")


async def test_one_that_is_over_cannot_be_shortened(control):
    row = (await grant(control, control.anna, await sold_group(control), 1)).row
    for columns in ({"expires_at": now(control)}, {"status": "expired"}):
        await change_row(control, row.id, **columns)
        answer = await extend(control, row.id, -1)
        assert (answer.status, answer.json["reason"]) == (400, "CANNOT_SHORTEN_EXPIRED")


@pytest.mark.parametrize("days", [-30, -31, -36_500])
async def test_shortening_may_not_end_it(control, days):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    answer = await extend(control, row.id, days)
    assert (answer.status, answer.json["reason"]) == (400, "ADJUST_WOULD_EXPIRE")
    assert (await rows(control))[0].expires_at == row.expires_at


async def test_one_that_has_not_begun_cannot_end_before_it_does(control):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    await change_row(control, row.id, starts_at=now(control) + timedelta(days=20))
    assert (await extend(control, row.id, -10)).json["reason"] == "ADJUST_WOULD_EXPIRE"
    assert (await extend(control, row.id, -9)).status == 200


async def test_extending_lets_a_suspended_one_be_suspended(control):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    await change_row(control, row.id, status="suspended")
    assert (await extend(control, row.id, 5)).data["status"] == "suspended"


async def test_nothing_is_extended_beyond_the_last_day(control):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    for _ in range(2):
        data = (await extend(control, row.id, 36_500)).data
    assert data["expires_at"] == "2099-12-31T23:59:59Z"


@pytest.mark.parametrize("days", [0, -36_501, 36_501, None, "many", 10**30])
async def test_days_that_are_none_are_refused(control, days):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    assert (await extend(control, row.id, days)).status == 400


async def test_a_hundred_extensions_at_once_add_up_exactly(control):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    answers = await asyncio.gather(*(extend(control, row.id, 1) for _ in range(100)))
    assert {answer.status for answer in answers} == {200}
    assert (await rows(control))[0].expires_at == row.expires_at + timedelta(days=100)


async def test_extensions_and_grants_at_once_add_up(control):
    group = await sold_group(control)
    row = (await grant(control, control.anna, group, 30)).row
    await asyncio.gather(
        *(extend(control, row.id, 1) for _ in range(20)),
        *(grant(control, control.anna, group, 1) for _ in range(20)),
    )
    assert (await rows(control))[0].expires_at == row.expires_at + timedelta(days=40)


async def test_an_idempotency_key_extends_once(control):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    headers = {"Idempotency-Key": "order-1"}
    first = await extend(control, row.id, 5, headers=headers)
    second = await extend(control, row.id, 5, headers=headers)
    assert (second.body, second.headers["x-idempotency-replayed"]) == (first.body, "true")
    assert (await rows(control))[0].expires_at == row.expires_at + timedelta(days=5)
    assert (await extend(control, row.id, 6, headers=headers)).json["reason"] == "IDEMPOTENCY_KEY_CONFLICT"


async def test_revoking_hides_it_and_keeps_the_books(control):
    row = (await grant(control, control.anna, await sold_group(control), 30)).row
    await change_row(control, row.id, total_used_nano=5)
    path = f"/admin/subscriptions/{row.id}"
    assert (await control.admin("DELETE", path)).data == {"message": "subscription revoked"}
    for method in ("GET", "DELETE"):
        answer = await control.admin(method, path)
        assert (answer.status, answer.json["reason"]) == (404, "SUBSCRIPTION_NOT_FOUND")
    assert await listed(control) == []
    (left,) = await rows(control)
    assert (left.deleted_at, left.total_used_nano) == (now(control), 5)
    assert f"sub:{row.id}:daily" in control.bounds


async def test_what_is_not_there_is_not_found(control):
    for method, path, body in (
        ("GET", "", None), ("GET", "/progress", None), ("POST", "/extend", {"days": 1}),
        ("POST", "/reset-quota", {"daily": True}), ("DELETE", "", None),
    ):  # fmt: skip
        answer = await control.admin(method, f"/admin/subscriptions/4711{path}", body)
        assert (answer.status, answer.json["reason"]) == (404, "SUBSCRIPTION_NOT_FOUND")


async def test_filters_and_order(control):
    first = await sold_group(control, "a")
    second = await sold_group(control, "b", platform="openai")
    one = (await grant(control, control.anna, first, 30)).row
    two = (await grant(control, control.ben, first, 10)).row
    three = (await grant(control, control.anna, second, 20)).row
    await change_row(control, two.id, status="suspended")
    for query, ids in (
        ({}, [three, two, one]),
        ({"user_id": control.anna.user_id}, [three, one]),
        ({"group_id": first}, [two, one]),
        ({"group_id": 0}, [three, two, one]),
        ({"status": "suspended"}, [two]),
        ({"status": "nonsense"}, []),
        ({"platform": "openai"}, [three]),
        ({"sort_by": "expires_at"}, [one, three, two]),
        ({"sort_by": "expires_at", "sort_order": "ASC"}, [two, three, one]),
        ({"sort_by": "created_at", "sort_order": "asc"}, [one, two, three]),
        ({"sort_by": "notes; DROP TABLE users", "sort_order": "sideways"}, [three, two, one]),
        ({"page": 2, "page_size": 2}, [one]),
    ):
        assert [item["id"] for item in await listed(control, **query)] == [row.id for row in ids], query


async def test_pages_say_how_many_there_are(control):
    group = await sold_group(control)
    for user in (control.anna, control.ben, control.admin):
        await grant(control, user, group)
    data = (await control.admin("GET", "/admin/subscriptions", query={"page_size": 2, "page": 2})).data
    assert {name: data[name] for name in ("total", "page", "page_size", "pages")} == {
        "total": 3, "page": 2, "page_size": 2, "pages": 2,
    }  # fmt: skip


async def test_one_whose_time_has_passed_is_shown_and_found_as_expired(control):
    group = await sold_group(control)
    row = (await grant(control, control.anna, group)).row
    await change_row(control, row.id, expires_at=now(control))
    assert [item["status"] for item in await listed(control, status="expired")] == ["expired"]
    assert await listed(control, status="active") == []


async def test_the_listings_of_a_user_and_of_a_group(control):
    group, other = await sold_group(control), await sold_group(control, "other")
    mine = (await grant(control, control.anna, group)).row
    await grant(control, control.ben, other)
    data = (await control.admin("GET", f"/admin/users/{control.anna.user_id}/subscriptions")).data
    assert [item["id"] for item in data] == [mine.id]
    data = (await control.admin("GET", f"/admin/groups/{group}/subscriptions")).data
    assert ([item["id"] for item in data["items"]], data["total"]) == ([mine.id], 1)
    for path, reason in (("users", "USER_NOT_FOUND"), ("groups", "GROUP_NOT_FOUND")):
        assert (await control.admin("GET", f"/admin/{path}/4711/subscriptions")).json["reason"] == reason


async def test_users_show_their_subscriptions(control):
    group = await sold_group(control)
    row = (await grant(control, control.anna, group, notes="n")).row
    path = f"/admin/users/{control.anna.user_id}"
    (shown,) = (await control.admin("GET", path)).data["subscriptions"]
    assert set(shown) == ADMIN
    assert (shown["id"], shown["group"]["name"], shown["user"], shown["notes"]) == (row.id, "plan", None, "n")
    users = {item["email"]: item for item in (await control.admin("GET", "/admin/users")).data["items"]}
    assert [item["id"] for item in users["anna@example.com"]["subscriptions"]] == [row.id]
    assert users["ben@example.com"]["subscriptions"] == []
    without = await control.admin("GET", "/admin/users", query={"include_subscriptions": "false"})
    assert all(item["subscriptions"] == [] for item in without.data["items"])


async def test_subscriptions_go_with_their_user_and_their_group(control):
    group, other = await sold_group(control), await sold_group(control, "other")
    for user, target in ((control.anna, group), (control.ben, group), (control.ben, other)):
        await grant(control, user, target)
    await control.admin("DELETE", f"/admin/groups/{group}")
    assert [item["group_id"] for item in await listed(control)] == [other]
    await control.admin("DELETE", f"/admin/users/{control.ben.user_id}")
    assert await listed(control) == []


async def test_a_group_with_running_subscriptions_stays_what_it_is(control):
    group = await sold_group(control)
    row = (await grant(control, control.anna, group)).row
    path, change = f"/admin/groups/{group}", {"subscription_type": "standard"}
    answer = await control.admin("PUT", path, change)
    assert (answer.status, answer.json["reason"]) == (400, "INVALID_INPUT")
    assert (await control.admin("GET", path)).data["subscription_type"] == "subscription"
    assert (await control.admin("PUT", path, {"subscription_type": "subscription"})).status == 200
    await control.admin("DELETE", f"/admin/subscriptions/{row.id}")
    assert (await control.admin("PUT", path, change)).data["subscription_type"] == "standard"


async def test_the_fallback_on_invalid_requests_stays_a_standard_group(control):
    target = await control.add_group("target")
    await control.add_group("g", fallback_group_id_on_invalid_request=target)
    answer = await control.admin("PUT", f"/admin/groups/{target}", {"subscription_type": "subscription"})
    assert answer.status == 400
