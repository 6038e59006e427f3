"""Public settings and the admin key (spec 7.10, 7.14)."""

from sqlalchemy import select

from headgate.storage.models import SettingRow

KEY = "/admin/settings/admin-api-key"


async def test_what_new_users_begin_with(control):
    settings = (await control.admin("GET", "/admin/settings")).data
    assert (settings["default_concurrency"], settings["default_balance"]) == (5, 0)
    wanted = {"default_concurrency": 7, "default_balance": 2.5}
    changed = (await control.admin("PUT", "/admin/settings", wanted)).data
    assert {name: changed[name] for name in wanted} == wanted
    body = {"email": "new@example.com", "password": "correct horse battery"}
    made = (await control.admin("POST", "/admin/users", body)).data
    assert (made["concurrency"], made["balance"]) == (7, 2.5)
    for wrong in ({"default_concurrency": 0}, {"default_balance": -1}, {"default_concurrency": "7"}):
        assert (await control.admin("PUT", "/admin/settings", wrong)).status == 400


async def test_the_admin_key_acts_as_the_first_admin(control):
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    assert key.startswith("admin-")
    assert len(key) == len("admin-") + 64
    answer = await control.nobody("GET", "/admin/users", headers={"x-api-key": key})
    assert answer.data["total"] == 3


async def test_the_admin_key_is_shown_once_and_stored_hashed(control):
    assert (await control.admin("GET", KEY)).data == {"exists": False, "masked_key": ""}
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    status = (await control.admin("GET", KEY)).data
    assert status == {"exists": True, "masked_key": f"{key[:6]}…{key[-4:]}"}
    async with control.deps.uow() as uow:
        stored = (await uow.session.scalars(select(SettingRow.value))).all()
    assert not any(key in value for value in stored)


async def test_a_wrong_or_old_admin_key_is_refused_in_the_flat_shape(control):
    old = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    await control.admin("POST", f"{KEY}/regenerate")
    for key in (old, "admin-" + "0" * 64, "x", "k" * 5000):
        answer = await control.nobody("GET", "/admin/users", headers={"x-api-key": key})
        assert (answer.status, answer.json) == (
            401,
            {
                "code": "INVALID_ADMIN_KEY",
                "message": "Invalid admin API key",
                "reason": "INVALID_ADMIN_KEY",
            },
        )


async def test_a_deleted_admin_key_opens_nothing(control):
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    await control.admin("DELETE", KEY)
    assert (await control.nobody("GET", "/admin/users", headers={"x-api-key": key})).status == 401


async def test_without_an_admin_key_an_empty_one_opens_nothing(control):
    assert (await control.nobody("GET", "/admin/users", headers={"x-api-key": ""})).status == 401


async def test_the_admin_key_is_no_key_to_the_user_s_own_pages(control):
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    assert (await control.nobody("GET", "/auth/me", headers={"x-api-key": key})).json[
        "code"
    ] == "UNAUTHORIZED"


async def test_public_settings_tell_only_what_a_login_page_needs(control):
    data = (await control.nobody("GET", "/settings/public")).data
    assert data["registration_enabled"] is False
    assert data["version"]


async def test_the_bound_on_overshoot_is_stated_per_group_and_measured(control):
    group = {
        "name": "credit", "platform": "anthropic", "rate_multiplier": 2, "overrun_policy": "overdraft",
        "overdraft_limit_usd": 0.5,
    }  # fmt: skip
    made = (await control.admin("POST", "/admin/groups", group)).data
    control.deps.covered.note(100, 90)
    control.deps.covered.note(100, 250)
    told = (await control.admin("GET", "/admin/settings/spending-bounds")).data
    (bound,) = [entry for entry in told["groups"] if entry["group_id"] == made["id"]]
    assert (bound["overrun_policy"], bound["overdraft_limit_usd"]) == ("overdraft", 0.5)
    assert bound["dearest_model"] == "claude-fable-5-1"  # 50 USD per million tokens of output
    slice_usd = told["slice_tokens"] * 50 / 1_000_000 * 2
    assert bound["overshoot_per_stream_usd"] == bound["slice_usd"] == slice_usd
    assert told["measured"] == {
        "settled": 2, "overshot": 1, "overshot_usd": 150e-9, "largest_overshoot_usd": 150e-9,
    }  # fmt: skip


