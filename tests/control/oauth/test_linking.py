"""Adding a provider to an account, and removing it (spec 7.8)."""

from tests.control.oauth.conftest import Browser

PASSWORD = {"password": "correct horse battery"}


async def begin(browser, caller, body=PASSWORD):
    headers = caller.headers
    return await browser.call("POST", "/user/identities/corp/start", body, headers=headers)


async def linked(browser, caller):
    started = await begin(browser, caller)
    page = await browser.back(browser.provider.authorize(started.data["authorize_url"]))
    assert page["link"] == "1"
    body = {"login_token": page["login_token"]}
    return await browser.call("POST", "/auth/oauth/corp/link", body, headers=caller.headers), page


async def test_a_linked_provider_lets_its_owner_in(browser):
    answer, _ = await linked(browser, browser.control.anna)
    assert answer.status == 200
    assert (await browser.sign_in()).data["user"]["id"] == browser.control.anna.user_id
    mine = (await browser.control.anna("GET", "/user/identities")).data["items"]
    assert [(item["provider"], item["email"]) for item in mine] == [("corp", "Kim@Corp.example")]
    assert (await browser.control.ben("GET", "/user/identities")).data["items"] == []


async def test_linking_wants_the_password(browser):
    assert (await begin(browser, browser.control.anna, {})).json["reason"] == "PASSWORD_REQUIRED"
    wrong = {"password": "wrong"}
    assert (await begin(browser, browser.control.anna, wrong)).json["reason"] == "PASSWORD_INCORRECT"


async def test_an_identity_belongs_to_one_user(browser):
    await linked(browser, browser.control.anna)
    answer, _ = await linked(browser, browser.control.ben)
    assert (answer.status, answer.json["reason"]) == (409, "IDENTITY_IN_USE")


async def test_a_link_that_one_user_began_serves_no_other_and_is_no_login(browser):
    started = await begin(browser, browser.control.anna)
    page = await browser.back(browser.provider.authorize(started.data["authorize_url"]))
    body = {"login_token": page["login_token"]}
    answer = await browser.call("POST", "/auth/oauth/corp/link", body, headers=browser.control.ben.headers)
    assert answer.json["reason"] == "INVALID_OAUTH_TOKEN"
    assert (await browser.complete(page)).json["reason"] == "INVALID_OAUTH_TOKEN"


async def test_a_login_is_no_link(browser):
    page = await browser.at_page()
    body = {"login_token": page["login_token"]}
    answer = await browser.call("POST", "/auth/oauth/corp/link", body, headers=browser.control.anna.headers)
    assert answer.json["reason"] == "INVALID_OAUTH_TOKEN"


async def test_a_removed_identity_opens_nothing_any_more(browser):
    await linked(browser, browser.control.anna)
    identity = (await browser.control.anna("GET", "/user/identities")).data["items"][0]["id"]
    path = f"/user/identities/{identity}/remove"
    assert (await browser.control.ben("POST", path, PASSWORD)).json["reason"] == "IDENTITY_NOT_FOUND"
    assert (await browser.control.anna("POST", path, {})).json["reason"] == "PASSWORD_REQUIRED"
    assert (await browser.control.anna("POST", path, PASSWORD)).status == 200
    again = Browser(browser.control, browser.provider)
    assert (await again.sign_in()).data["user"]["id"] != browser.control.anna.user_id
