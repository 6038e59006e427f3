"""The list of records that somebody should look at, and taking them off (DESIGN 4)."""

import json

from tests.control.usage.records import record, store


async def listed(control, **query):
    data = (await control.admin("GET", "/admin/usage/review", query=query)).data
    return [item["request_id"] for item in data["items"]], data["total"]


async def test_only_records_with_a_reason_are_listed_newest_first(control):
    said = json.dumps({"input": 10**9})
    await store(
        control,
        record(exchange_id="plain", created_at_ms=1),
        record(exchange_id="estimated", created_at_ms=2, review="estimated"),
        record(exchange_id="default", created_at_ms=3, review="default_price"),
        record(exchange_id="odd", created_at_ms=4, review="implausible", quarantined=said),
        record(exchange_id="seen", created_at_ms=5, review="estimated", reviewed_at_ms=9),
    )
    assert await listed(control) == (["odd", "default", "estimated"], 3)
    assert await listed(control, reason="implausible") == (["odd"], 1)
    assert await listed(control, page_size=1, page=2) == (["default"], 3)
    (first, *_) = (await control.admin("GET", "/admin/usage/review")).data["items"]
    assert (first["review"], first["quarantined"], first["reviewed_at"]) == (
        "implausible",
        {"input": 10**9},
        None,
    )


async def test_an_unknown_reason_is_refused(control):
    assert (await control.admin("GET", "/admin/usage/review", query={"reason": "odd"})).status == 400


async def test_a_reviewed_record_leaves_the_list_and_keeps_its_amounts(control):
    (id_,) = await store(control, record(review="estimated"))
    answer = await control.admin("POST", f"/admin/usage/{id_}/review")
    assert answer.data["reviewed_at"] is not None
    assert (answer.data["review"], answer.data["actual_cost"]) == ("estimated", 6.14e-06)
    assert await listed(control) == ([], 0)


async def test_a_record_is_reviewed_once_and_only_for_a_reason(control):
    plain, odd = await store(
        control, record(exchange_id="a"), record(exchange_id="b", review="default_price")
    )
    nothing = await control.admin("POST", f"/admin/usage/{plain}/review")
    assert (nothing.status, nothing.json["reason"]) == (400, "NOTHING_TO_REVIEW")
    await control.admin("POST", f"/admin/usage/{odd}/review")
    again = await control.admin("POST", f"/admin/usage/{odd}/review")
    assert (again.status, again.json["reason"]) == (409, "ALREADY_REVIEWED")
    missing = await control.admin("POST", "/admin/usage/4711/review")
    assert missing.json["reason"] == "USAGE_LOG_NOT_FOUND"


async def test_users_may_neither_list_nor_review(control):
    (id_,) = await store(control, record(user_id=control.anna.user_id, review="estimated"))
    assert (await control.anna("GET", "/admin/usage/review")).status == 403
    assert (await control.anna("POST", f"/admin/usage/{id_}/review")).status == 403
    (item,) = (await control.anna("GET", "/usage")).data["items"]
    assert not {"reviewed_at", "quarantined"} & set(item)
