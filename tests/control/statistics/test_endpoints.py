"""Statistics for admins and users (spec 7.12, 8.1): every number is a sum of records."""

from datetime import UTC, datetime, timedelta

from headgate.control.statistics.repository import HOUR_MS
from headgate.control.statistics.rollup import roll_up_usage
from tests.control.usage.records import record, store

DAY_MS = 24 * HOUR_MS


async def three_days(control):
    """Anna 3 records on three days, Ben one of another model, group and key; 6,140 nano-USD each."""
    now, anna, ben = control.clock.now_ms(), control.anna.user_id, control.ben.user_id
    await store(
        control,
        *(record(exchange_id=f"a{n}", user_id=anna, created_at_ms=now - n * DAY_MS) for n in range(3)),
        record(
            exchange_id="b", user_id=ben, key_id=2, group_id=2, client_model="gpt", upstream_model="gpt-5",
            created_at_ms=now - DAY_MS, charge_nano=9_000,
        ),
        record(exchange_id="c", user_id=anna, outcome="failed", charge_nano=0, created_at_ms=now),
    )  # fmt: skip


async def test_charts_add_up_what_was_used(control):
    await three_days(control)
    trend = (await control.admin("GET", "/admin/dashboard/trend")).data
    assert [point["requests"] for point in trend["trend"]] == [0, 0, 0, 0, 1, 2, 2]
    assert (trend["trend"][-1]["date"], trend["granularity"]) == (trend["end_date"], "day")
    own = (await control.anna("GET", "/usage/dashboard/trend", query={"granularity": "hour"})).data["trend"]
    assert (sum(point["requests"] for point in own), own[-1]["date"][-3:]) == (3, ":00")
    models = (await control.admin("GET", "/admin/dashboard/models", query={"model_source": "mapping"})).data[
        "models"
    ]
    assert [m["model"] for m in models] == ["claude-sonnet-4-5 -> claude-sonnet-4-5", "gpt -> gpt-5"]
    assert models[0]["cache_hit_rate"] == 3 / 13
    groups = (await control.admin("GET", "/admin/dashboard/groups")).data["groups"]
    assert [(g["group_id"], g["actual_cost"]) for g in groups] == [(1, 1.842e-05), (2, 9e-06)]
    ranking = (await control.admin("GET", "/admin/dashboard/users-ranking")).data
    assert [who["email"] for who in ranking["ranking"]] == ["anna@example.com", "ben@example.com"]
    assert ranking["total_requests"] == 5
    for chart, who in (("users-trend", "user_id"), ("api-keys-trend", "api_key_id")):
        points = (await control.admin("GET", f"/admin/dashboard/{chart}", query={"limit": 1})).data["trend"]
        assert {point[who] for point in points} == {control.anna.user_id if who == "user_id" else 1}
    found = await control.admin(
        "GET",
        "/admin/dashboard/user-breakdown",
        query={"model": "gpt -> gpt-5", "model_source": "mapping"},
    )
    assert [user["email"] for user in found.data["users"]] == ["ben@example.com"]


async def test_the_cache_report_adds_up_what_was_saved_and_what_moving_lost(control):
    now = control.clock.now_ms()
    await store(
        control,
        record(exchange_id="home", cache_saved_nano=5_000, created_at_ms=now),
        record(
            exchange_id="moved", account_id=2, cache_lost_nano=9_000, moved_because="queueing",
            created_at_ms=now,
        ),
        record(exchange_id="old", cache_saved_nano=1, created_at_ms=now - 20 * DAY_MS),
    )  # fmt: skip
    report = (await control.admin("GET", "/admin/dashboard/cache")).data
    total = report["total"]
    assert (total["requests"], total["moved_requests"], total["saved"], total["lost"]) == (2, 1, 5e-06, 9e-06)
    assert (total["cache_read_tokens"], total["cache_hit_rate"]) == (6, 6 / 32)
    amounts = [(one["account_id"], one["saved"], one["lost"]) for one in report["accounts"]]
    assert amounts == [(2, 0, 9e-06), (1, 5e-06, 0)]
    assert [(m["model"], m["requests"]) for m in report["models"]] == [("claude-sonnet-4-5", 2)]
    assert [(c["cause"], c["lost"]) for c in report["causes"]] == [("queueing", 9e-06)]
    nothing = (await control.admin("GET", "/admin/dashboard/cache", query={"user_id": 10**6})).data
    assert (nothing["total"]["requests"], nothing["accounts"]) == (0, [])
    assert (await control.anna("GET", "/admin/dashboard/cache")).status == 403


