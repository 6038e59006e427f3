"""Many accounts and proxies at once, as a file and back, and what they served (spec 5.10, 8.4, 8.5)."""

import pytest

from tests.control.usage.records import record, store

PROXY = {"protocol": "http", "host": "proxy.example", "port": 3128, "username": "u", "password": "secret-pw"}
SECRET = "sk-ant-0123456789-0123456789"


async def test_what_fails_in_a_batch_takes_nobody_along(control):
    good = {"platform": "anthropic", "type": "apikey", "credentials": {"api_key": SECRET}}
    made = await control.admin(
        "POST",
        "/admin/accounts/batch",
        {"accounts": [good | {"name": "a"}, good | {"name": "b", "platform": "vax"}, good | {"name": "c"}]},
    )
    assert (made.data["success"], made.data["failed"]) == (2, 1)
    assert "INVALID_PLATFORM" in made.data["results"][1]["error"]
    ids = [result["id"] for result in made.data["results"] if result["success"]]
    change = {
        "account_ids": [*ids, 999],
        "priority": 7,
        "credentials": {"pool_mode": True},
        "extra": {"x": 1},
    }
    done = (await control.admin("POST", "/admin/accounts/bulk-update", change)).data
    assert (done["success_ids"], done["failed_ids"]) == (ids, [999])
    shown = (await control.admin("GET", f"/admin/accounts/{ids[0]}")).data
    assert (shown["priority"], shown["extra"]) == (7, {"x": 1})
    assert shown["credentials"] == {"pool_mode": True, "api_key": "sk-ant…6789"}


async def test_an_operator_changes_many_accounts_only_in_how_they_are_used(control):
    operator = await control.add_user("operator@example.org", role="operator")
    account = await control.add_account()
    body = {"account_ids": [account], "priority": 3, "schedulable": False}
    assert (await operator("POST", "/admin/accounts/bulk-update", body)).data["success"] == 1
    refused: list[dict[str, object]] = [{"rate_multiplier": 0.1}, {"credentials": {}}, {"extra": {}}]
    for more in refused:
        answer = await operator("POST", "/admin/accounts/bulk-update", body | more)
        assert (answer.status, answer.json["reason"]) == (403, "INSUFFICIENT_PERMISSIONS")


async def test_accounts_travel_in_a_file_that_cannot_send_their_secrets_elsewhere(control):
    proxy = (await control.admin("POST", "/admin/proxies", PROXY | {"name": "p"})).data["id"]
    await control.add_account("one", credentials={"api_key": SECRET, "pool_mode": True}, proxy_id=proxy)
    exported = await control.admin("GET", "/admin/accounts/data")
    assert SECRET.encode() not in exported.body
    assert b"secret-pw" not in exported.body
    data = exported.data
    data["accounts"].append(data["accounts"][0] | {"name": "moved", "proxy_key": None})
    data["accounts"][0]["credentials"]["base_url"] = "https://thief.example"
    result = (await control.admin("POST", "/admin/accounts/data", {"data": data})).data
    counts = ("proxy_created", "proxy_reused", "account_created", "account_failed")
    assert [result[name] for name in counts] == [0, 1, 1, 1]
    assert "another platform or proxy" in result["errors"][0]["message"]
    newest = (await control.admin("GET", "/admin/accounts")).data["items"][0]
    assert newest["credentials"] == {"pool_mode": True, "api_key": "sk-ant…6789"}
    assert (newest["proxy_id"], newest["group_ids"]) == (proxy, [])


@pytest.mark.parametrize("form", [{"type": "sub2api-data", "version": 2}, {"type": "other", "version": 1}])
async def test_a_file_of_another_version_is_refused(control, form):
    answer = await control.admin("POST", "/admin/accounts/data", {"data": form | {"accounts": []}})
    assert (answer.status, answer.json["reason"]) == (400, "IMPORT_VERSION_UNKNOWN")


async def test_proxies_come_once_and_go_when_nobody_uses_them(control):
    batch = {"proxies": [PROXY, PROXY, PROXY | {"port": 3129}]}
    assert (await control.admin("POST", "/admin/proxies/batch", batch)).data == {"created": 2, "skipped": 1}
    assert (await control.admin("POST", "/admin/proxies/batch", batch)).data == {"created": 0, "skipped": 3}
    used, free = [row["id"] for row in (await control.admin("GET", "/admin/proxies/all")).data]
    account = await control.add_account(proxy_id=used)
    (shown,) = (await control.admin("GET", f"/admin/proxies/{used}/accounts")).data
    assert shown["id"] == account
    gone = await control.admin("POST", "/admin/proxies/batch-delete", {"ids": [used, free, 999]})
    assert gone.data["deleted_ids"] == [free]
    assert [one["reason"] for one in gone.data["skipped"]] == ["PROXY_IN_USE", "PROXY_NOT_FOUND"]


async def test_what_an_account_served_today_and_on_the_days_before(control):
    account, group = await control.add_account(), await control.add_group("gpts", platform="openai")
    now = control.clock.now_ms()
    await store(
        control,
        record(account_id=account, created_at_ms=now),
        record(exchange_id="e2", account_id=account, created_at_ms=now - 86_400_000),
    )
    today = (
        await control.admin("POST", "/admin/accounts/today-stats/batch", {"account_ids": [account, 99]})
    ).data
    alone = (await control.admin("GET", f"/admin/accounts/{account}/today-stats")).data
    assert today["stats"] == {str(account): alone}
    assert (alone["requests"], alone["tokens"], alone["user_cost"]) == (1, 36, 6.14e-06)
    stats = (await control.admin("GET", f"/admin/accounts/{account}/stats", query={"days": 2})).data
    assert [day["requests"] for day in stats["history"]] == [1, 1]
    assert (stats["summary"]["requests"], stats["models"][0]["model"]) == (2, "claude-sonnet-4-5")
    body = {"platform": "anthropic", "group_ids": [group]}
    mixed = (await control.admin("POST", "/admin/accounts/check-mixed-channel", body)).data
    assert (mixed["has_risk"], mixed["details"]["other_platform"]) == (True, "openai")
