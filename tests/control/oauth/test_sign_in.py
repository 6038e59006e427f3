"""Signing in through a real provider, and what a bad provider or a foreign page cannot do (spec 7.8)."""

import pytest
from sqlalchemy import select

from headgate.storage.models import UserIdentityRow, UserRow
from tests.control.oauth.conftest import PERSON, Browser, configure


async def users(control):
    async with control.deps.uow() as uow:
        return {row.email for row in (await uow.session.scalars(select(UserRow))).all()}


async def test_a_newcomer_becomes_a_user_and_comes_in_again_as_the_same(browser):
    page = await browser.at_page(redirect="/keys")
    assert page["redirect"] == "/keys"
    first = (await browser.complete(page)).data
    assert first["user"]["email"] == "corp-user-7@corp-connect.invalid"
    assert first["user"]["username"] == "kim"
    assert first["user"]["role"] == "user"
    me = {"authorization": f"Bearer {first['access_token']}"}
    assert (await browser.control.nobody("GET", "/auth/me", headers=me)).status == 200
    assert (await browser.sign_in()).data["user"]["id"] == first["user"]["id"]


async def test_a_browser_session_comes_as_cookies(browser):
    page = await browser.at_page()
    body = {"login_token": page["login_token"]}
    answer = await browser.call(
        "POST", "/auth/oauth/corp/complete", body, headers={"x-headgate-session": "cookie"} | cookies(browser)
    )
    assert "access_token" not in answer.data
    assert answer.data["csrf_token"]


def cookies(browser):
    return {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}


async def test_nobody_new_comes_in_unless_it_is_open(browser):
    await browser.control.admin("PUT", "/admin/settings", {"oauth_registration_enabled": False})
    answer = await browser.sign_in()
    assert (answer.status, answer.json["reason"]) == (403, "OAUTH_REGISTRATION_DISABLED")
    assert len(await users(browser.control)) == 3


async def test_an_invitation_is_asked_for_and_given_with_the_same_token(browser):
    await browser.control.admin("PUT", "/admin/settings", {"oauth_invitation_code_enabled": True})
    invitation = {"type": "invitation", "count": 1, "value": 0}
    code = (await browser.control.admin("POST", "/admin/redeem-codes/generate", invitation)).data[0]["code"]
    page = await browser.at_page()
    assert (await browser.complete(page)).json["reason"] == "OAUTH_INVITATION_REQUIRED"
    assert (await browser.complete(page, invitation_code="no")).json["reason"] == "INVITATION_CODE_INVALID"
    assert (await browser.complete(page, invitation_code=code)).status == 200


async def test_the_user_limit_holds_here_too(browser):
    await browser.control.admin("PUT", "/admin/settings", {"registration_user_limit": 3})
    assert (await browser.sign_in()).json["reason"] == "REGISTRATION_DISABLED"


async def test_a_disabled_user_stays_out(browser):
    user = (await browser.sign_in()).data["user"]
    await browser.control.admin("PUT", f"/admin/users/{user['id']}", {"status": "disabled"})
    assert (await browser.sign_in()).json["reason"] == "USER_NOT_ACTIVE"


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://evil.example"}, {"aud": "another-client"}, {"nonce": "another"},
        {"exp": 1_700_000_000}, {"key": True}, {"aud": ["headgate-test", "other"], "azp": "other"},
    ],
)  # fmt: skip
async def test_an_id_token_that_is_not_for_us_opens_nothing(browser, lie):
    browser.provider.lie(**lie)
    page = await browser.at_page()
    assert page["error"] == "userinfo_failed"
    assert "login_token" not in page


async def test_a_discovery_document_of_somebody_else_is_refused(browser):
    browser.provider.lie(discovery="https://evil.example")
    answer = await browser.call("GET", "/auth/oauth/corp/start")
    assert "error=config_error" in answer.headers["location"]


async def test_a_callback_in_a_browser_that_did_not_begin_is_refused(browser):
    """Login CSRF: a stranger's code must not sign my browser in."""
    stolen = browser.provider.authorize(await browser.start())
    victim = Browser(browser.control, browser.provider)
    assert (await victim.back(stolen))["error"] == "invalid_state"
    await victim.start()
    assert (await victim.back(stolen))["error"] == "invalid_state"


async def test_a_login_token_works_once_and_only_in_its_browser(browser):
    page = await browser.at_page()
    thief = Browser(browser.control, browser.provider)
    assert (await thief.complete(page)).json["reason"] == "INVALID_OAUTH_TOKEN"
    await thief.start()
    assert (await thief.complete(page)).json["reason"] == "INVALID_OAUTH_TOKEN"
    kept = dict(browser.cookies)
    assert (await browser.complete(page)).status == 200
    browser.cookies = kept
    assert (await browser.complete(page)).json["reason"] == "INVALID_OAUTH_TOKEN"


async def test_the_code_needs_the_verifier_of_this_browser(browser):
    """PKCE: a code that leaked is worth nothing without it."""
    first = await browser.start()
    location = browser.provider.authorize(first)
    code = location.partition("code=")[2].partition("&")[0]
    mine = browser.provider.authorize(await browser.start())
    swapped = mine.replace(mine.partition("code=")[2].partition("&")[0], code)
    assert (await browser.back(swapped))["error"] == "token_exchange_failed"


async def test_an_answer_that_names_another_issuer_is_refused(browser):
    location = browser.provider.authorize(await browser.start())
    assert (await browser.back(location + "&iss=https%3A%2F%2Fevil.example"))["error"] == "invalid_state"


