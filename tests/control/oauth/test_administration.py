"""Setting providers up (spec 7.8, 8.8)."""

import pytest

from tests.control.oauth.conftest import configure
from tests.support.oidc_provider import CLIENT_SECRET

PATH = "/admin/settings/oauth-providers"


async def test_the_secret_is_shown_to_nobody(browser):
    answer = await browser.control.admin("GET", PATH)
    assert answer.data[0]["client_secret_configured"] is True
    assert CLIENT_SECRET.encode() not in answer.body
    log = await browser.control.admin("GET", "/admin/audit-log")
    assert CLIENT_SECRET.encode() not in log.body


async def test_a_provider_that_moves_needs_its_secret_again(browser):
    moved = await configure(browser.control, browser.provider, issuer="http://127.0.0.1:9", client_secret="")
    assert (moved.status, moved.json["reason"]) == (400, "SECRET_REQUIRED")
    same = await configure(browser.control, browser.provider, name="Corp 2", client_secret="")
    assert same.data["client_secret_configured"] is True


async def test_the_preset_fills_in_what_is_known_and_the_client_is_the_operator_s(browser, monkeypatch):
    async def fine(_):
        return None

    monkeypatch.setattr(browser.control.deps.web, "problem_with", fine)
    body = {"name": "LINUX DO", "client_id": "mine", "client_secret": "s3cret"}
    data = (await browser.control.admin("PUT", f"{PATH}/linuxdo", body)).data
    assert data["token_url"] == "https://connect.linux.do/oauth2/token"
    assert (data["kind"], data["scopes"]) == ("oauth2", "user")
    public = (await browser.control.nobody("GET", "/settings/public")).data
    assert public["linuxdo_oauth_enabled"] is True
    assert {button["slug"] for button in public["oauth_providers"]} == {"corp", "linuxdo"}


@pytest.mark.parametrize(
    "fields",
    [
        {"issuer": ""}, {"issuer": "ftp://x.example"}, {"issuer": "https://u:p@x.example"},
        {"kind": "oauth2", "issuer": ""}, {"token_auth_method": "none", "use_pkce": False},
        {"id_path": "a b"}, {"scopes": "email"}, {"issuer": "http://10.0.0.1"}, {"issuer": "http://169.254.169.254"},
    ],
)  # fmt: skip
async def test_unusable_providers_are_refused(browser, fields):
    assert (await configure(browser.control, browser.provider, "other", **fields)).status == 400
    assert len((await browser.control.admin("GET", PATH)).data) == 1


async def test_a_provider_is_checked_and_deleted(browser):
    check = await browser.control.admin("POST", f"{PATH}/corp/check")
    assert check.data["token_url"] == browser.provider.issuer + "/token"
    assert (await browser.control.admin("DELETE", f"{PATH}/corp")).status == 200
    assert (await browser.control.admin("DELETE", f"{PATH}/corp")).json["reason"] == "PROVIDER_NOT_FOUND"
    assert (await browser.call("GET", "/auth/oauth/corp/start")).json["reason"] == "OAUTH_DISABLED"
