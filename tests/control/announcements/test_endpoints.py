"""Announcements over HTTP (spec 1.11, 1.25, 7.12, 8.6)."""

from typing import Any

import pytest

ADMIN = "/admin/announcements"
NOW = 1_750_000_000
"""2025-06-15T15:06:40Z, where the clock of the tests stands."""


async def create(control: Any, **fields: Any) -> Any:
    body = {"title": "News", "content": "**new** models", "status": "active"}
    return (await control.admin("POST", ADMIN, body | fields)).data


async def titles(caller: Any, **query: Any) -> list[str]:
    return [item["title"] for item in (await caller("GET", "/announcements", query=query)).data]


async def test_shapes_and_defaults(control: Any) -> None:
    answer = await control.admin("POST", ADMIN, {"title": " Hello ", "content": "text"})
    assert answer.status == 201
    made = answer.data
    instant = "2025-06-15T15:06:40Z"
    assert made == {
        "id": made["id"], "title": "Hello", "content": "text", "status": "draft", "notify_mode": "silent",
        "targeting": {"any_of": []}, "starts_at": None, "ends_at": None, "created_at": instant,
        "updated_at": instant, "created_by": control.admin.user_id, "updated_by": control.admin.user_id,
    }  # fmt: skip
    assert (await control.admin("GET", f"{ADMIN}/{made['id']}")).data == made
    shown = await create(control, notify_mode="popup")
    (item,) = (await control.anna("GET", "/announcements")).data
    assert item == {
        "id": shown["id"], "title": "News", "content": "**new** models", "notify_mode": "popup",
        "starts_at": None, "ends_at": None, "read_at": None, "created_at": instant, "updated_at": instant,
    }  # fmt: skip


async def test_only_what_is_active_and_inside_its_window_is_shown(control: Any) -> None:
    await create(control, title="draft", status="draft")
    await create(control, title="archived", status="archived")
    await create(control, title="over", ends_at=NOW)
    later = await create(control, title="later", starts_at=NOW + 60, ends_at=NOW + 120)
    await create(control, title="now", starts_at=NOW, ends_at=NOW + 1)
    assert later["starts_at"] == "2025-06-15T15:07:40Z"
    assert await titles(control.anna) == ["now"]
    control.clock.advance(60)
    assert await titles(control.anna) == ["later"]
    answer = await control.anna("POST", f"/announcements/{later['id']}/read")
    assert answer.status == 200


async def test_zero_clears_an_instant_and_absent_fields_stay(control: Any) -> None:
    made = await create(control, starts_at=NOW + 60, ends_at=NOW + 120)
    path = f"{ADMIN}/{made['id']}"
    changed = (await control.admin("PUT", path, {"title": "Other"})).data
    assert changed == made | {"title": "Other"}
    assert (await control.admin("PUT", path, {"starts_at": 0})).data["starts_at"] is None
    assert (await control.admin("PUT", path, {"ends_at": 0})).data["ends_at"] is None
    targeted = {"any_of": [{"all_of": [{"type": "balance", "operator": "gt", "value": 1.0}]}]}
    assert (await control.admin("PUT", path, {"targeting": targeted})).data["targeting"] == targeted
    assert (await control.admin("PUT", path, {"targeting": {}})).data["targeting"] == {"any_of": []}


async def test_balance_and_subscription_decide_who_sees_it(control: Any) -> None:
    plan = await control.add_group("plan", subscription_type="subscription")
    rich = {"all_of": [{"type": "balance", "operator": "gte", "value": 5.0}]}
    subscribed = {"all_of": [{"type": "subscription", "operator": "in", "group_ids": [plan]}]}
    made = await create(control, title="either", targeting={"any_of": [rich, subscribed]})
    assert await titles(control.anna) == []
    refused = await control.anna("POST", f"/announcements/{made['id']}/read")
    assert (refused.status, refused.json["reason"]) == (404, "ANNOUNCEMENT_NOT_FOUND")
    money = {"balance": 5, "operation": "add"}
    await control.admin("POST", f"/admin/users/{control.anna.user_id}/balance", money)
    right = {"user_id": control.ben.user_id, "group_id": plan, "validity_days": 1}
    await control.admin("POST", "/admin/subscriptions/assign", right)
    assert await titles(control.anna) == ["either"]
    assert await titles(control.ben) == ["either"]


