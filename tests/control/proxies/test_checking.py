"""Tests of egress proxies, through a real proxy to a real server (spec 8.5)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from headgate.settings import ProxyProbeSettings
from tests.control.usage.records import record
from tests.support.egress_proxies import PASSWORD, USER, EgressProxyServer
from tests.support.scripted_upstream import Reply, ScriptedUpstream

TOLD = Reply(
    chunks=[
        b'{"status":"success","query":"203.0.113.9","city":"Bern","regionName":"BE",'
        b'"country":"Switzerland","countryCode":"CH"}'
    ]
)
PLACE = {"ip_address": "203.0.113.9", "city": "Bern", "region": "BE", "country": "Switzerland",
         "country_code": "CH"}  # fmt: skip
PROBE = ProxyProbeSettings(
    exit_urls=("http://first.example/json", "http://second.example/ip"),
    targets={"one": "http://one.example/v1", "two": "http://two.example/v1"},
    timeout_s=5,
)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture(params=["http", "socks5"])
async def proxy(request: Any, upstream: ScriptedUpstream) -> AsyncIterator[EgressProxyServer]:
    async with EgressProxyServer(request.param, upstream.port) as server:
        yield server


@pytest.fixture
async def probing(make_control: Callable[..., Awaitable[Any]]) -> Any:
    return await make_control(proxy_probe=PROBE)


async def create(control: Any, proxy: EgressProxyServer, *, password: str = PASSWORD) -> str:
    body = {"name": "p", "protocol": proxy.protocol, "host": "127.0.0.1",
            "port": urlsplit(proxy.url()).port, "username": USER, "password": password}  # fmt: skip
    return f"/admin/proxies/{(await control.admin('POST', '/admin/proxies', body)).data['id']}"


async def test_a_test_goes_through_the_proxy_and_is_shown_in_the_list(
    probing: Any, proxy: EgressProxyServer, upstream: ScriptedUpstream
) -> None:
    upstream.answer(TOLD)
    path = await create(probing, proxy)
    found = (await probing.admin("POST", f"{path}/test")).data
    assert found == {
        "success": True,
        "message": "the proxy works",
        "reason": "works",
        "latency_ms": found["latency_ms"],
        **PLACE,
    }
    assert len(proxy.asked) == 1
    assert "first.example" in proxy.asked[0]
    (listed,) = (await probing.admin("GET", "/admin/proxies")).data["items"]
    assert {name: listed[name] for name in PLACE} == PLACE
    assert (listed["latency_status"], listed["quality_score"]) == ("success", None)
    changed = (await probing.admin("PUT", path, {"username": "other"})).data
    assert (changed["latency_status"], changed["ip_address"], changed["latency_ms"]) == ("", "", None)


async def test_the_second_tells_when_the_first_does_not(
    probing: Any, proxy: EgressProxyServer, upstream: ScriptedUpstream
) -> None:
    upstream.answer(Reply(status=503), Reply(chunks=[b'{"origin": "203.0.113.7"}']))
    found = (await probing.admin("POST", f"{await create(probing, proxy)}/test")).data
    assert (found["success"], found["ip_address"], found["country"]) == (True, "203.0.113.7", "")
    assert "second.example" in proxy.asked[1]


async def test_a_proxy_that_refuses_us_is_told_without_its_password(
    probing: Any, proxy: EgressProxyServer
) -> None:
    path = await create(probing, proxy, password="canary-wrong-password")
    answer = await probing.admin("POST", f"{path}/test")
    reason = {"http": "proxy_refuses", "socks5": "upstream_unreachable"}[proxy.protocol]
    assert (answer.status, answer.data["success"], answer.data["reason"]) == (200, False, reason)
    (listed,) = (await probing.admin("GET", "/admin/proxies")).data["items"]
    assert listed["latency_status"] == "failed"
    log = await probing.admin("GET", "/admin/audit-log")
    assert b"canary" not in answer.body + log.body


async def test_the_quality_check_asks_every_provider_without_a_credential(
    probing: Any, proxy: EgressProxyServer, upstream: ScriptedUpstream
) -> None:
    challenged = Reply(status=403, headers=(("cf-mitigated", "challenge"), ("cf-ray", "8f-ZRH")))
    upstream.answer(TOLD, challenged)
    path = await create(probing, proxy)
    found = (await probing.admin("POST", f"{path}/quality-check")).data
    assert [(item["target"], item["status"], item["http_status"]) for item in found["items"]] == [
        ("base_connectivity", "pass", 200), ("one", "challenge", 403), ("two", "challenge", 403),
    ]  # fmt: skip
    assert (found["score"], found["grade"], found["status"]) == (40, "D", "challenge")
    assert (found["passed_count"], found["challenge_count"], found["exit_ip"]) == (1, 2, "203.0.113.9")
    assert found["items"][1]["cf_ray"] == "8f-ZRH"
    assert [item["reason"] for item in found["items"]] == ["works", "challenged", "challenged"]
    assert all(sent.header("authorization") is None for sent in upstream.requests)
    shown = (await probing.admin("GET", path)).data
    assert (shown["quality_score"], shown["quality_grade"], shown["country_code"]) == (40, "D", "CH")


async def test_statistics_are_of_the_accounts_that_use_it(control: Any) -> None:
    body = {"name": "p", "protocol": "http", "host": "p.example", "port": 1}
    proxy = (await control.admin("POST", "/admin/proxies", body)).data["id"]
    account = await control.add_account(proxy_id=proxy)
    other = await control.add_account("other")
    group = await control.add_group()
    empty = (await control.admin("GET", f"/admin/proxies/{proxy}/stats")).data
    assert (empty["total_requests"], empty["success_rate"], empty["average_latency"]) == (0, 100, 0)
    now = control.clock.now_ms()
    common = {"user_id": control.anna.user_id, "group_id": group, "created_at_ms": now}
    async with control.deps.uow() as uow:
        uow.session.add_all(
            [
                record(exchange_id="a", account_id=account, first_byte_ms=100, **common),
                record(exchange_id="b", account_id=account, first_byte_ms=300, **common),
                record(exchange_id="c", account_id=account, first_byte_ms=None, outcome="failed", **common),
                record(exchange_id="d", account_id=other, first_byte_ms=9, **common),
            ]
        )
    stats = (await control.admin("GET", f"/admin/proxies/{proxy}/stats")).data
    assert (stats["total_accounts"], stats["active_accounts"]) == (1, 1)
    assert (stats["total_requests"], stats["failed_requests"], stats["success_rate"]) == (3, 1, 66.67)
    assert stats["average_latency"] == 200
    assert (await control.admin("GET", "/admin/proxies/99/stats")).json["reason"] == "PROXY_NOT_FOUND"
