"""Upstream accounts (spec 8.4): credentials go in and never come out."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from headgate.core.ids import AccountId
from headgate.core.routing.offered_models import DEFAULT_MODELS
from headgate.core.world import CredentialKind, Provider
from headgate.state.protocols import Cooldown
from headgate.storage.models import AccountRow
from headgate.storage.read_model import ReadModel

SECRET = "sk-ant-api03-canary-0123456789abcdefgh"


async def stored_secret(control, engine, account_id):
    data = await ReadModel(engine, control.deps.vault).load_directory()
    (account,) = [account for account in data.accounts if account.id == account_id]
    return account.secret.reveal()


async def test_a_credential_is_shown_as_a_mask_and_reaches_the_data_plane_whole(control, engine):
    account = await control.add_account(
        credentials={"api_key": SECRET, "base_url": "https://api.example.com/"}
    )
    answer = await control.admin("GET", f"/admin/accounts/{account}")
    assert answer.data["credentials"] == {"api_key": "sk-ant…efgh", "base_url": "https://api.example.com"}
    assert await stored_secret(control, engine, account) == SECRET


@pytest.mark.parametrize(
    "credentials",
    [{}, {"api_key": "sk-ant…efgh"}, {"api_key": ""}, {"api_key": "***"}, {"api_key": None}, None],
)
async def test_a_masked_or_absent_secret_keeps_the_stored_one(control, engine, credentials):
    account = await control.add_account(credentials={"api_key": SECRET})
    body = {"name": "renamed"} if credentials is None else {"credentials": credentials}
    assert (await control.admin("PUT", f"/admin/accounts/{account}", body)).status == 200
    assert await stored_secret(control, engine, account) == SECRET


@pytest.mark.parametrize("secret", [{}, {"api_key": "sk-ant…efgh"}, {"api_key": ""}, {"other": "x"}])
@pytest.mark.parametrize(
    "base_url",
    [
        "https://evil.example.com",
        "http://api.example.com",
        "https://api.example.com:8443",
        "https://api.example.com.evil.example",
        "https://api.example.com@evil.example",
        None,
    ],
)
async def test_a_stored_secret_is_not_sent_to_another_address(control, engine, base_url, secret):
    account = await control.add_account(
        credentials={"api_key": SECRET, "base_url": "https://api.example.com"}
    )
    body = {"credentials": {"base_url": base_url, **secret}}
    answer = await control.admin("PUT", f"/admin/accounts/{account}", body)
    assert (answer.status, answer.json["reason"]) == (400, "SECRET_REQUIRED")
    shown = (await control.admin("GET", f"/admin/accounts/{account}")).data["credentials"]
    assert shown["base_url"] == "https://api.example.com"


async def test_with_its_secret_an_account_moves_and_keeps_no_other_stored_secret(control, engine):
    account = await control.add_account(
        credentials={"api_key": SECRET, "other": "y" * 30, "base_url": "https://api.example.com"}
    )
    body = {"credentials": {"api_key": "sk-new", "base_url": "https://other.example.com"}}
    data = (await control.admin("PUT", f"/admin/accounts/{account}", body)).data
    assert data["credentials"] == {"api_key": "…", "base_url": "https://other.example.com"}
    assert await stored_secret(control, engine, account) == "sk-new"


async def test_another_path_of_the_same_address_needs_no_secret(control):
    account = await control.add_account(
        credentials={"api_key": SECRET, "base_url": "https://api.example.com"}
    )
    body = {"credentials": {"base_url": "https://API.example.com:443/anthropic"}}
    assert (await control.admin("PUT", f"/admin/accounts/{account}", body)).status == 200


async def test_another_proxy_needs_the_secret_again_and_none_does_not(control):
    proxy = {"name": "p", "protocol": "http", "host": "h", "port": 1}
    proxy_id = (await control.admin("POST", "/admin/proxies", proxy)).data["id"]
    account = await control.add_account(credentials={"api_key": SECRET})
    path = f"/admin/accounts/{account}"
    answer = await control.admin("PUT", path, {"proxy_id": proxy_id})
    assert (answer.status, answer.json["reason"]) == (400, "SECRET_REQUIRED")
    body = {"proxy_id": proxy_id, "credentials": {"api_key": SECRET}}
    assert (await control.admin("PUT", path, body)).data["proxy_id"] == proxy_id
    assert (await control.admin("PUT", path, {"proxy_id": proxy_id, "name": "same"})).status == 200
    assert (await control.admin("PUT", path, {"proxy_id": 0})).data["proxy_id"] is None


async def test_a_new_secret_replaces_the_old_one(control, engine):
    account = await control.add_account(credentials={"api_key": SECRET})
    await control.admin("PUT", f"/admin/accounts/{account}", {"credentials": {"api_key": "sk-ant-new"}})
    assert await stored_secret(control, engine, account) == "sk-ant-new"


async def test_nothing_in_the_database_holds_the_secret(control):
    account = await control.add_account(credentials={"api_key": SECRET})
    async with control.deps.uow() as uow:
        row = await uow.session.scalar(select(AccountRow).where(AccountRow.id == account))
        shown = repr([getattr(row, column.key) for column in AccountRow.__table__.columns])
    assert SECRET not in shown


async def test_an_unknown_field_counts_as_secret(control):
    account = await control.add_account(credentials={"api_key": SECRET, "refresh_thing": "x" * 40})
    shown = (await control.admin("GET", f"/admin/accounts/{account}")).data["credentials"]
    assert shown["refresh_thing"] == "xxxxxx…xxxx"


async def test_a_bearer_account_holds_a_token(control, engine):
    account = await control.add_account(type="bearer", credentials={"access_token": SECRET})
    data = await ReadModel(engine, control.deps.vault).load_directory()
    assert [(a.credential_kind, a.secret.reveal()) for a in data.accounts if a.id == account] == [
        (CredentialKind.BEARER, SECRET)
    ]


async def test_the_older_type_name_is_taken_as_apikey(control):
    account = await control.add_account(type="upstream", credentials={"api_key": SECRET})
    assert (await control.admin("GET", f"/admin/accounts/{account}")).data["type"] == "apikey"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "oauth"}, "not supported yet"),
        ({"type": "magic"}, "apikey or bearer"),
        ({"platform": "sora"}, "platform must be one of"),
        ({"credentials": {}}, "api_key is required"),
        ({"credentials": {"api_key": "a\r\nx-evil: 1"}}, "printable"),
        ({"credentials": {"api_key": "k", "base_url": "http://169.254.169.254"}}, "not public"),
        ({"credentials": {"api_key": "k", "model_mapping": {"a*b": "c"}}}, "last character"),
        ({"credentials": {"api_key": "k", "model_mapping": {"a": "c*"}}}, "without `*`"),
        ({"credentials": {"api_key": "k", "model_mapping": []}}, "must be an object"),
        ({"group_ids": [77]}, "does not exist"),
        ({"proxy_id": 77}, "does not exist"),
        ({"load_factor": 10_001}, "load_factor"),
    ],
)
async def test_a_bad_account_is_refused_with_the_remedy(control, change, said):
    body = {"name": "n", "platform": "anthropic", "type": "apikey", "credentials": {"api_key": "k"}} | change
    answer = await control.admin("POST", "/admin/accounts", body)
    assert answer.status == 400
    assert said in answer.json["message"]


async def test_a_group_of_another_platform_is_refused(control):
    group = await control.add_group("o", platform="openai")
    body = {"name": "n", "platform": "anthropic", "type": "apikey", "credentials": {"api_key": "k"}}
    answer = await control.admin("POST", "/admin/accounts", body | {"group_ids": [group]})
    assert answer.json["reason"] == "INVALID_GROUP_ID"


async def test_without_groups_it_joins_the_default_group_and_takes_its_proxy(control):
    proxy = (
        await control.admin(
            "POST", "/admin/proxies", {"name": "p", "protocol": "http", "host": "h", "port": 1}
        )
    ).data
    group = await control.add_group("anthropic-default", default_proxy_id=proxy["id"])
    data = (await control.admin("GET", f"/admin/accounts/{await control.add_account()}")).data
    assert (data["group_ids"], data["proxy_id"], data["proxy"]["name"]) == ([group], proxy["id"], "p")


async def test_numbers_that_mean_none(control):
    account = await control.add_account(load_factor=5, expires_at=2_000_000_000)
    data = (await control.admin("GET", f"/admin/accounts/{account}")).data
    assert (data["load_factor"], data["expires_at"]) == (5, 2_000_000_000)
    data = (
        await control.admin("PUT", f"/admin/accounts/{account}", {"load_factor": 0, "expires_at": 0})
    ).data
    assert (data["load_factor"], data["expires_at"]) == (None, None)


async def test_filters(control):
    group = await control.add_group("g")
    first = await control.add_account("one", group_ids=[group])
    await control.add_account("two", platform="openai")
    await control.admin("PUT", f"/admin/accounts/{first}", {"status": "inactive"})
    for query, names in (
        ({}, ["two", "one"]),
        ({"platform": "openai"}, ["two"]),
        ({"status": "inactive"}, ["one"]),
        ({"status": "rate_limited"}, []),
        ({"group": str(group)}, ["one"]),
        ({"group": "ungrouped"}, ["two"]),
        ({"search": "TW"}, ["two"]),
        ({"type": "bearer"}, []),
    ):
        data = (await control.admin("GET", "/admin/accounts", query=query)).data
        assert [item["name"] for item in data["items"]] == names, query
    answer = await control.admin("GET", "/admin/accounts", query={"group": "all"})
    assert answer.json["reason"] == "INVALID_GROUP_FILTER"


async def test_an_unchanged_list_is_not_sent_again(control):
    account = await control.add_account()
    tag = (await control.admin("GET", "/admin/accounts")).headers["etag"]
    again = await control.admin("GET", "/admin/accounts", headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    await control.admin("POST", f"/admin/accounts/{account}/schedulable", {"schedulable": False})
    changed = await control.admin("GET", "/admin/accounts", headers={"If-None-Match": tag})
    assert changed.data["items"][0]["schedulable"] is False


async def mark(control, account_id, **columns):
    async with control.deps.uow() as uow:
        row = await uow.session.get(AccountRow, account_id)
        for name, value in columns.items():
            setattr(row, name, value)


async def cool_down(control, account_id):
    until = control.clock.now_ms() + 600_000
    await control.deps.state.cooldowns.set(
        Cooldown(account_id=AccountId(account_id), model="", until_ms=until, reason="429", evidence="")
    )


async def test_recovering_clears_error_and_cooldowns_everywhere(control):
    account = await control.add_account()
    later = datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC) + timedelta(minutes=5)
    await mark(
        control, account, status="error", error_message="401", rate_limit_reset_at=later, overload_until=later
    )
    await cool_down(control, account)
    data = (await control.admin("POST", f"/admin/accounts/{account}/recover-state")).data
    assert (data["status"], data["error_message"], data["rate_limit_reset_at"], data["overload_until"]) == (
        "active", "", None, None,
    )  # fmt: skip
    assert not await control.deps.state.cooldowns.active([AccountId(account)])


@pytest.mark.parametrize("path", ["clear-error", ""])
async def test_who_clears_an_error_mark_does_not_wait_for_its_news_to_fade(control, path):
    account = AccountId(await control.add_account())
    now, cooldowns = control.clock.now_ms(), control.deps.state.cooldowns
    for model, reason in (("", "marked"), ("m", "rate_limited")):
        await cooldowns.set(
            Cooldown(account_id=account, model=model, until_ms=now + 5000, reason=reason, evidence="")
        )
    method, body = ("POST", None) if path else ("PUT", {"status": "active"})
    await control.admin(method, f"/admin/accounts/{account}/{path}".rstrip("/"), body)
    assert [cooldown.reason for cooldown in await cooldowns.active([account])] == ["rate_limited"]


async def test_health_shows_every_cooldown_with_its_cause_and_who_ended_it(control):
    account = await control.add_account()
    path = f"/admin/accounts/{account}/health"
    assert (await control.admin("GET", path)).data["state"] == "healthy"
    await cool_down(control, account)
    health = (await control.admin("GET", path)).data
    (cooldown,) = health["cooldowns"]
    assert (health["state"], cooldown["cause"], cooldown["model"]) == ("cooling", "429", "")
    control.clock.advance(601)
    assert (await control.admin("GET", path)).data["state"] == "half_open"
    await control.admin("POST", f"/admin/accounts/{account}/recover-state")
    health = (await control.admin("GET", path)).data
    assert (health["state"], health["cooldowns"]) == ("healthy", [])
    (event,) = health["timeline"]
    assert (event["state"], event["cause"]) == ("healthy", "recovered")
    assert event["evidence"].startswith("by ")


async def test_an_account_past_its_end_is_shown_as_down_until_the_end_is_moved(control):
    group = await control.add_group("g")
    ends = control.clock.now_ms() // 1000 + 60
    account = await control.add_account(group_ids=[group], expires_at=ends)

    async def shown():
        health = (await control.admin("GET", f"/admin/accounts/{account}/health")).data
        counted = (await control.admin("GET", f"/admin/groups/{group}")).data["active_account_count"]
        return health["state"], health["expired"], counted

    assert await shown() == ("healthy", False, 1)
    control.clock.advance(60)
    assert await shown() == ("down", True, 0)
    for change in (
        {"auto_pause_on_expired": False},
        {"auto_pause_on_expired": True, "expires_at": ends + 99},
    ):
        await control.admin("PUT", f"/admin/accounts/{account}", change)
        assert await shown() == ("healthy", False, 1)


async def test_a_temporary_exclusion_is_shown_and_lifted(control):
    account = await control.add_account()
    path = f"/admin/accounts/{account}/temp-unschedulable"
    assert (await control.admin("GET", path)).data == {"active": False, "state": None}
    later = datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC) + timedelta(minutes=5)
    reason = json.dumps({"status_code": 529, "matched_keyword": "overloaded"})
    await mark(control, account, temp_unschedulable_until=later, temp_unschedulable_reason=reason)
    state = (await control.admin("GET", path)).data["state"]
    assert (state["status_code"], state["until_unix"]) == (529, int(later.timestamp()))
    await control.admin("DELETE", path)
    assert (await control.admin("GET", path)).data["active"] is False


async def test_a_test_streams_events_and_a_success_recovers(control):
    account = await control.add_account()
    await mark(control, account, status="error", error_message="401")
    answer = await control.admin("POST", f"/admin/accounts/{account}/test", {})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.body.decode().split("\n\n") if line]
    assert [event["type"] for event in events] == ["test_start", "content", "test_complete"]
    assert control.tester.asked == [(account, "claude-sonnet-5-5", "hi")]
    assert (await control.admin("GET", f"/admin/accounts/{account}")).data["status"] == "active"


@pytest.mark.parametrize(
    ("platform", "status_code", "state"),
    [("anthropic", 403, "down"), ("anthropic", 500, "healthy"), ("openai", 403, "healthy")],
)
async def test_a_403_of_anthropic_in_a_test_marks_the_account(control, platform, status_code, state):
    account = await control.add_account(platform=platform)
    control.tester.events = [{"type": "error", "error": "no", "status_code": status_code}]
    await control.admin("POST", f"/admin/accounts/{account}/test", {})
    health = (await control.admin("GET", f"/admin/accounts/{account}/health")).data
    assert health["state"] == state
    causes = [event["cause"] for event in health["timeline"]]
    assert causes == (["test refused"] if state == "down" else [])


async def test_a_failed_test_recovers_nothing(control):
    account = await control.add_account()
    await mark(control, account, status="error", error_message="401")
    control.tester.events = [{"type": "error", "error": "refused"}, {"type": "unknown", "secret": "x"}]
    answer = await control.admin("POST", f"/admin/accounts/{account}/test", {"model_id": "m", "prompt": "p"})
    assert answer.body == b'data: {"type":"error","error":"refused"}\n\n'
    assert (await control.admin("GET", f"/admin/accounts/{account}")).data["status"] == "error"


async def test_models_for_a_test_are_those_of_the_mapping_or_the_platform(control):
    plain = await control.add_account("plain")
    mapping = {"model_mapping": {"fast": "claude-haiku-4-5-20251001", "all-*": "claude-opus-4-6"}}
    mapped = await control.add_account("mapped", credentials={"api_key": "k", **mapping})
    usual = (await control.admin("GET", f"/admin/accounts/{plain}/models")).data
    shown = {model["id"]: model["display_name"] for model in usual}
    assert shown["claude-opus-4-6"] == "Claude Opus 4.6"
    assert shown["claude-sonnet-5"] == "Claude Sonnet 5"
    catalogue = DEFAULT_MODELS[Provider.ANTHROPIC]
    assert sorted(shown) == sorted(catalogue), "one list for tests, model lists and the catalogue"
    own = (await control.admin("GET", f"/admin/accounts/{mapped}/models")).data
    assert own == [{"id": "fast", "type": "model", "display_name": "fast"}]


async def test_a_deleted_account_loses_its_credential(control):
    account = await control.add_account(credentials={"api_key": SECRET})
    await control.admin("DELETE", f"/admin/accounts/{account}")
    answer = await control.admin("GET", f"/admin/accounts/{account}")
    assert (answer.status, answer.json["reason"]) == (404, "ACCOUNT_NOT_FOUND")
    async with control.deps.uow() as uow:
        row = await uow.session.get(AccountRow, account)
        assert control.deps.vault.unseal(row.credentials_sealed, context="account.credentials") == b"{}"
