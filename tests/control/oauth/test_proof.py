"""People who came by a provider and have no password: proving who they are by a fresh sign-in or a mailed
code, a first password, a second factor, and the last way in (spec 7.5, 7.8)."""

import re

import pyotp
import pytest

from tests.control.conftest import Caller
from tests.control.mail.conftest import smtp
from tests.control.oauth.conftest import configure
from tests.support.mail_server import mail_server

PASSWORD = "a first password 7"


@pytest.fixture
async def kim(browser):
    """Came in by the provider, a moment ago."""
    tokens = (await browser.sign_in()).data
    assert tokens["user"]["has_password"] is False
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    return Caller(browser.control.client, bearer, tokens["user"]["id"])


async def at_provider(browser, caller, slug="corp"):
    """Signs in once more; the `login_token` that the page gets."""
    started = await browser.call("POST", f"/user/identities/{slug}/prove", headers=caller.headers)
    assert started.status == 200, started.body
    page = await browser.back(browser.provider.authorize(started.data["authorize_url"]))
    assert page.get("prove") == "1", page
    assert page["redirect"] == "/profile"
    return page["login_token"]


async def exchange(browser, caller, token, slug="corp"):
    body = {"login_token": token}
    return await browser.call("POST", f"/auth/oauth/{slug}/prove", body, headers=caller.headers)


async def proof(browser, caller):
    answer = await exchange(browser, caller, await at_provider(browser, caller))
    assert answer.data["expires_in"] == 300
    return {"proof_token": answer.data["proof_token"]}


async def identity_of(caller):
    listed = (await caller("GET", "/user/identities")).data
    return listed["items"][0]["id"], listed["has_password"]


async def remove(caller, body):
    identity, _ = await identity_of(caller)
    return await caller("POST", f"/user/identities/{identity}/remove", body)


async def test_the_ways_to_prove_oneself_are_named(browser, kim):
    got = (await kim("GET", "/user/totp/verification-method")).data
    assert got == {"method": "provider", "methods": ["provider"], "providers": ["corp"]}
    assert (await kim("POST", "/user/totp/setup", {})).json["reason"] in (
        "TOTP_NOT_ENABLED", "PROVIDER_LOGIN_REQUIRED",
    )  # fmt: skip


async def test_a_first_password_is_set_after_a_fresh_sign_in_and_lets_its_owner_in(browser, kim):
    new = {"new_password": PASSWORD}
    assert (await kim("PUT", "/user/password", new)).json["reason"] == "PROVIDER_LOGIN_REQUIRED"
    proven = await proof(browser, kim)
    weak = await kim("PUT", "/user/password", {"new_password": "password", **proven})
    assert weak.json["reason"] == "PASSWORD_TOO_WEAK"
    assert (await kim("PUT", "/user/password", {**new, **proven})).status == 200
    email = "corp-user-7@corp-connect.invalid"
    begun = await browser.control.nobody("POST", "/auth/login", {"email": email, "password": PASSWORD})
    assert begun.data["user"]["has_password"] is True
    assert (await kim("GET", "/auth/me")).json["code"] == "TOKEN_REVOKED"


async def test_without_a_password_none_works(browser, kim):
    for guess in ("", "x", "nobody has this password"):
        body = {"email": "corp-user-7@corp-connect.invalid", "password": guess}
        assert (await browser.control.nobody("POST", "/auth/login", body)).status in (400, 401)
    answer = await kim("PUT", "/user/password", {"old_password": "x", "new_password": PASSWORD})
    assert answer.json["reason"] == "PASSWORD_INCORRECT"


