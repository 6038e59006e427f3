"""Configuration documents over REST: secrets beside the document, a digest against surprises."""

from typing import Any

DOCUMENT = {
    "version": 1,
    "groups": {"pool": {"platform": "anthropic", "rate_multiplier": 2}},
    "accounts": {"main": {"platform": "anthropic", "secret": "env:KEY", "groups": ["pool"]}},
}
SECRETS = {"env:KEY": "sk-ant-canary-0123456789"}


async def test_plan_apply_and_rollback(control: Any) -> None:
    body = {"document": DOCUMENT, "secrets": SECRETS}
    planned = (await control.admin("POST", "/admin/config/plan", body)).data
    assert [(c["section"], c["name"], c["action"]) for c in planned["changes"]] == [
        ("groups", "pool", "add"), ("accounts", "main", "add"),
    ]  # fmt: skip
    applied = (await control.admin("POST", "/admin/config/apply", body | {"expect": planned["digest"]})).data
    assert applied["revision"] == 2
    exported = await control.admin("GET", "/admin/config")
    assert exported.data["document"]["accounts"]["main"]["secret"] == "env:KEY"
    detail = await control.admin("GET", "/admin/config/revisions/2")
    revisions = (await control.admin("GET", "/admin/config/revisions")).data["items"]
    assert [(r["number"], r["via"], r["actor"]) for r in revisions] == [
        (2, "apply", "admin@example.com"), (1, "found", "admin@example.com"),
    ]  # fmt: skip
    back = (await control.admin("POST", "/admin/config/revisions/1/rollback", {})).data
    assert back["text"][-1] == "Plan: 0 to add, 0 to change, 2 to delete."
    log = await control.admin("GET", "/admin/audit-log")
    for answer in (exported, detail, log):
        assert b"canary" not in answer.body


async def test_a_plan_that_is_out_of_date_is_not_applied(control: Any) -> None:
    body = {"document": DOCUMENT, "secrets": SECRETS}
    digest = (await control.admin("POST", "/admin/config/plan", body)).data["digest"]
    await control.add_group("by hand")
    answer = await control.admin("POST", "/admin/config/apply", body | {"expect": digest})
    assert (answer.status, answer.json["reason"]) == (409, "CONFIG_CHANGED")


async def test_the_server_reads_no_files_and_no_environment_for_a_document(control: Any) -> None:
    document = {"version": 1, "accounts": {"main": {"platform": "anthropic", "secret": "file:/etc/hostname"}}}
    answer = await control.admin("POST", "/admin/config/apply", {"document": document})
    assert (answer.status, answer.json["reason"]) == (400, "CONFIG_INVALID")
    assert "needs the value of file:/etc/hostname" in answer.json["message"]


async def test_names_that_are_there_twice_cannot_be_exported(control: Any) -> None:
    await control.add_account("twin")
    await control.add_account("twin")
    answer = await control.admin("GET", "/admin/config")
    assert (answer.status, answer.json["reason"]) == (409, "CONFIG_NAME_TWICE")


async def test_a_stored_secret_follows_no_document_to_another_address(control: Any) -> None:
    """PAINS S11: whoever moves an account must know its secret."""
    await control.add_account("main")
    document = {
        "version": 1,
        "accounts": {"main": {"secret": "stored", "credentials": {"base_url": "https://evil.example"}}},
    }
    answer = await control.admin("POST", "/admin/config/apply", {"document": document})
    assert (answer.status, answer.json["reason"]) == (400, "SECRET_REQUIRED")


async def test_limits_that_a_document_does_not_name_stay(control: Any) -> None:
    group = await control.add_group("pool", daily_limit_usd=5, subscription_type="subscription")
    document = {"version": 1, "groups": {"pool": {"rpm_limit": 9}}}
    await control.admin("POST", "/admin/config/apply", {"document": document})
    view = (await control.admin("GET", f"/admin/groups/{group}")).data
    assert (view["rpm_limit"], view["daily_limit_usd"]) == (9, 5)
    document["groups"] = {"pool": {"daily_limit_usd": None}}
    await control.admin("POST", "/admin/config/apply", {"document": document})
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["daily_limit_usd"] is None


async def test_users_are_not_let_in(control: Any) -> None:
    assert (await control.anna("GET", "/admin/config")).status == 403


async def test_settings_and_their_secrets_are_applied_and_compared(control: Any) -> None:
    settings = {
        "site_name": "Canal",
        "turnstile_site_key": "0x1",
        "turnstile_secret_key": "env:TURNSTILE",
        "smtp_host": "mail.example.com",
        "smtp_username": "gate",
        "smtp_password": "env:SMTP",
    }
    secrets = {"env:TURNSTILE": "canary-turnstile", "env:SMTP": "canary-smtp"}
    body = {"document": {"version": 1, "settings": settings}, "secrets": secrets}
    assert (await control.admin("POST", "/admin/config/apply", body)).data["revision"] == 2
    again = (await control.admin("POST", "/admin/config/plan", body)).data
    assert again["changes"] == []
    body["secrets"] = secrets | {"env:TURNSTILE": "canary-rotated"}
    (change,) = (await control.admin("POST", "/admin/config/plan", body)).data["changes"]
    assert [field["name"] for field in change["fields"]] == ["turnstile_secret_key"]
    exported = await control.admin("GET", "/admin/config")
    assert exported.data["document"]["settings"]["smtp_password"] == "env:SMTP"
    assert b"canary" not in exported.body


async def test_shared_slots_are_given_and_taken_away(control: Any) -> None:
    group = await control.add_group("pool")
    for sharing, shown in (
        ({"slots": 6, "guaranteed": 1}, {"slots": 6, "guaranteed": 1, "users": {}}),
        (None, None),
    ):
        body = {"document": {"version": 1, "groups": {"pool": {"fair_sharing": sharing}}}}
        assert (await control.admin("POST", "/admin/config/apply", body)).status == 200
        assert (await control.admin("GET", f"/admin/groups/{group}")).data["fair_sharing"] == shown
        assert (await control.admin("POST", "/admin/config/plan", body)).data["changes"] == []


async def test_settings_of_a_document_are_applied_and_gone_back_to(control: Any) -> None:
    given = {"site_name": "Canal", "registration_enabled": True, "invitation_code_enabled": True}
    document = {
        "version": 1,
        "groups": {"plan": {"platform": "anthropic", "subscription_type": "subscription"}},
        "settings": given | {"default_subscriptions": [{"group": "plan", "validity_days": 7}]},
    }
    applied = await control.admin("POST", "/admin/config/apply", {"document": document})
    assert (applied.status, applied.data["revision"]) == (200, 2)
    settings = (await control.admin("GET", "/admin/settings")).data
    assert {name: settings[name] for name in given} == given
    assert [each["validity_days"] for each in settings["default_subscriptions"]] == [7]
    back = await control.admin("POST", "/admin/config/revisions/1/rollback", {})
    assert back.status == 200
    settings = (await control.admin("GET", "/admin/settings")).data
    assert not settings["registration_enabled"]
    assert settings["default_subscriptions"] == []
