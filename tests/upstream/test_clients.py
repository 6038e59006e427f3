"""The pool never closes a client in use, and lets idle ones go."""

import pytest

from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.settings import GatewaySettings, UrlAllowlistSettings
from headgate.upstream.call import open_call
from headgate.upstream.clients import ClientPool, check_proxy_url
from headgate.upstream.guard import AddressGuard, UrlProblem
from headgate.upstream.request import UpstreamRequest
from tests.support.egress_proxies import EgressProxyServer
from tests.support.scripted_upstream import Pause, Reply, ScriptedUpstream

LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)


def request_to(url: str, proxy: str | None = None) -> UpstreamRequest:
    return UpstreamRequest(
        method="GET", url=url, endpoint="/", headers={}, body=None, proxy=Secret(proxy) if proxy else None
    )


@pytest.mark.parametrize("is_proxied", [False, True])
async def test_a_connection_in_use_survives_eviction_and_an_idle_one_is_closed(
    clock: FakeClock, *, is_proxied: bool
) -> None:
    pool = ClientPool(AddressGuard(LAX, clock=clock), GatewaySettings(), clock=clock, idle_ttl_s=10)
    async with ScriptedUpstream() as busy, ScriptedUpstream() as idle, ScriptedUpstream() as third:
        async with (
            EgressProxyServer("http", busy.port) as proxy,
            EgressProxyServer("http", idle.port) as other,
        ):
            busy_proxy, idle_proxy = (proxy.url(), other.url()) if is_proxied else (None, None)
            busy.answer(Reply(chunks=[b"1", Pause(0.2), b"2"]))
            async with open_call(pool, request_to(idle.url, idle_proxy)) as answer:
                await answer.read_all(10)
            async with open_call(pool, request_to(busy.url, busy_proxy)) as streaming:
                assert await streaming.read_chunk() == b"1"
                clock.advance(60)
                async with open_call(pool, request_to(third.url, busy_proxy)) as answer:
                    await answer.read_all(10)
                await idle.all_closed(timeout_s=2)
                assert await streaming.read_all(10) == b"2"
            await pool.close()


async def test_closing_the_pool_closes_connections(clock: FakeClock) -> None:
    pool = ClientPool(AddressGuard(LAX, clock=clock), GatewaySettings(), clock=clock)
    async with ScriptedUpstream() as upstream:
        async with open_call(pool, request_to(upstream.url)) as answer:
            await answer.read_all(10)
        await pool.close()
        await upstream.all_closed(timeout_s=2)


def test_socks5_names_are_resolved_at_the_proxy() -> None:
    assert check_proxy_url("socks5://u:p@h:1080") == "socks5h://u:p@h:1080"


def test_other_proxy_schemes_stay() -> None:
    for url in ("http://h:1", "https://u:p@h:1", "socks5h://h:1"):
        assert check_proxy_url(url) == url


def test_bad_proxy_urls_are_explained_without_their_password() -> None:
    for url in ("", "h:1080", "ftp://u:secret@h", "socks4://u:secret@h:1"):
        problem = check_proxy_url(url)
        assert isinstance(problem, UrlProblem)
        assert "secret" not in problem.reason