async def test_codes_are_switched_on_and_off_for_everybody_to_see(control):
    public = (await control.nobody("GET", "/settings/public")).data
    assert (public["promo_code_enabled"], public["invitation_code_enabled"]) == (True, False)
    change = {"promo_code_enabled": False, "invitation_code_enabled": True}
    told = (await control.admin("PUT", "/admin/settings", change)).data
    assert told | {"totp_enabled": True, **change} == told
    public = (await control.nobody("GET", "/settings/public")).data
    assert (public["promo_code_enabled"], public["invitation_code_enabled"]) == (False, True)
    check = await control.nobody("POST", "/auth/validate-promo-code", {"code": "ANY"})
    assert check.data["error_code"] == "PROMO_CODE_DISABLED"
    refused = await control.admin("PUT", "/admin/settings", {"promo_code_enabled": "maybe"})
    assert (refused.status, refused.json["code"]) == (400, 400)


async def test_rules_about_sick_accounts_are_shown_changed_and_checked(control):
    overload, silence = "/admin/settings/overload-cooldown", "/admin/settings/stream-timeout"
    assert (await control.admin("GET", overload)).data == {"enabled": True, "cooldown_minutes": 10}
    assert (await control.admin("GET", silence)).data == {
        "enabled": False, "action": "temp_unsched", "temp_unsched_minutes": 5, "threshold_count": 3,
        "threshold_window_minutes": 10,
    }  # fmt: skip
    wanted = {
        "enabled": True, "action": "error", "temp_unsched_minutes": 7, "threshold_count": 2,
        "threshold_window_minutes": 60,
    }  # fmt: skip
    assert (await control.admin("PUT", silence, wanted)).data == wanted
    assert (await control.admin("GET", silence)).data == wanted
    await control.admin("PUT", overload, {"enabled": False, "cooldown_minutes": 20})
    assert (await control.admin("GET", overload)).data == {"enabled": False, "cooldown_minutes": 20}
    assert (await control.admin("PUT", overload, {"enabled": True, "cooldown_minutes": 121})).status == 400
    assert (await control.admin("PUT", silence, {**wanted, "action": "explode"})).status == 400


async def test_rules_about_requests_are_shown_changed_and_checked(control):
    rectifier, policy = "/admin/settings/rectifier", "/admin/settings/beta-policy"
    on = {"enabled": True, "thinking_signature_enabled": True, "thinking_budget_enabled": True}
    assert (await control.admin("GET", rectifier)).data == on
    off = {**on, "thinking_budget_enabled": False}
    assert (await control.admin("PUT", rectifier, off)).data == off
    assert (await control.admin("GET", rectifier)).data == off
    rules = (await control.admin("GET", policy)).data["rules"]
    assert [rule["beta_token"] for rule in rules] == ["fast-mode-2026-02-01", "context-1m-2025-08-07"]
    wanted = {"beta_token": "a-1", "action": "block", "scope": "oauth", "error_message": "no"}
    assert (await control.admin("PUT", policy, {"rules": [wanted]})).data == {"rules": [wanted]}
    assert (await control.admin("GET", policy)).data == {"rules": [wanted]}
    for bad in ({"action": "explode"}, {"scope": "moon"}, {"beta_token": "a,b"}, {"beta_token": ""}):
        assert (await control.admin("PUT", policy, {"rules": [{**wanted, **bad}]})).status == 400
    twice = await control.admin("PUT", policy, {"rules": [wanted, wanted]})
    assert (twice.status, twice.json["message"]) == (400, "rules: a-1 has two rules for scope oauth")


async def test_versions_of_claude_code_are_shown_changed_and_checked(control):
    async def put(lowest, highest):
        change = {"min_claude_code_version": lowest, "max_claude_code_version": highest}
        return await control.admin("PUT", "/admin/settings", change)

    told = (await put("1.2.3", "")).data
    assert (told["min_claude_code_version"], told["max_claude_code_version"]) == ("1.2.3", "")
    for bad in (("latest", ""), ("2.0.0", "1.0.0"), ("", "1.2")):
        assert (await put(*bad)).status == 400
    assert (await control.admin("GET", "/admin/settings")).data["min_claude_code_version"] == "1.2.3"
