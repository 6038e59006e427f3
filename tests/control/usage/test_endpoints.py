"""Usage for users and admins (spec 7.12, 8.7)."""

import pytest

from tests.control.usage.records import TRACE, record, store, trace

DAY_MS = 86_400_000


async def test_a_record_has_the_contract_s_fields(control):
    now = control.clock.now_ms()
    await store(control, record(user_id=control.anna.user_id, created_at_ms=now, upstream_model="mapped"))
    (item,) = (await control.anna("GET", "/usage")).data["items"]
    assert (item["request_id"], item["model"], item["upstream_model"]) == (
        "e1",
        "claude-sonnet-4-5",
        "mapped",
    )
    assert (
        item["cache_creation_tokens"],
        item["cache_creation_5m_tokens"],
        item["cache_creation_1h_tokens"],
    ) == (3, 2, 1)
    assert (item["total_cost"], item["actual_cost"], item["rate_multiplier"]) == (3.07e-06, 6.14e-06, 2.0)
    assert (item["request_type"], item["stream"], item["billing_type"]) == ("stream", True, 0)
    assert (item["duration_ms"], item["first_token_ms"]) == (100, 10)
    assert not {"ip_address", "account", "account_cost", "account_rate_multiplier"} & set(item)


async def test_a_record_shows_list_cost_multiplier_and_charge(control):
    """The charge is the list cost times the multiplier, and every cost line is in the list cost (issue 3,
    7)."""
    lines = {"other_cost_nano": 500, "list_cost_nano": 3_570, "charge_nano": 7_140}
    await store(control, record(user_id=control.anna.user_id, created_at_ms=control.clock.now_ms(), **lines))
    (item,) = (await control.anna("GET", "/usage")).data["items"]
    parts = ("input_cost", "output_cost", "cache_creation_cost", "cache_read_cost", "other_cost")
    assert sum(item[part] for part in parts) == pytest.approx(item["total_cost"], abs=1e-12)
    assert item["actual_cost"] == pytest.approx(item["total_cost"] * item["rate_multiplier"], abs=1e-12)
    (item,) = (await control.admin("GET", "/admin/usage")).data["items"]
    assert item["account_cost"] == 3.07e-06
    assert item["account_rate_multiplier"] == 1


async def test_a_record_says_who_paid_what_else_was_used_and_whether_to_look_at_it(control):
    now, mine = control.clock.now_ms(), control.anna.user_id
    await store(
        control,
        record(
            exchange_id="sub", user_id=mine, created_at_ms=now, subscription_id=4, image_count=2,
            image_size="2K",
            audio_input_tokens=7, audio_output_tokens=9, web_search_calls=3, review="implausible",
            reviewed_at_ms=now, quarantined='{"input": 12345678901}',
        ),
        record(exchange_id="bal", user_id=mine, created_at_ms=now - 1),
    )  # fmt: skip
    by_subscription, by_balance = (await control.anna("GET", "/usage")).data["items"]
    assert (by_subscription["billing_type"], by_subscription["subscription_id"]) == (1, 4)
    assert (by_balance["billing_type"], by_balance["subscription_id"], by_balance["review"]) == (
        0,
        None,
        None,
    )
    shown = ("image_size", "audio_input_tokens", "audio_output_tokens", "web_search_calls", "review")
    assert [by_subscription[name] for name in shown] == ["2K", 7, 9, 3, "implausible"]
    assert "quarantined" not in by_subscription
    admin = (await control.admin("GET", "/admin/usage")).data["items"][0]
    assert admin["quarantined"] == {"input": 12345678901}
    assert admin["reviewed_at"] is not None
    for kind, names in (("1", ["sub"]), ("0", ["bal"]), ("", ["sub", "bal"])):
        items = (await control.anna("GET", "/usage", query={"billing_type": kind})).data["items"]
        assert [item["request_id"] for item in items] == names
    stats = (await control.anna("GET", "/usage/stats", query={"billing_type": "1"})).data
    assert (stats["total_requests"], stats["total_input_tokens"], stats["total_output_tokens"]) == (1, 17, 29)


