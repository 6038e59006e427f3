"""Sums of groups and users for administrators (spec 8.2, 8.3): records and live state, nothing made up."""

from headgate.control.statistics.repository import HOUR_MS
from headgate.core.limits.account_limits import rpm_counter
from tests.control.usage.records import record, store

DAY_MS = 24 * HOUR_MS


async def some_usage(control, group):
    now, anna = control.clock.now_ms(), control.anna.user_id
    rows = [
        record(exchange_id=f"e{days}", user_id=anna, group_id=group, created_at_ms=now - days * DAY_MS)
        for days in (0, 2, 400)
    ]
    await store(control, *rows, record(exchange_id="o", user_id=control.ben.user_id, group_id=group + 99))


async def test_groups_say_what_was_charged_today_and_in_all(control):
    used, idle = await control.add_group("used"), await control.add_group("idle")
    await some_usage(control, used)
    await control.anna("POST", "/keys", {"name": "k", "group_id": used})
    summary = (await control.admin("GET", "/admin/groups/usage-summary")).data
    assert summary == [
        {"group_id": used, "today_cost": 6.14e-06, "total_cost": 1.842e-05},
        {"group_id": idle, "today_cost": 0, "total_cost": 0},
    ]
    stats = (await control.admin("GET", f"/admin/groups/{used}/stats")).data
    assert (stats["total_requests"], stats["today_requests"], stats["total_cost"]) == (3, 1, 9.21e-06)
    assert (stats["total_api_keys"], stats["active_api_keys"], stats["average_duration_ms"]) == (1, 1, 100)
    nowhere = await control.admin("GET", "/admin/groups/usage-summary", query={"timezone": "Nowhere/At"})
    assert (nowhere.status, (await control.admin("GET", "/admin/groups/77/stats")).status) == (400, 404)


async def test_capacity_is_what_accounts_in_service_can_carry_and_do(control):
    group, empty = await control.add_group("pool"), await control.add_group("empty")
    limits = {"max_sessions": 4, "base_rpm": 60}
    busy = await control.add_account("busy", concurrency=5, group_ids=[group], extra=limits)
    await control.add_account("plain", concurrency=3, group_ids=[group])
    off = await control.add_account("off", concurrency=50, group_ids=[group])
    await control.admin("PUT", f"/admin/accounts/{off}", {"status": "inactive"})
    state = control.deps.state
    await state.slots.try_acquire(f"account:{busy}", limit=5, owner="x")
    await state.sessions.enter(f"account:{busy}", "s", limit=4, idle_ms=60_000)
    await state.counters.add(rpm_counter(busy, control.clock.now_ms()), 7, window_s=60)
    found = (await control.admin("GET", "/admin/groups/capacity-summary")).data
    assert found[0] == {
        "group_id": group, "concurrency_used": 1, "concurrency_max": 8, "sessions_used": 1,
        "sessions_max": 4, "rpm_used": 7, "rpm_max": 60,
    }  # fmt: skip
    shown = (await control.admin("GET", f"/admin/accounts/{busy}")).data
    live = ("current_concurrency", "active_sessions", "current_rpm", "current_window_cost")
    assert [shown[name] for name in live] == [1, 1, 7, None]
    lite = (await control.admin("GET", "/admin/accounts", query={"lite": "1"})).data["items"]
    assert {account["active_sessions"] for account in lite} == {None}
    assert (found[1]["group_id"], set(found[1].values())) == (empty, {empty, 0})


async def test_the_cost_of_an_accounts_window_is_shown(control):
    account = await control.add_account("bound", extra={"window_cost_limit": 5})
    now = control.clock.now_ms()
    rows = [
        record(exchange_id=f"w{age}", account_id=account, created_at_ms=now - age) for age in (0, HOUR_MS)
    ]
    await store(control, *rows)
    shown = (await control.admin("GET", f"/admin/accounts/{account}")).data
    assert (shown["current_window_cost"], shown["active_sessions"]) == (3.07e-06, None)


async def test_a_users_usage_is_of_this_month_unless_dates_are_named(control):
    await some_usage(control, 1)
    path = f"/admin/users/{control.anna.user_id}/usage"
    today = (await control.admin("GET", path, query={"period": "today"})).data
    assert [(way["endpoint"], way["requests"]) for way in today["endpoint_paths"]] == [
        ("/v1/messages -> /v1/messages", 1)
    ]
    assert (today["total_requests"], today["total_actual_cost"]) == (1, 6.14e-06)
    default = (await control.admin("GET", path)).data
    assert default == (await control.admin("GET", path, query={"period": "month"})).data
    dates = {"start_date": "2020-01-01", "end_date": "2020-01-02"}
    assert (await control.admin("GET", path, query=dates)).data["total_requests"] == 0
    assert (await control.admin("GET", "/admin/users/77/usage")).json["reason"] == "USER_NOT_FOUND"
    assert (await control.anna("GET", path)).status == 403
