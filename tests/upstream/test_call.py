"""Upstream calls against a real, scripted server and real egress proxies."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pyreqwest.http import Url

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.settings import GatewaySettings, UrlAllowlistSettings
from headgate.upstream.call import open_call
from headgate.upstream.clients import ClientPool
from headgate.upstream.guard import AddressGuard
from headgate.upstream.request import UpstreamRequest
from tests.support.egress_proxies import EgressProxyServer
from tests.support.scripted_upstream import CUT, HANG, Pause, Reply, ScriptedUpstream

LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)
STOP = Fault(kind=FaultKind.UPSTREAM_TIMEOUT, message="stopped by the watchdog")


def request_to(url: str, **changes: object) -> UpstreamRequest:
    plain = UpstreamRequest(
        method="POST", url=url, endpoint="/x",
        headers={"content-type": "application/json", "user-agent": "t"},
        body=b'{"a":1}', proxy=None,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture
async def pool(clock: FakeClock) -> AsyncIterator[ClientPool]:
    clients = make_pool(clock)
    yield clients
    await clients.close()


def make_pool(
    clock: FakeClock, *addresses: str, header_s: float = 5, policy: UrlAllowlistSettings = LAX
) -> ClientPool:
    async def resolver(host: str, port: int) -> list[str]:
        return list(addresses) or ["127.0.0.1"]

    settings = GatewaySettings(connect_timeout_s=1, response_header_timeout_s=header_s)
    return ClientPool(AddressGuard(policy, clock=clock, resolver=resolver), settings, clock=clock)


async def body_of(pool: ClientPool, request: UpstreamRequest) -> bytes:
    async with open_call(pool, request) as answer:
        return await answer.read_all(1 << 20)


async def fault_of(pool: ClientPool, request: UpstreamRequest) -> Fault:
    with pytest.raises(RelayError) as caught:
        await body_of(pool, request)
    return caught.value.fault


async def test_request_and_answer_pass_untouched(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(status=418, headers=[("X-Thing", "1")], chunks=[b"\x00\xff"]))
    async with open_call(pool, request_to(upstream.url + "/v1/x?y=%20")) as answer:
        assert (answer.status, answer.headers["x-thing"]) == (418, "1")
        assert await answer.read_all(10) == b"\x00\xff"
    seen = upstream.requests[0]
    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/x?y=%20", b'{"a":1}')
    assert {name for name, _ in seen.headers} == {
        "host", "content-type", "content-length", "user-agent",
    }  # fmt: skip


async def test_a_post_without_body_says_so(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    await body_of(pool, request_to(upstream.url, method="GET", body=None))
    assert upstream.requests[0].body == b""


async def test_compressed_bytes_are_not_touched(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(headers=[("content-encoding", "gzip")], chunks=[b"\x1f\x8bnot really"]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert await answer.read_all(100) == b"\x1f\x8bnot really"


async def test_repeated_headers_are_joined(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(headers=[("Vary", "a"), ("vary", "b"), ("x-latin", "caf\xe9")]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        assert answer.headers["vary"] == "a, b"


async def test_redirects_are_answers(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(status=307, headers=[("location", "http://127.0.0.1:1/")]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        assert answer.status == 307


async def test_cookies_are_not_kept(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(headers=[("set-cookie", "a=b")]))
    await body_of(pool, request_to(upstream.url))
    await body_of(pool, request_to(upstream.url))
    assert upstream.requests[1].header("cookie") is None


async def test_the_head_and_each_event_arrive_when_they_were_sent(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    upstream.answer(Reply(chunks=[Pause(0.15), b"data: 1\n\n", Pause(0.15), b"data: 2\n\n", HANG]))
    started = time.monotonic()
    async with open_call(pool, request_to(upstream.url)) as answer:
        assert time.monotonic() - started < 0.12
        assert await answer.read_chunk() == b"data: 1\n\n"
        assert time.monotonic() - started < 0.27
        assert await answer.read_chunk() == b"data: 2\n\n"


async def test_connections_are_reused(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    for _ in range(3):
        await body_of(pool, request_to(upstream.url))
    assert upstream.total_connections == 1


async def test_an_answer_that_is_too_large_is_refused(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(chunks=[b"x" * 600, b"x" * 600, HANG]))
    with pytest.raises(RelayError) as caught:
        async with open_call(pool, request_to(upstream.url)) as answer:
            await answer.read_all(1000)
    assert caught.value.fault.kind is FaultKind.UPSTREAM_MALFORMED
    await upstream.all_closed()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(chunks=[b"half", CUT]), FaultKind.UPSTREAM_CUT),
        (Reply(chunks=[b"half"], length=100, close_after=True), FaultKind.UPSTREAM_CUT),
        (Reply(raw=b""), FaultKind.UPSTREAM_CUT),
        (Reply(raw=b"this is not http\r\n\r\n"), FaultKind.UPSTREAM_MALFORMED),
        (
            Reply(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
            FaultKind.UPSTREAM_MALFORMED,
        ),
    ],
)
async def test_broken_answers_are_classified(
    pool: ClientPool, upstream: ScriptedUpstream, reply: Reply, kind: FaultKind
) -> None:
    upstream.answer(reply)
    assert (await fault_of(pool, request_to(upstream.url))).kind is kind


async def test_nobody_listening_is_unreachable(pool: ClientPool) -> None:
    fault = await fault_of(pool, request_to("http://127.0.0.1:1/"))
    assert fault.kind is FaultKind.UPSTREAM_UNREACHABLE
    assert "refused" in fault.message


async def test_a_server_that_speaks_no_tls_is_unreachable(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    fault = await fault_of(pool, request_to(upstream.url.replace("http:", "https:")))
    assert fault.kind is FaultKind.UPSTREAM_UNREACHABLE


async def test_a_silent_upstream_times_out_and_is_hung_up_on(
    clock: FakeClock, upstream: ScriptedUpstream
) -> None:
    pool = make_pool(clock, header_s=0.1)
    upstream.answer(Reply(before_head=0.4, chunks=[b"data: 1\n\n", HANG]))
    started = time.monotonic()
    assert (await fault_of(pool, request_to(upstream.url))).kind is FaultKind.UPSTREAM_TIMEOUT
    assert time.monotonic() - started < 0.3
    await upstream.all_closed()


async def test_the_guard_refuses_before_anything_is_sent(
    clock: FakeClock, upstream: ScriptedUpstream
) -> None:
    pool = make_pool(clock, policy=UrlAllowlistSettings(allow_insecure_http=True))
    for url in (upstream.url, f"http://named.test:{upstream.port}/"):
        assert (await fault_of(pool, request_to(url))).kind is FaultKind.UPSTREAM_ADDRESS_REFUSED
    assert upstream.total_connections == 0


async def test_a_name_is_connected_to_its_pinned_address(
    clock: FakeClock, upstream: ScriptedUpstream
) -> None:
    pool = make_pool(clock, "127.0.0.1")
    await body_of(pool, request_to(f"http://api.named.test:{upstream.port}/"))
    assert upstream.requests[0].header("host") == f"api.named.test:{upstream.port}"


async def test_a_dead_address_is_passed_over_and_remembered(
    clock: FakeClock, upstream: ScriptedUpstream
) -> None:
    pool = make_pool(clock, "127.0.0.2", "127.0.0.1")
    url = f"http://api.named.test:{upstream.port}/"
    assert await body_of(pool, request_to(url)) == b"{}"
    assert (await pool.guard.admit(Url(url)))[0] == "127.0.0.1"


@pytest.mark.parametrize("is_head_out", [True, False])
async def test_cancelling_closes_the_upstream_connection(
    pool: ClientPool, upstream: ScriptedUpstream, *, is_head_out: bool
) -> None:
    upstream.answer(Reply(chunks=[b"data: 1\n\n", HANG], before_head=0 if is_head_out else 0.3))
    task = asyncio.ensure_future(body_of(pool, request_to(upstream.url)))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await upstream.all_closed(timeout_s=1)


async def test_abort_ends_a_pending_read_with_its_fault(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(chunks=[b"data: 1\n\n", HANG]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        await answer.read_chunk()
        asyncio.get_running_loop().call_later(0.05, answer.abort, STOP)
        with pytest.raises(RelayError) as caught:
            await answer.read_chunk()
    assert caught.value.fault is STOP
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await upstream.all_closed(timeout_s=1)


async def test_abort_between_reads_ends_the_next_read(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(chunks=[b"data: 1\n\n", b"data: 2\n\n"]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        await answer.read_chunk()
        answer.abort(STOP)
        with pytest.raises(RelayError) as caught:
            await answer.read_chunk()
    assert caught.value.fault is STOP


async def test_a_cancellation_is_not_mistaken_for_an_abort(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    upstream.answer(Reply(chunks=[b"data: 1\n\n", HANG]))
    opened: list[object] = []

    async def read() -> None:
        async with open_call(pool, request_to(upstream.url)) as answer:
            opened.append(answer)
            await answer.read_chunk()
            await answer.read_chunk()

    task = asyncio.ensure_future(read())
    await asyncio.sleep(0.1)
    task.cancel()
    opened[0].abort(STOP)  # type: ignore[attr-defined]
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("protocol", ["http", "socks5"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_calls_go_through_the_accounts_proxy_which_resolves_the_name(
    pool: ClientPool, upstream: ScriptedUpstream, protocol: str, scheme: str
) -> None:
    async with EgressProxyServer(protocol, upstream.port) as proxy:
        request = request_to(f"{scheme}://only-the-proxy-knows.test:7777/v1/x", proxy=Secret(proxy.url()))
        if scheme == "http":
            assert await body_of(pool, request) == b"{}"
        else:  # the tunnel opens; the scripted server speaks no TLS
            assert (await fault_of(pool, request)).kind is FaultKind.UPSTREAM_UNREACHABLE
    assert proxy.asked
    assert "only-the-proxy-knows.test:7777" in proxy.asked[0]


@pytest.mark.parametrize("protocol", ["http", "socks5"])
async def test_a_wrong_proxy_password_is_unreachable_and_never_told(
    pool: ClientPool, upstream: ScriptedUpstream, protocol: str
) -> None:
    async with EgressProxyServer(protocol, upstream.port) as proxy:
        url = proxy.url(password="canary-pw")
        fault = await fault_of(pool, request_to("https://api.named.test/", proxy=Secret(url)))
    assert fault.kind is FaultKind.UPSTREAM_UNREACHABLE
    assert "canary" not in fault.message
    assert upstream.total_connections == 0


@pytest.mark.parametrize("url", ["nonsense", "ftp://u:canary-pw@h", "socks4://u:canary-pw@h:1"])
async def test_a_bad_proxy_address_never_means_going_direct(
    pool: ClientPool, upstream: ScriptedUpstream, url: str
) -> None:
    fault = await fault_of(pool, request_to(upstream.url, proxy=Secret(url)))
    assert fault.kind is FaultKind.UPSTREAM_UNREACHABLE
    assert "canary" not in fault.message
    assert upstream.total_connections == 0


async def test_proxies_of_the_environment_are_ignored(
    pool: ClientPool, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await body_of(pool, request_to(upstream.url)) == b"{}"


async def test_headers_that_cannot_be_sent_are_the_requests_fault(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    fault = await fault_of(pool, request_to(upstream.url, headers={"x-a": "canary\nx"}))
    assert fault.kind is FaultKind.REQUEST_INVALID
    assert "canary" not in fault.message


async def test_no_lease_stays_taken_after_failures(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(raw=b""), Reply(chunks=[b"x", CUT]), Reply())
    for _ in range(2):
        await fault_of(pool, request_to(upstream.url))
    await body_of(pool, request_to(upstream.url))
    assert pool.users() == 0