async def test_users_see_their_own_records_without_the_failed_attempts(control):
    mine, now = control.anna.user_id, control.clock.now_ms()
    await store(
        control,
        record(exchange_id="a", user_id=mine, created_at_ms=now - 2, outcome="failed", charge_nano=0),
        record(exchange_id="a", attempt=1, user_id=mine, created_at_ms=now - 1),
        record(exchange_id="b", user_id=control.ben.user_id, created_at_ms=now),
    )
    data = (await control.anna("GET", "/usage")).data
    assert [(item["request_id"], item["attempt"]) for item in data["items"]] == [("a", 1)]
    assert data["total"] == 1
    assert (await control.admin("GET", "/admin/usage")).data["total"] == 3


async def test_somebody_else_s_record_and_key_are_forbidden(control):
    (id_,) = await store(control, record(user_id=control.anna.user_id))
    answer = await control.ben("GET", f"/usage/{id_}")
    assert (answer.status, answer.json["reason"]) == (403, "INSUFFICIENT_PERMISSIONS")
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["id"]
    assert (await control.ben("GET", "/usage", query={"api_key_id": key})).status == 403
    assert (await control.ben("GET", "/usage/4711")).json["reason"] == "USAGE_LOG_NOT_FOUND"


async def test_a_user_sees_only_the_user_s_part_of_the_trace(control):
    mine, now = control.anna.user_id, control.clock.now_ms()
    (id_,) = await store(control, record(user_id=mine, created_at_ms=now), trace("e1", mine, now))
    answer = await control.anna("GET", f"/usage/{id_}")
    shown = answer.data["trace"]
    assert shown["attempts"] == [
        {"n": 0, "upstream_model": "m", "status": 200, "outcome": "completed", "ms": 12}
    ]
    assert shown["bill"] == {"charge_nano": 3, "usage": {"input": 1}}
    assert b"canary" not in answer.body
    assert "selections" not in shown


@pytest.mark.parametrize("by", ["record", "request"])
async def test_an_admin_sees_the_whole_story(control, by):
    now = control.clock.now_ms()
    ids = await store(
        control,
        record(user_id=control.anna.user_id, created_at_ms=now, outcome="failed", fault="upstream_error"),
        record(user_id=control.anna.user_id, created_at_ms=now, attempt=1),
        trace("e1", control.anna.user_id, now),
    )
    reference = "e1" if by == "request" else ids[0]
    data = (await control.admin("GET", f"/admin/usage/{reference}/explain")).data
    assert data["trace"] == TRACE
    assert [(item["attempt"], item["fault"]) for item in data["attempts"]] == [
        (0, "upstream_error"),
        (1, None),
    ]
    assert data["attempts"][0]["user"]["email"] == "anna@example.com"


async def test_a_refused_exchange_has_a_story_without_records(control):
    await store(control, trace("refused", control.anna.user_id, control.clock.now_ms()))
    data = (await control.admin("GET", "/admin/usage/refused/explain")).data
    assert (data["attempts"], data["trace"]["session_rule"]) == ([], "metadata")
    assert (await control.admin("GET", "/admin/usage/nothing/explain")).status == 404


async def test_dates_are_whole_days_of_the_time_zone(control):
    mine = control.anna.user_id
    midnight_utc = 1_749_945_600_000  # 2025-06-15T00:00Z
    await store(
        control,
        record(exchange_id="before", user_id=mine, created_at_ms=midnight_utc - 1),
        record(exchange_id="first", user_id=mine, created_at_ms=midnight_utc),
        record(exchange_id="last", user_id=mine, created_at_ms=midnight_utc + DAY_MS - 1),
    )

    async def ids(**query):
        return [
            item["request_id"] for item in (await control.anna("GET", "/usage", query=query)).data["items"]
        ]

    assert await ids(start_date="2025-06-15", end_date="2025-06-15") == ["last", "first"]
    assert await ids(end_date="2025-06-15", start_date="2025-06-15", timezone="Europe/Berlin") == [
        "first",
        "before",
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"start_date": "yesterday"}, {"start_date": "2025-02-30"}, {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"}, {"start_date": "2025-06-15", "end_date": "2025-06-01"},
        {"start_date": "0001-01-01"}, {"request_type": "odd"},
    ],
)  # fmt: skip
async def test_a_bad_filter_is_refused(control, query):
    assert (await control.anna("GET", "/usage", query=query)).status == 400