async def test_a_sign_in_that_takes_too_long_begins_again(browser):
    location = browser.provider.authorize(await browser.start())
    browser.control.clock.advance(601)
    assert (await browser.back(location))["error"] == "invalid_state"


async def test_what_the_provider_refuses_is_told(browser):
    location = await browser.start()
    state = location.partition("state=")[2].partition("&")[0]
    page = await browser.back(
        f"https://gate.example.com/api/v1/auth/oauth/corp/callback?error=access_denied&state={state}"
    )
    assert (page["error"], page["error_message"]) == ("provider_error", "access_denied")


@pytest.mark.parametrize(
    "place", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/" + "a" * 3000]
)
async def test_nobody_is_sent_to_another_site_afterwards(browser, place):
    assert (await browser.at_page(redirect=place))["redirect"] == "/dashboard"


async def test_the_way_back_never_comes_from_the_host_header(browser):
    answer = await browser.call("GET", "/auth/oauth/corp/start", headers={"host": "evil.example"})
    assert "evil" not in answer.headers["location"]
    assert "redirect_uri=https%3A%2F%2Fgate.example.com%2Fapi%2Fv1%2Fauth" in answer.headers["location"]


async def test_an_unknown_or_switched_off_provider_does_not_exist(browser):
    await configure(browser.control, browser.provider, enabled=False)
    for slug in ("corp", "nobody", "..", "a%25"):
        answer = await browser.call("GET", f"/auth/oauth/{slug}/start")
        assert answer.status == 404, slug


async def test_two_factor_login_is_asked_for_here_too(browser):
    user = (await browser.sign_in()).data["user"]
    async with browser.control.deps.uow() as uow:
        row = await uow.session.get(UserRow, user["id"])
        row.totp_enabled_at = row.created_at
    assert (await browser.sign_in()).data["requires_2fa"] is True


async def plain_oauth2(browser):
    urls = {f"{name}_url": f"{browser.provider.issuer}/{name}" for name in ("authorize", "token", "userinfo")}
    fields = {"kind": "oauth2", "issuer": "", "scopes": "user", **urls}
    return await configure(browser.control, browser.provider, "linuxdo", **fields)


async def test_a_plain_oauth2_provider_identifies_by_user_info(browser):
    answer = await plain_oauth2(browser)
    assert answer.data["callback_url"] == "https://gate.example.com/api/v1/auth/oauth/linuxdo/callback"
    browser.provider.person(id=4711, username="lin", email="x@y.example", email_verified=True)
    data = (await browser.sign_in("linuxdo")).data
    assert data["user"]["email"] == "linuxdo-4711@linuxdo-connect.invalid"


async def test_a_user_of_before_is_found_by_the_address_that_only_we_give(browser):
    urls = {f"{name}_url": f"{browser.provider.issuer}/{name}" for name in ("authorize", "token", "userinfo")}
    await configure(
        browser.control, browser.provider, "linuxdo", kind="oauth2", issuer="", scopes="user", **urls
    )
    old = await browser.control.add_user("linuxdo-4711@linuxdo-connect.invalid")
    browser.provider.person(id=4711, username="lin")
    assert (await browser.sign_in("linuxdo")).data["user"]["id"] == old.user_id


async def test_one_id_at_two_authorities_is_two_people(browser):
    """PAINS S3: whoever moves a slug to another provider lets nobody into accounts of the first."""
    first = (await browser.sign_in()).data["user"]["id"]
    async with browser.control.deps.uow() as uow:
        row = (await uow.session.scalars(select(UserIdentityRow))).one()
        row.digest, row.authority = b"x" * 32, "https://another.example"
    second = (await browser.sign_in()).data["user"]
    assert second["id"] != first
    assert second["email"] != "corp-user-7@corp-connect.invalid"


@pytest.mark.parametrize("word", ["true", False, None, 1])
async def test_an_address_that_nobody_verified_finds_nobody(browser, word):
    kim = await browser.control.add_user("kim@corp.example")
    await configure(browser.control, browser.provider, trust_verified_email=True)
    browser.provider.person(**PERSON | {"email_verified": word})
    assert (await browser.sign_in()).data["user"]["id"] != kim.user_id


async def test_a_verified_address_finds_its_user_only_where_the_operator_trusts_the_provider(browser):
    kim = await browser.control.add_user("kim@corp.example")
    assert (await browser.sign_in()).data["user"]["id"] != kim.user_id
    await configure(browser.control, browser.provider, trust_verified_email=True)
    browser.provider.person(**PERSON | {"sub": "user-8"})
    assert (await browser.sign_in()).data["user"]["id"] == kim.user_id


async def test_an_account_with_rights_is_never_found_by_its_address(browser):
    await configure(browser.control, browser.provider, trust_verified_email=True)
    browser.provider.person(sub="evil", email="admin@example.com", email_verified=True)
    assert (await browser.sign_in()).json["reason"] == "OAUTH_LINK_REQUIRED"


async def test_a_trusted_newcomer_has_the_verified_address_if_its_domain_may_register(browser):
    await configure(browser.control, browser.provider, trust_verified_email=True)
    domains = {"registration_email_suffix_whitelist": ["other.example"]}
    await browser.control.admin("PUT", "/admin/settings", domains)
    assert (await browser.sign_in()).json["reason"] == "EMAIL_SUFFIX_NOT_ALLOWED"
    await browser.control.admin("PUT", "/admin/settings", {"registration_email_suffix_whitelist": []})
    assert (await browser.sign_in()).data["user"]["email"] == "kim@corp.example"
