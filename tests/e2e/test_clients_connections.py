"""Connections that stall, end early or take a detour: pings, drain and cancel, egress proxies."""

import asyncio
import http.client
import json
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e import wire
from tests.e2e.conftest import ROOM_FOR_MANY_TESTS, Provision
from tests.e2e.speakers import (
    CHAT,
    CHAT_SSE,
    GEMINI_ARRAY,
    GEMINI_SSE,
    MESSAGES,
    MESSAGES_SSE,
    RESPONSES_SSE,
    Speaker,
)
from tests.support.egress_proxies import EgressProxyServer
from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.simulator import RunningSimulator

PINGS = {
    "messages-sse": b'event: ping\ndata: {"type": "ping"}\n\n',
    "chat-sse": b": keepalive\n\n",
    "responses-sse": b": keepalive\n\n",
}
VENDORS_OWN_PING = {"messages-sse": 1}
"""Anthropic sends one itself, behind the second event."""
KEYS = {platform: f"sim-connections-{platform}" for platform in ("anthropic", "openai", "gemini")}
PATIENCE_S = 8.0


@pytest.fixture(scope="module")
def pinging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that pings after 0.3 s of silence."""
    folder = tmp_path_factory.mktemp("pinging")
    quick = {"HEADGATE_GATEWAY__STREAM_KEEPALIVE_INTERVAL_S": "0.3"}
    with running_gateway(folder, **ROOM_FOR_MANY_TESTS, **quick) as running:
        yield running


@pytest.fixture(scope="module")
def pinged(pinging: Gateway, simulator: RunningSimulator) -> dict[str, Provisioned]:
    return {
        platform: pinging.provision(platform, simulator.url, upstream_keys=(key,))
        for platform, key in KEYS.items()
    }


@pytest.mark.parametrize(
    "speaker",
    [MESSAGES_SSE, CHAT_SSE, RESPONSES_SSE, GEMINI_SSE, GEMINI_ARRAY],
    ids=lambda speaker: speaker.name,
)
@pytest.mark.parametrize("script", ["stall_after=4 stall=0.9 events=8", "delay=0.9"])
def test_a_silent_stream_is_kept_alive_where_the_dialect_allows_it(
    pinging: Gateway,
    simulator: RunningSimulator,
    pinged: dict[str, Provisioned],
    speaker: Speaker,
    script: str,
) -> None:
    answer = speaker.ask(pinging, pinged[speaker.platform].key, f"hi [[sim: {script}]]")
    line = simulator.settled_bill(key=KEYS[speaker.platform])["lines"][-1]
    ping = PINGS.get(speaker.name)
    if ping is None:
        assert answer.sha256 == line["sha256"]
        return
    events = answer.body.split(b"\n\n")
    assert events.count(ping.removesuffix(b"\n\n")) >= 2 + VENDORS_OWN_PING.get(speaker.name, 0)
    assert sha256(without_our_pings(speaker, events)).hexdigest() == line["sha256"]


def without_our_pings(speaker: Speaker, events: list[bytes]) -> bytes:
    """The stream without any ping, and the vendor's own one put back where the vendor sends it."""
    ping = PINGS[speaker.name].removesuffix(b"\n\n")
    kept = [event for event in events if event != ping]
    if at := VENDORS_OWN_PING.get(speaker.name):
        kept.insert(at + 1, ping)
    return b"\n\n".join(kept)


def test_an_answer_in_one_piece_is_never_pinged(
    pinging: Gateway, simulator: RunningSimulator, pinged: dict[str, Provisioned]
) -> None:
    answer = MESSAGES.ask(pinging, pinged["anthropic"].key, "hi [[sim: delay=0.9]]")
    assert answer.sha256 == simulator.settled_bill(key=KEYS["anthropic"])["lines"][-1]["sha256"]


def test_a_refusal_after_a_ping_arrives_inside_the_stream(
    pinging: Gateway, pinged: dict[str, Provisioned]
) -> None:
    answer = MESSAGES_SSE.ask(pinging, pinged["anthropic"].key, "hi [[sim: delay=0.9 status=400]]")
    assert answer.status == 200
    assert b"event: error\n" in answer.body


