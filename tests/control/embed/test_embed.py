"""Embedded pages know their user by a ticket: short-lived, for one site, revocable (issue 5, item 9)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from headgate.control.embed.pages import embedded_url
from headgate.control.embed.tickets import delete_expired_tickets
from tests.control.conftest import PASSWORD

SHOP = "https://shop.example.com"
PAGES = {
    "purchase_subscription_enabled": True,
    "purchase_subscription_url": f"{SHOP}/buy?plan=pro&theme=blue",
    "custom_menu_items": [
        {"id": "docs", "label": "Docs", "url": "https://docs.example.com:443/a", "visibility": "user"},
        {"id": "ops", "label": "Ops", "url": "http://ops.example.com:8080", "visibility": "admin"},
    ],
}


@pytest.fixture
async def pages(control: Any) -> None:
    assert (await control.admin("PUT", "/admin/settings", PAGES)).status == 200


async def ask(control: Any, who: Any = None, **body: Any) -> Any:
    return await (who or control.anna)("POST", "/embed/tickets", {"page": "purchase"} | body)


def token_in(answer: Any) -> str:
    return parse_qs(urlsplit(answer.data["url"]).query)["token"][0]


async def me(control: Any, token: str, **headers: str) -> Any:
    return await control.nobody("GET", "/auth/me", headers={"authorization": f"Bearer {token}"} | headers)


async def test_the_address_has_the_parameters_of_the_contract(control: Any, pages: None) -> None:
    source = "https://gate.example.com/purchase?x=1#top"
    answer = await ask(control, theme="dark", lang="zh", src_url=source)
    assert (answer.status, answer.data["audience"]) == (201, SHOP)
    parts = urlsplit(answer.data["url"])
    found = {name: values for name, values in parse_qs(parts.query).items() if name != "token"}
    assert (parts.netloc, parts.path) == ("shop.example.com", "/buy")
    assert found == {
        "plan": ["pro"], "user_id": [str(control.anna.user_id)], "theme": ["dark"], "lang": ["zh"],
        "ui_mode": ["embedded"], "src_host": ["https://gate.example.com"], "src_url": [source],
    }  # fmt: skip
    assert (await ask(control, page="docs")).data["audience"] == "https://docs.example.com"
    assert embedded_url("https://a.example/?k=", {"lang": ""}) == "https://a.example/?k="


async def test_a_ticket_says_who_looks_and_opens_nothing_else(control: Any, pages: None) -> None:
    """DESIGN 8: an embedded page never gets the session."""
    token = token_in(await ask(control))
    assert (await me(control, token)).data["email"] == "anna@example.com"
    assert (await me(control, token, origin=SHOP)).status == 200
    for method, path in (("GET", "/keys"), ("POST", "/embed/tickets"), ("GET", "/user/profile")):
        answer = await control.nobody(method, path, {}, headers={"authorization": f"Bearer {token}"})
        assert (answer.status, answer.json["code"]) == (401, "INVALID_TOKEN"), path


async def test_another_site_cannot_use_it(control: Any, pages: None) -> None:
    token = token_in(await ask(control))
    answer = await me(control, token, origin="https://evil.example")
    assert (answer.status, answer.json["code"]) == (403, "EMBED_AUDIENCE")
    verify = "/admin/embed/verify"
    good = await control.admin("POST", verify, {"token": token, "audience": SHOP})
    assert (good.data["user_id"], good.data["role"]) == (control.anna.user_id, "user")
    for body, reason in (
        ({"token": token, "audience": "https://docs.example.com"}, "EMBED_AUDIENCE"),
        ({"token": "emb_made-up", "audience": SHOP}, "INVALID_TOKEN"),
        ({"token": "x", "audience": SHOP}, "INVALID_TOKEN"),
    ):
        bad = await control.admin("POST", verify, body)
        assert (bad.status, bad.json["reason"]) == (400, reason)
    assert (await control.anna("POST", verify, {"token": token, "audience": SHOP})).status == 403


async def test_tickets_end_by_time_by_their_owner_and_with_the_session(control: Any, pages: None) -> None:
    async def code(token: str) -> str:
        return str((await me(control, token)).json["code"])

    old = token_in(await ask(control))
    control.clock.advance(300)
    assert await code(old) == "TOKEN_EXPIRED"
    revoked = token_in(await ask(control))
    assert (await control.anna("DELETE", "/embed/tickets")).data["message"] == "1 tickets revoked"
    assert await code(revoked) == "TOKEN_REVOKED"
    login = {"email": "anna@example.com", "password": PASSWORD}
    session = (await control.nobody("POST", "/auth/login", login)).data
    bearer = {"authorization": f"Bearer {session['access_token']}"}
    body = {"page": "purchase"}
    bound = token_in(await control.nobody("POST", "/embed/tickets", body, headers=bearer))
    assert (await me(control, bound)).status == 200
    await control.nobody("POST", "/auth/logout", {"refresh_token": session["refresh_token"]}, headers=bearer)
    assert await code(bound) == "TOKEN_REVOKED"
    assert await delete_expired_tickets(control.deps.uow, control.clock) == 1


async def test_pages_are_there_for_whom_they_are_shown(control: Any, pages: None) -> None:
    assert (await ask(control, page="ops")).json["reason"] == "EMBED_PAGE_NOT_FOUND"
    assert (await ask(control, control.admin, page="ops")).data["audience"] == "http://ops.example.com:8080"
    assert (await ask(control, page="nowhere")).status == 404
    public = (await control.nobody("GET", "/settings/public")).data
    assert [item["id"] for item in public["custom_menu_items"]] == ["docs"]
    assert public["purchase_subscription_enabled"] is True
    await control.admin("PUT", "/admin/settings", {"purchase_subscription_enabled": False})
    assert (await ask(control)).status == 404


@pytest.mark.parametrize(
    "change",
    [
        {"purchase_subscription_url": "javascript:alert(1)"},
        {"purchase_subscription_url": "https://user:pw@shop.example.com"},
        {"purchase_subscription_url": "https://shop.example.com/#x"},
        {"purchase_subscription_url": "https://shop.example.com:99999"},
        {"purchase_subscription_enabled": True},
        {"custom_menu_items": [{"id": "purchase", "label": "x", "url": SHOP}]},
        {"custom_menu_items": [{"id": "a", "label": "x", "url": SHOP}] * 2},
        {"custom_menu_items": [{"id": "A b", "label": "x", "url": SHOP}]},
        {"custom_menu_items": [{"id": "a", "label": "x", "url": "ftp://shop.example.com"}]},
    ],
)
async def test_pages_that_cannot_be_are_refused(control: Any, change: dict[str, Any]) -> None:
    assert (await control.admin("PUT", "/admin/settings", change)).status == 400