async def test_two_factor_login_is_set_up_after_a_fresh_sign_in(browser, kim):
    await browser.control.admin("PUT", "/admin/settings", {"totp_enabled": True})
    assert (await kim("POST", "/user/totp/setup", {})).json["reason"] == "PROVIDER_LOGIN_REQUIRED"
    setup = (await kim("POST", "/user/totp/setup", await proof(browser, kim))).data
    code = pyotp.TOTP(setup["secret"]).at(browser.control.clock.now_ms() // 1000)
    body = {"totp_code": code, "setup_token": setup["setup_token"]}
    assert (await kim("POST", "/user/totp/enable", body)).status == 200
    assert (await browser.sign_in()).data["requires_2fa"] is True


async def test_the_last_way_in_stays_until_a_password_is_proven(browser, kim):
    assert (await remove(kim, await proof(browser, kim))).json["reason"] == "LAST_WAY_IN"
    set_one = {"new_password": PASSWORD, **await proof(browser, kim)}
    assert (await kim("PUT", "/user/password", set_one)).status == 200
    again = (await browser.sign_in()).data
    kim.headers["authorization"] = f"Bearer {again['access_token']}"
    assert (await identity_of(kim))[1] is True
    assert (await remove(kim, await proof(browser, kim))).json["reason"] == "LAST_WAY_IN"
    assert (await remove(kim, {"password": PASSWORD})).status == 200


async def test_another_provider_is_another_way_in_as_long_as_it_is_switched_on(browser, kim):
    other = {"kind": "oauth2", "authorize_url": browser.provider.issuer + "/authorize",
             "token_url": browser.provider.issuer + "/token", "scopes": "openid",
             "userinfo_url": browser.provider.issuer + "/userinfo", "name": "Second"}  # fmt: skip
    assert (await configure(browser.control, browser.provider, "second", **other)).status == 200
    started = await browser.call(
        "POST", "/user/identities/second/start", await proof(browser, kim), headers=kim.headers
    )
    page = await browser.back(browser.provider.authorize(started.data["authorize_url"]))
    body = {"login_token": page["login_token"]}
    linked = await browser.call("POST", "/auth/oauth/second/link", body, headers=kim.headers)
    assert linked.status == 200, linked.body
    off = await configure(browser.control, browser.provider, "second", **other, enabled=False)
    assert off.status == 200
    assert (await remove(kim, await proof(browser, kim))).json["reason"] == "LAST_WAY_IN"
    await configure(browser.control, browser.provider, "second", **other)
    assert (await remove(kim, await proof(browser, kim))).status == 200


async def test_a_sign_in_of_somebody_else_proves_nothing(browser, kim):
    started = await browser.call("POST", "/user/identities/corp/prove", headers=kim.headers)
    browser.provider.person(sub="stranger", email="s@corp.example", email_verified=True)
    page = await browser.back(browser.provider.authorize(started.data["authorize_url"]))
    answer = await exchange(browser, kim, page["login_token"])
    assert (answer.status, answer.json["reason"]) == (403, "IDENTITY_NOT_LINKED")


async def test_a_sign_in_from_before_the_question_is_not_fresh(browser, kim):
    browser.provider.lie(auth_time=browser.control.clock.now_ms() // 1000 - 3600)
    started = await browser.call("POST", "/user/identities/corp/prove", headers=kim.headers)
    assert "max_age=0" in started.data["authorize_url"]
    page = await browser.back(browser.provider.authorize(started.data["authorize_url"]))
    assert page["error"] == "login_failed"


async def test_tokens_are_for_their_purpose_their_user_their_session_and_once(browser, kim):
    control = browser.control
    login = (await browser.at_page())["login_token"]
    assert (await exchange(browser, kim, login)).json["reason"] == "INVALID_OAUTH_TOKEN"
    token = await at_provider(browser, kim)
    assert (await exchange(browser, control.anna, token)).json["reason"] == "INVALID_OAUTH_TOKEN"
    linking = await browser.call("POST", "/auth/oauth/corp/link", {"login_token": token}, headers=kim.headers)
    assert linking.json["reason"] == "INVALID_OAUTH_TOKEN"
    proven = {"proof_token": (await exchange(browser, kim, token)).data["proof_token"]}
    assert (await exchange(browser, kim, token)).json["reason"] == "INVALID_OAUTH_TOKEN"
    new = {"new_password": PASSWORD, **proven}
    assert (await control.anna("PUT", "/user/password", new)).json["reason"] == "INVALID_PROOF_TOKEN"
    elsewhere = (await browser.sign_in()).data["access_token"]
    other_session = Caller(control.client, {"authorization": f"Bearer {elsewhere}"})
    assert (await other_session("PUT", "/user/password", new)).json["reason"] == "INVALID_PROOF_TOKEN"
    control.clock.advance(301)
    assert (await kim("PUT", "/user/password", new)).json["reason"] == "INVALID_PROOF_TOKEN"


@pytest.mark.parametrize("suffix", ["A", "=", "AAAA", "\n"])
async def test_a_tampered_proof_is_none(browser, kim, suffix):
    token = (await proof(browser, kim))["proof_token"]
    flipped = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    for given in (token + suffix, flipped):
        answer = await kim("PUT", "/user/password", {"new_password": PASSWORD, "proof_token": given})
        assert (answer.status, answer.json["reason"]) == (400, "INVALID_PROOF_TOKEN")


async def test_another_spelling_of_a_used_token_is_no_new_one(browser, kim):
    token = await at_provider(browser, kim)
    assert (await exchange(browser, kim, token)).status == 200
    for spelling in (token + "A", token + "=", token + "\n"):
        assert (await exchange(browser, kim, spelling)).json["reason"] == "INVALID_OAUTH_TOKEN"


async def test_only_a_linked_provider_is_asked(browser):
    answer = await browser.control.anna("POST", "/user/identities/corp/prove")
    assert (answer.status, answer.json["reason"]) == (403, "IDENTITY_NOT_LINKED")


@pytest.fixture
async def letters(browser):
    """The provider's addresses are believed, and mail goes out."""
    async with mail_server(login=True) as box:
        wanted = smtp(box.port, email_verify_enabled=True)
        answer = await browser.control.admin("PUT", "/admin/settings", wanted)
        assert answer.status == 200, answer.body
        await configure(browser.control, browser.provider, trust_verified_email=True)
        yield box
        await browser.control.deps.mail.close()


async def mailed(browser, box):
    await browser.control.deps.mail.join()
    return re.findall(r"^\d{6}$", box.text(), re.MULTILINE)[0]


async def test_a_mailed_code_sets_the_first_password_once(letters, browser, kim):
    asked = (await kim("GET", "/user/totp/verification-method")).data
    assert asked["methods"] == ["email", "provider"]
    new = {"new_password": PASSWORD}
    assert (await kim("PUT", "/user/password", new)).json["reason"] == "VERIFY_CODE_REQUIRED"
    assert (await kim("POST", "/user/totp/send-code")).data == {"success": True, "countdown": 60}
    assert (await kim("POST", "/user/totp/send-code")).json["reason"] == "VERIFY_CODE_TOO_FREQUENT"
    code = await mailed(browser, letters)
    assert letters.letters[0]["To"] == "kim@corp.example"
    wrong = await kim("PUT", "/user/password", {**new, "email_code": "000000"})
    assert wrong.json["reason"] == "INVALID_VERIFY_CODE"
    assert (await kim("PUT", "/user/password", {**new, "email_code": code})).status == 200
    again = (await browser.control.nobody("POST", "/auth/login", {
        "email": "KIM@corp.example", "password": PASSWORD,
    })).data  # fmt: skip
    kim.headers["authorization"] = f"Bearer {again['access_token']}"
    replayed = await kim("PUT", "/user/password", {"new_password": "another one 77", "email_code": code})
    assert replayed.json["reason"] == "INVALID_VERIFY_CODE"


async def test_a_mailed_code_is_for_its_user_and_not_for_long(letters, browser, kim):
    await kim("POST", "/user/totp/send-code")
    code = await mailed(browser, letters)
    body = {"new_password": PASSWORD, "email_code": code}
    assert (await browser.control.anna("PUT", "/user/password", body)).json["reason"] == "INVALID_VERIFY_CODE"
    for _ in range(5):
        await kim("PUT", "/user/password", {**body, "email_code": "000000"})
    assert (await kim("PUT", "/user/password", body)).json["reason"] == "VERIFY_CODE_MAX_ATTEMPTS"
    browser.control.clock.advance(61)
    await kim("POST", "/user/totp/send-code")
    code = await mailed(browser, letters)
    browser.control.clock.advance(601)
    assert (await kim("PUT", "/user/password", {**body, "email_code": code})).json["reason"] in (
        "INVALID_VERIFY_CODE",
    )


async def test_no_code_goes_to_an_address_without_a_mailbox(browser, kim):
    answer = await kim("POST", "/user/totp/send-code")
    assert (answer.status, answer.json["reason"]) == (400, "EMAIL_VERIFY_NOT_ENABLED")
