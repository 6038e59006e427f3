"""Sessions in cookies, and pages that are not ours (decision 26)."""

from dataclasses import replace
from typing import Any

import pytest

from headgate.control.app import create_control_app
from headgate.settings import ServerSettings
from tests.control.auth.browsers import Browser
from tests.support.asgi import AsgiClient

LOGIN = {"email": "anna@example.com", "password": "correct horse battery"}
NAME = {"username": "Anna"}


async def test_a_browser_logs_in_writes_refreshes_and_logs_out_by_cookies_alone(control: Any) -> None:
    page = Browser(control.client)
    begun = (await page("POST", "/auth/login", LOGIN)).data
    assert "access_token" not in begun
    assert begun["token_type"] == "Cookie"
    assert begun["user"]["email"] == "anna@example.com"
    assert page.cookies["headgate_csrf"] == begun["csrf_token"]
    assert (await page("GET", "/auth/me")).data["email"] == "anna@example.com"
    assert (await page("PUT", "/user", NAME)).data["username"] == "Anna"
    before = dict(page.cookies)
    assert (await page("POST", "/auth/refresh")).data["csrf_token"] == begun["csrf_token"]
    assert page.cookies["headgate_refresh"] != before["headgate_refresh"]
    assert (await page("PUT", "/user", NAME)).status == 200
    assert (await page("POST", "/auth/logout")).status == 200
    assert page.cookies == {}
    page.cookies = before
    assert (await page("GET", "/auth/me")).json["code"] == "TOKEN_REVOKED"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-csrf-token": ""},
        {"x-csrf-token": "0" * 64},
        {"x-csrf-token": "\xe9"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a_foreign_page_changes_nothing(control: Any, headers: dict[str, str]) -> None:
    page = Browser(control.client)
    await page("POST", "/auth/login", LOGIN)
    answer = await page("PUT", "/user", NAME, headers)
    assert (answer.status, answer.json["code"]) == (403, "CSRF_FAILED")
    assert (await page("GET", "/auth/me")).data["username"] == ""


async def test_another_sessions_token_and_a_tampered_cookie_do_not_count(control: Any) -> None:
    page, other = Browser(control.client), Browser(control.client)
    await page("POST", "/auth/login", LOGIN)
    await other("POST", "/auth/login", LOGIN)
    answer = await page("PUT", "/user", NAME, {"x-csrf-token": other.cookies["headgate_csrf"]})
    assert answer.json["code"] == "CSRF_FAILED"
    page.cookies["headgate_session"] = page.cookies["headgate_session"][:-2] + "xx"
    assert (await page("GET", "/auth/me")).json["code"] == "INVALID_TOKEN"


async def test_the_refresh_cookie_counts_only_for_a_page_of_ours(control: Any) -> None:
    page = Browser(control.client)
    await page("POST", "/auth/login", LOGIN)
    form = await page("POST", "/auth/refresh", None, {"x-headgate-session": ""})
    assert form.json["reason"] == "REFRESH_TOKEN_INVALID"
    foreign = await page("POST", "/auth/logout", None, {"sec-fetch-site": "cross-site"})
    assert foreign.json["code"] == "CSRF_FAILED"
    assert (await page("GET", "/auth/me")).status == 200


@pytest.mark.parametrize(
    ("server", "headers", "is_secure"),
    [
        (ServerSettings(), {}, False),
        (ServerSettings(), {"x-forwarded-proto": "https"}, False),
        (ServerSettings(trusted_proxies=("127.0.0.1/32",)), {"x-forwarded-proto": "https"}, True),
        (ServerSettings(public_url="https://gate.example.com"), {}, True),
    ],
)
async def test_s14_cookies_are_secure_where_tls_is_spoken_and_no_stranger_says_so(
    control: Any, server: ServerSettings, headers: dict[str, str], is_secure: bool
) -> None:
    deps = replace(control.deps, settings=control.deps.settings.model_copy(update={"server": server}))
    page = Browser(AsgiClient(create_control_app(deps), root_path="/api"))
    await page("POST", "/auth/login", LOGIN, headers)
    for name, attributes in page.attributes.items():
        assert ("secure" in attributes) is is_secure
        assert "samesite=strict" in attributes
        assert ("httponly" in attributes) is (name != "headgate_csrf")
