"""Egress proxies (spec 8.5)."""

import pytest

PROXY = {
    "name": "p",
    "protocol": "socks5",
    "host": "proxy.example.com",
    "port": 1080,
    "password": "canary-password",
}


async def test_the_password_goes_in_and_never_comes_out(control):
    answer = await control.admin("POST", "/admin/proxies", PROXY)
    assert answer.status == 201
    assert answer.data["password"] == "…"
    assert b"canary" not in (await control.admin("GET", "/admin/proxies")).body


async def test_a_masked_password_stays_and_an_empty_one_is_removed(control):
    path = f"/admin/proxies/{(await control.admin('POST', '/admin/proxies', PROXY)).data['id']}"
    assert (await control.admin("PUT", path, {"password": "…", "name": "renamed"})).data["password"] == "…"
    assert (await control.admin("PUT", path, {"password": ""})).data["password"] == ""


@pytest.mark.parametrize(
    "change",
    [{"protocol": "ftp"}, {"port": 0}, {"port": 70_000}, {"host": "a/b"}, {"host": "u:p@h"}, {"host": ""}],
)
async def test_a_bad_proxy_is_refused(control, change):
    assert (await control.admin("POST", "/admin/proxies", PROXY | change)).status == 400


async def test_a_proxy_in_use_cannot_be_deleted(control):
    proxy = (await control.admin("POST", "/admin/proxies", PROXY)).data["id"]
    account = await control.add_account(proxy_id=proxy)
    answer = await control.admin("DELETE", f"/admin/proxies/{proxy}")
    assert (answer.status, answer.json["reason"]) == (409, "PROXY_IN_USE")
    assert (await control.admin("GET", f"/admin/proxies/{proxy}")).data["account_count"] == 1
    await control.admin("DELETE", f"/admin/accounts/{account}")
    assert (await control.admin("DELETE", f"/admin/proxies/{proxy}")).status == 200
    assert (await control.admin("GET", "/admin/proxies/all")).data == []


async def test_a_stored_password_is_not_sent_to_another_address(control):
    body = {"name": "p", "protocol": "http", "host": "a.example", "port": 1, "password": "p" * 20}
    path = f"/admin/proxies/{(await control.admin('POST', '/admin/proxies', body)).data['id']}"
    for change in ({"host": "b.example"}, {"port": 2}, {"protocol": "socks5", "password": "***"}):
        answer = await control.admin("PUT", path, change)
        assert (answer.status, answer.json["reason"]) == (400, "SECRET_REQUIRED")
    assert (await control.admin("PUT", path, {"host": "a.example", "name": "q"})).status == 200
    assert (await control.admin("PUT", path, {"host": "b.example", "password": "n" * 20})).status == 200
