"""Egress proxies as a file, and lists of others (spec 8.5)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from headgate.settings import WebhookSettings
from tests.support.scripted_upstream import Reply, ScriptedUpstream

PROXY = {"name": "p", "protocol": "http", "host": "p.example", "port": 8080, "username": "u",
         "password": "canary-password"}  # fmt: skip
DATA = "/admin/proxies/data"
CLASH = b"""
proxies:
  - {name: one, type: http, server: a.example, port: 80, username: u, password: p}
  - {name: two, type: http, server: b.example, port: "443", tls: true}
  - {name: three, type: socks5, server: c.example, port: 1080}
  - {name: four, type: ss, server: d.example, port: 1, cipher: aes}
  - {name: five, type: http, server: "e/evil", port: 1}
  - nonsense
"""


@pytest.fixture
async def server() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def fetching(make_control: Callable[..., Awaitable[Any]]) -> Any:
    return await make_control(webhooks=WebhookSettings(private_hosts=("127.0.0.1",)))


async def names(control: Any) -> list[str]:
    return [row["name"] for row in (await control.admin("GET", "/admin/proxies/all")).data]


async def test_what_is_exported_can_be_imported_with_its_password_and_nowhere_else(control: Any) -> None:
    made = (await control.admin("POST", "/admin/proxies", PROXY)).data["id"]
    exported = await control.admin("GET", DATA)
    assert b"canary" not in exported.body
    assert (exported.data["type"], exported.data["version"]) == ("sub2api-data", 1)
    again = (await control.admin("POST", DATA, {"data": exported.data})).data
    assert (again["proxy_created"], again["proxy_reused"]) == (0, 1)
    await control.admin("DELETE", f"/admin/proxies/{made}")
    moved = exported.data | {"proxies": [exported.data["proxies"][0] | {"host": "thief.example"}]}
    stolen = (await control.admin("POST", DATA, {"data": moved})).data
    assert (stolen["proxy_created"], stolen["proxy_failed"]) == (0, 1)
    back = (await control.admin("POST", DATA, {"data": exported.data})).data
    assert back["proxy_created"] == 1
    (listed,) = (await control.admin("GET", "/admin/proxies")).data["items"]
    assert (listed["name"], listed["password"]) == ("p", "…")


async def test_some_of_them(control: Any) -> None:
    ids = [
        (await control.admin("POST", "/admin/proxies", PROXY | {"host": f"{n}.x"})).data["id"] for n in "ab"
    ]
    exported = (await control.admin("GET", DATA, query={"ids": str(ids[1])})).data
    assert [row["host"] for row in exported["proxies"]] == ["b.x"]


@pytest.mark.parametrize("form", [{"type": "sub2api-data", "version": 2}, {"type": "codex", "version": 1}])
async def test_a_file_of_the_wrong_version_does_nothing(control: Any, form: dict[str, Any]) -> None:
    answer = await control.admin("POST", DATA, {"data": form | {"proxies": [PROXY]}})
    assert (answer.status, answer.json["reason"]) == (400, "IMPORT_VERSION_UNKNOWN")
    assert await names(control) == []


async def test_either_a_file_or_an_address(control: Any) -> None:
    for body in ({}, {"data": {}, "subscription_url": "https://a.example"}):
        assert (await control.admin("POST", DATA, body)).status == 400


async def test_a_list_as_clash_reads_it(fetching: Any, server: ScriptedUpstream) -> None:
    server.answer(Reply(chunks=[CLASH]))
    answer = await fetching.admin("POST", DATA, {"subscription_url": f"{server.url}/sub?token=canary"})
    assert {name: answer.data[name] for name in ("proxy_created", "proxy_failed", "proxy_skipped")} == {
        "proxy_created": 3, "proxy_failed": 1, "proxy_skipped": 2,
    }  # fmt: skip
    rows = (await fetching.admin("GET", "/admin/proxies/all")).data
    assert [(row["name"], row["protocol"], row["host"], row["port"]) for row in rows] == [
        ("three", "socks5", "c.example", 1080),
        ("two", "https", "b.example", 443),
        ("one", "http", "a.example", 80),
    ]
    assert b"canary" not in (await fetching.admin("GET", "/admin/audit-log")).body


@pytest.mark.parametrize(
    "reply",
    [Reply(status=404), Reply(chunks=[b"proxies: {"]), Reply(chunks=[b"a: 1"]), Reply(chunks=[b"[1]"])],
)
async def test_what_is_no_list_is_refused(fetching: Any, server: ScriptedUpstream, reply: Reply) -> None:
    server.answer(reply)
    answer = await fetching.admin("POST", DATA, {"subscription_url": server.url})
    assert (answer.status, answer.json["reason"]) == (400, "SUBSCRIPTION_UNREADABLE")


async def test_no_list_is_fetched_from_inside(control: Any, server: ScriptedUpstream) -> None:
    answer = await control.admin("POST", DATA, {"subscription_url": server.url})
    assert (answer.status, answer.json["reason"]) == (400, "SUBSCRIPTION_UNREADABLE")
    assert server.requests == []