def leave_after_first_bytes(gateway: Gateway, speaker: Speaker, key: str, text: str) -> None:
    body = json.dumps(speaker.body(speaker.model, text)).encode()
    headers = [("content-type", "application/json"), *speaker.headers(key).items()]
    with wire.opened(
        gateway.url, wire.request_bytes(gateway.url, "POST", speaker.path, headers, body)
    ) as connection:
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        assert response.read(40)
        response.close()


def eventually(read: Callable[[], Any]) -> Any:
    """The first answer that is not empty, within a few seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := read()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return found


def one_record(gateway: Gateway, caller: Provisioned) -> dict[str, Any]:
    (record,) = eventually(lambda: gateway.usage(api_key_id=caller.key_id))
    return dict(record)


def test_when_the_client_leaves_a_draining_group_reads_on_and_books_the_true_usage(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,), group={"disconnect_policy": "drain"})
    leave_after_first_bytes(gateway, MESSAGES_SSE, caller.key, "hi [[sim: events=20 event_delay=0.03]]")
    record = one_record(gateway, caller)
    (line,) = simulator.settled_bill(key=upstream_key)["lines"]
    assert line["status"] == "complete"
    assert (record["input_tokens"], record["output_tokens"]) == (
        line["usage"]["input"],
        line["usage"]["output"],
    )
    assert (record["outcome"], record["usage_source"]) == ("completed", "reported")


def test_when_the_client_leaves_a_cancelling_group_hangs_up_and_books_what_was_used(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,), group={"disconnect_policy": "cancel"})
    leave_after_first_bytes(gateway, MESSAGES_SSE, caller.key, "hi [[sim: events=200 event_delay=0.05]]")
    record = one_record(gateway, caller)
    (line,) = simulator.settled_bill(key=upstream_key)["lines"]
    assert line["status"] == "client_gone"
    assert record["input_tokens"] == line["usage"]["input"]
    assert record["outcome"] == "partial"
    assert 0 < record["duration_ms"] < 8_000


@pytest.mark.parametrize("policy", ["drain", "cancel"])
def test_a_client_that_left_gives_its_slots_back(
    gateway: Gateway, provision: Provision, upstream_key: str, policy: str
) -> None:
    caller = provision("openai", upstream_keys=(upstream_key,), group={"disconnect_policy": policy})
    leave_after_first_bytes(gateway, CHAT_SSE, caller.key, "hi [[sim: events=10 event_delay=0.03]]")
    one_record(gateway, caller)
    path = f"/admin/accounts/{caller.account_ids[0]}"
    eventually(lambda: gateway.api("GET", path)["current_concurrency"] == 0)


@pytest.mark.parametrize("protocol", ["http", "socks5"])
async def test_an_account_reaches_its_provider_through_its_egress_proxy(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str, protocol: str
) -> None:
    async with EgressProxyServer(protocol, simulator.port) as proxy:
        caller = await asyncio.to_thread(
            _behind_proxy, gateway, simulator, provision, upstream_key, protocol, proxy.url()
        )
        for speaker in (CHAT, CHAT_SSE):
            answer = await asyncio.to_thread(speaker.ask, gateway, caller.key)
            line = simulator.settled_bill(key=upstream_key)["lines"][-1]
            assert (answer.status, answer.sha256) == (200, line["sha256"])
        assert proxy.asked


async def test_a_proxy_that_refuses_us_is_a_fault_of_the_upstream_side(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    async with EgressProxyServer("http", simulator.port) as proxy:
        caller = await asyncio.to_thread(
            _behind_proxy, gateway, simulator, provision, upstream_key, "http", proxy.url("wrong-password")
        )
        answer = await asyncio.to_thread(CHAT.ask, gateway, caller.key)
    assert answer.status in (502, 503)
    assert b"wrong-password" not in answer.body
    assert simulator.bill(key=upstream_key)["lines"] == []


def _behind_proxy(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_key: str,
    protocol: str,
    proxy_url: str,
) -> Provisioned:
    url = urlsplit(proxy_url)
    proxy: dict[str, Any] = {"name": upstream_key, "protocol": protocol, "host": url.hostname}
    proxy |= {"port": url.port, "username": url.username, "password": url.password}
    proxy_id = gateway.api("POST", "/admin/proxies", proxy)["id"]
    return provision("openai", upstream_keys=(upstream_key,), account={"proxy_id": proxy_id})