async def test_totals_are_the_same_before_and_after_hours_are_rolled_up(control):
    await three_days(control)

    async def totals():
        control.clock.advance(16)
        return (await control.admin("GET", "/admin/dashboard/stats")).data

    before, own = await totals(), (await control.anna("GET", "/usage/dashboard/stats")).data
    assert (before["total_requests"], before["total_actual_cost"], before["rpm"]) == (5, 2.742e-05, 0.4)
    assert (before["total_users"], before["active_users"], before["today_requests"]) == (3, 1, 2)
    deps = control.deps
    assert await roll_up_usage(deps.uow, deps.clock, deps.state.locks) > 0
    after = await totals()
    assert {k: v for k, v in after.items() if k.startswith("total_")} == {
        k: v for k, v in before.items() if k.startswith("total_")
    }
    assert (await control.anna("GET", "/usage/dashboard/stats")).data["total_requests"] == 4
    assert own["total_requests"] == 4
    await store(control, record(exchange_id="late", created_at_ms=control.clock.now_ms() - 2 * DAY_MS))
    days = {"start": "2000-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
    answer = await control.admin("POST", "/admin/dashboard/aggregation/backfill", days)
    assert answer.json["reason"] == "BACKFILL_TOO_LONG"
    now = datetime.fromtimestamp(control.clock.now_ms() // 1000, UTC)
    days = {"start": (now - timedelta(days=4)).isoformat(), "end": now.isoformat()}
    assert (await control.admin("POST", "/admin/dashboard/aggregation/backfill", days)).data["hours"] > 24
    assert (await totals())["total_requests"] == 6


async def test_a_snapshot_is_shared_for_half_a_minute_and_answers_304(control):
    await three_days(control)
    path = "/admin/dashboard/snapshot-v2"
    query = {"include_group_stats": "true", "include_users_trend": "true"}
    first = await control.admin("GET", path, query=query)
    assert first.headers["x-snapshot-cache"] == "miss"
    assert (first.data["stats"]["total_requests"], len(first.data["trend"])) == (5, 7)
    again = await control.admin("GET", path, query=query, headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 304
    control.clock.advance(31)
    assert (await control.admin("GET", path, query=query)).headers["x-snapshot-cache"] == "miss"


async def test_what_was_spent_today_and_in_thirty_days(control):
    await three_days(control)
    ids = [control.anna.user_id, control.ben.user_id]
    spent = (await control.admin("POST", "/admin/dashboard/users-usage", {"user_ids": ids})).data["stats"]
    assert spent[str(ids[0])] == {"today_actual_cost": 6.14e-06, "total_actual_cost": 1.842e-05}
    assert spent[str(ids[1])] == {"today_actual_cost": 0, "total_actual_cost": 9e-06}
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["id"]
    answer = await control.ben("POST", "/usage/dashboard/api-keys-usage", {"api_key_ids": [key]})
    assert answer.data["stats"] == {}
    answer = await control.anna("POST", "/usage/dashboard/api-keys-usage", {"api_key_ids": [key]})
    assert set(answer.data["stats"]) == {str(key)}
    now = (await control.admin("GET", "/admin/dashboard/realtime")).data
    assert (now["requests_per_minute"], now["error_rate"]) == (2, 0.5)