async def test_filters(control):
    mine, now = control.anna.user_id, control.clock.now_ms()
    await store(
        control,
        record(exchange_id="s", user_id=mine, created_at_ms=now, is_stream=False, subscription_id=3),
        record(exchange_id="t", user_id=mine, created_at_ms=now + 1, client_model="gpt-5", group_id=2),
    )
    for query, found in (
        ({"request_type": "sync"}, ["s"]),
        ({"stream": "true"}, ["t"]),
        ({"model": "gpt-5"}, ["t"]),
        ({"group_id": 2}, ["t"]),
        ({"user_id": mine}, ["t", "s"]),
        ({"account_id": 9}, []),
        ({"billing_type": "1"}, ["s"]),
        ({"billing_type": "0"}, ["t"]),
        ({"request_type": "ws_v2"}, []),
    ):
        data = (await control.admin("GET", "/admin/usage", query=query)).data
        assert [item["request_id"] for item in data["items"]] == found, query


async def test_the_unfiltered_total_is_an_estimate_unless_asked(control):
    now = control.clock.now_ms()
    await store(
        control, *(record(exchange_id=f"e{number}", created_at_ms=now + number) for number in range(9))
    )
    first = (await control.admin("GET", "/admin/usage", query={"page_size": 3})).data
    assert (len(first["items"]), first["total"]) == (3, 4)
    exact = (await control.admin("GET", "/admin/usage", query={"page_size": 3, "exact_total": "true"})).data
    assert (exact["total"], exact["pages"]) == (9, 3)
    last = (await control.admin("GET", "/admin/usage", query={"page_size": 3, "page": 3})).data
    assert (len(last["items"]), last["total"]) == (3, 9)


async def test_stats_sum_up_a_period(control):
    mine, now = control.anna.user_id, control.clock.now_ms()
    await store(
        control,
        record(exchange_id="today", user_id=mine, created_at_ms=now, duration_ms=100),
        record(exchange_id="today2", user_id=mine, created_at_ms=now, duration_ms=300),
        record(exchange_id="long ago", user_id=mine, created_at_ms=now - 40 * DAY_MS),
    )
    data = (await control.anna("GET", "/usage/stats")).data
    assert (data["total_requests"], data["total_input_tokens"], data["total_output_tokens"]) == (2, 20, 40)
    assert (data["total_cache_tokens"], data["total_tokens"], data["average_duration_ms"]) == (12, 72, 200)
    assert data["total_actual_cost"] == pytest.approx(12_280e-9)
    admin = (await control.admin("GET", "/admin/usage/stats", query={"period": "month"})).data
    assert admin["endpoints"][0] == {
        "endpoint": "/v1/messages", "requests": 2, "total_tokens": 72, "cost": pytest.approx(6_140e-9),
        "actual_cost": pytest.approx(12_280e-9),
    }  # fmt: skip
    assert "total_account_cost" not in data


async def test_sums_over_everything_are_limited_in_time(control):
    query = {"start_date": "2024-01-01", "end_date": "2025-06-01"}
    answer = await control.admin("GET", "/admin/usage/stats", query=query)
    assert (answer.status, "longer than 31 days" in answer.json["message"]) == (400, True)


async def test_an_admin_finds_the_records_of_a_key_alone(control):
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["id"]
    now, mine = control.clock.now_ms(), control.anna.user_id
    await store(
        control,
        record(exchange_id="a", user_id=mine, key_id=key, created_at_ms=now),
        record(exchange_id="b", user_id=mine, key_id=key + 1, created_at_ms=now),
    )
    data = (await control.admin("GET", "/admin/usage", query={"api_key_id": key})).data
    assert [item["request_id"] for item in data["items"]] == ["a"]
    assert (await control.admin("GET", "/admin/usage", query={"api_key_id": 4711})).data["items"] == []


async def test_a_list_does_not_page_for_ever(control):
    answer = await control.admin("GET", "/admin/usage", query={"page": 101, "page_size": 1000})
    assert (answer.status, "narrow the dates" in answer.json["message"]) == (400, True)