async def test_reading_is_marked_once_and_for_oneself(control: Any) -> None:
    made = await create(control)
    path = f"/announcements/{made['id']}/read"
    assert (await control.anna("POST", path)).status == 200
    control.clock.advance(60)
    assert (await control.anna("POST", path)).status == 200
    assert await titles(control.anna, unread_only=1) == []
    assert await titles(control.ben, unread_only=1) == ["News"]
    (item,) = (await control.anna("GET", "/announcements")).data
    assert item["read_at"] == "2025-06-15T15:06:40Z"


async def test_the_read_status_names_every_user(control: Any) -> None:
    rich = {"any_of": [{"all_of": [{"type": "balance", "operator": "gt", "value": 1.0}]}]}
    made = await create(control)
    await control.anna("POST", f"/announcements/{made['id']}/read")
    await control.admin("PUT", f"{ADMIN}/{made['id']}", {"targeting": rich})
    page = (await control.admin("GET", f"{ADMIN}/{made['id']}/read-status", query={"page_size": 2})).data
    assert (page["total"], page["pages"], len(page["items"])) == (3, 2, 2)
    query = {"search": "ANNA"}
    (anna,) = (await control.admin("GET", f"{ADMIN}/{made['id']}/read-status", query=query)).data["items"]
    assert anna == {
        "user_id": control.anna.user_id, "email": "anna@example.com", "username": "", "balance": 0.0,
        "eligible": False, "read_at": "2025-06-15T15:06:40Z",
    }  # fmt: skip


async def test_lists_filter_search_and_page(control: Any) -> None:
    for number in range(3):
        await create(control, title=f"number {number}", status="draft" if number else "active")
    page = (await control.admin("GET", ADMIN, query={"page": 2, "page_size": 2})).data
    assert (page["total"], page["pages"], [i["title"] for i in page["items"]]) == (3, 2, ["number 0"])
    assert (await control.admin("GET", ADMIN, query={"status": "draft"})).data["total"] == 2
    assert (await control.admin("GET", ADMIN, query={"search": "NUMBER 1"})).data["total"] == 1
    assert (await control.admin("GET", ADMIN, query={"search": "%"})).data["total"] == 0


async def test_deleting_takes_the_marks_along(control: Any) -> None:
    made = await create(control)
    await control.anna("POST", f"/announcements/{made['id']}/read")
    assert (await control.admin("DELETE", f"{ADMIN}/{made['id']}")).status == 200
    assert await titles(control.anna) == []
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/read-status")):
        answer = await control.admin(method, f"{ADMIN}/{made['id']}{path}", {} if method == "PUT" else None)
        assert (answer.status, answer.json["reason"]) == (404, "ANNOUNCEMENT_NOT_FOUND")


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""}, {"title": "  "}, {"title": "x" * 201}, {"content": ""}, {"content": None},
        {"status": "shown"}, {"notify_mode": "mail"}, {"starts_at": NOW, "ends_at": NOW},
        {"starts_at": -1}, {"ends_at": 10**15}, {"targeting": {"any_of": [{"all_of": []}]}},
        {"targeting": {"any_of": [{"all_of": [{"type": "balance", "operator": "gt", "value": True}]}]}},
        {"targeting": []}, {"title": "nul \x00"},
    ],
)  # fmt: skip
async def test_bad_input_is_refused(control: Any, fields: dict[str, Any]) -> None:
    body = {"title": "t", "content": "c"} | fields
    assert (await control.admin("POST", ADMIN, body)).status == 400
    made = await create(control)
    if fields != {"content": None}:
        assert (await control.admin("PUT", f"{ADMIN}/{made['id']}", fields)).status == 400
        assert (await control.admin("GET", f"{ADMIN}/{made['id']}")).data == made


async def test_operators_write_them_auditors_and_users_do_not(control: Any) -> None:
    operator = await control.add_user("op@example.org", role="operator")
    auditor = await control.add_user("au@example.org", role="auditor")
    body = {"title": "t", "content": "c"}
    made = await operator("POST", ADMIN, body)
    assert made.data["created_by"] == operator.user_id
    assert (await auditor("GET", ADMIN)).data["total"] == 1
    assert (await auditor("POST", ADMIN, body)).status == 403
    assert (await control.anna("GET", ADMIN)).status == 403
    assert (await control.nobody("GET", "/announcements")).status == 401
