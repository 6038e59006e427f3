"""Direct connections against a scripted server: framing, reuse, back-pressure, hostile answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from headgate.core.faults import FaultKind, RelayError
from headgate.kit.clock import FakeClock
from headgate.settings import GatewaySettings, UrlAllowlistSettings
from headgate.upstream.call import open_call
from headgate.upstream.clients import ClientPool
from headgate.upstream.guard import AddressGuard
from headgate.upstream.http1 import serialise
from headgate.upstream.request import UpstreamRequest
from tests.support.scripted_upstream import HANG, Pause, Reply, ScriptedUpstream

LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as server:
        yield server


@pytest.fixture
async def pool(clock: FakeClock) -> AsyncIterator[ClientPool]:
    clients = ClientPool(AddressGuard(LAX, clock=clock), GatewaySettings(), clock=clock)
    yield clients
    await clients.close()


def request_to(url: str, body: bytes | None = b"{}") -> UpstreamRequest:
    return UpstreamRequest(method="POST", url=url, endpoint="/", headers={}, body=body, proxy=None)


async def body_of(pool: ClientPool, request: UpstreamRequest) -> bytes:
    async with open_call(pool, request) as answer:
        return await answer.read_all(64 << 20)


async def test_the_end_of_the_connection_ends_a_body_without_length(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    upstream.answer(Reply(raw=b"HTTP/1.1 200 OK\r\n\r\nall of it"))
    assert await body_of(pool, request_to(upstream.url)) == b"all of it"


async def test_interim_answers_are_passed_over(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    upstream.answer(Reply(raw=interim + b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok"))
    async with open_call(pool, request_to(upstream.url)) as answer:
        assert (answer.status, "link" in answer.headers) == (201, False)
        assert await answer.read_all(10) == b"ok"


async def test_a_second_answer_that_nobody_asked_for_is_not_served_to_the_next_call(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    one = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"
    upstream.answer(Reply(raw=one + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"))
    for _ in range(2):  # the scripted server answers like this every time
        assert await body_of(pool, request_to(upstream.url)) == b"good"
    assert upstream.total_connections == 2


async def test_bytes_on_an_idle_connection_close_it(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    await body_of(pool, request_to(upstream.url))
    assert len(pool.connections) == 1
    await asyncio.sleep(0.05)
    assert await body_of(pool, request_to(upstream.url)) == b"{}"
    assert upstream.total_connections == 1


async def test_an_answer_that_is_left_early_is_not_reused(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    upstream.answer(Reply(chunks=[b"1", HANG]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        assert await answer.read_chunk() == b"1"
    await upstream.all_closed(timeout_s=1)
    assert len(pool.connections) == 0


@pytest.mark.parametrize(
    "rest", [b"somebody else's words", b"x" * 300_000], ids=["short", "more than is buffered"]
)
@pytest.mark.parametrize("has_listener", [True, False])
async def test_what_one_caller_left_unread_never_reaches_the_next(
    pool: ClientPool, upstream: ScriptedUpstream, *, rest: bytes, has_listener: bool
) -> None:
    upstream.answer(Reply(chunks=[b"1", Pause(0.02), rest]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        if has_listener:
            answer.listen(lambda piece: False)
        await answer.read_chunk()
        await asyncio.sleep(0.05)  # the rest arrives, to its end, and nobody reads it
    upstream.answer(Reply(chunks=[b"mine"]))
    async with asyncio.timeout(2):
        assert await body_of(pool, request_to(upstream.url)) == b"mine"


async def test_a_large_answer_arrives_whole_with_a_slow_reader(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    upstream.answer(Reply(chunks=[b"x" * 65_536] * 64))
    size = 0
    async with open_call(pool, request_to(upstream.url)) as answer:
        while (chunk := await answer.read_chunk()) is not None:
            size += len(chunk)
            await asyncio.sleep(0.002)
    assert size == 64 * 65_536


async def test_a_large_upload_arrives_whole(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    await body_of(pool, request_to(upstream.url, b"y" * 4_000_000))
    assert len(upstream.requests[0].body) == 4_000_000


async def test_a_head_without_end_is_refused(pool: ClientPool, upstream: ScriptedUpstream) -> None:
    upstream.answer(Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"x-filler: yyyyyyyyyyyyyyyy\r\n" * 10_000))
    with pytest.raises(RelayError) as caught:
        await body_of(pool, request_to(upstream.url))
    assert caught.value.fault.kind is FaultKind.UPSTREAM_MALFORMED


async def test_a_lowercase_and_repeated_header_reach_the_caller_joined(
    pool: ClientPool, upstream: ScriptedUpstream
) -> None:
    upstream.answer(Reply(headers=[("X-Many", "a"), ("x-many", "b")]))
    async with open_call(pool, request_to(upstream.url)) as answer:
        assert answer.headers["x-many"] == "a, b"


@pytest.mark.parametrize("name", ["value\r\nx: y", "value\n", "nul\0"])
def test_line_breaks_never_reach_the_wire(name: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        serialise("POST", "/", "h", {"x-key": name}, b"")


def test_a_space_cannot_end_the_path() -> None:
    with pytest.raises(ValueError, match="space"):
        serialise("GET", "/a HTTP/1.1", "h", {}, None)
