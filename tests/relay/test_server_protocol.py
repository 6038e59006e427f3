"""The HTTP server on a real port, driven with raw sockets."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from headgate.errors import StartupError
from headgate.relay.server import bind, build_server, early_error, serve
from headgate.relay.server_protocol import CONNECTION_EXTENSION
from headgate.settings import ServerSettings, Settings

Scope = MutableMapping[str, Any]


class EchoApp:
    """Answers with what it received; `/hold` waits for `release`, `/early` does not read the body."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.gone: list[str] = []
        self.ended: list[str] = []
        self.release = asyncio.Event()
        self.entered = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        path = scope["path"]
        connection = scope["extensions"][CONNECTION_EXTENSION]
        connection.on_gone(lambda: self.gone.append(path))
        self.entered.set()
        try:
            status, body = 200, b""
            if path != "/early":
                body = await _read_all(receive)
            if path == "/hold":
                await self.release.wait()
            if path == "/upgrade":
                status = 426
            text = json.dumps({"path": path, "size": len(body), "is_gone": connection.is_gone}).encode()
            length = (b"content-length", str(len(text)).encode())
            await send({"type": "http.response.start", "status": status, "headers": [length]})
            await send({"type": "http.response.body", "body": text, "more_body": False})
        finally:
            self.ended.append(path)


async def _read_all(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


class Wire:
    """One raw client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, timeout_s: float = 5) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(timeout_s):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split(" ")[1]), headers, body

    async def is_closed(self, timeout_s: float = 3) -> bool:
        async with asyncio.timeout(timeout_s):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


class Running:
    def __init__(self, app: EchoApp, port: int) -> None:
        self.app, self.port = app, port
        self.wires: list[Wire] = []

    async def connect(self) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        return wire


@asynccontextmanager
async def running(**changes: Any) -> AsyncIterator[Running]:
    app = EchoApp()
    settings = ServerSettings(**{"port": 0, "shutdown_grace_s": 0.2, "header_timeout_s": 0.3, **changes})
    listener = bind(settings)
    server = build_server(app, settings, early_error=early_error)
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    context = Running(app, listener.getsockname()[1])
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield context
    finally:
        for wire in context.wires:
            await wire.close()
        app.release.set()
        server.stop()
        await task


async def until(condition: Callable[[], bool], timeout_s: float = 3) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


GET = b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n"


def post(path: bytes, body: bytes, *, length: int | None = None) -> bytes:
    return b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (path, length or len(body)) + body


async def test_requests_are_answered_on_one_connection() -> None:
    async with running() as server:
        wire = await server.connect()
        for number in range(3):
            wire.send(post(b"/%d" % number, b"x" * number))
            assert json.loads((await wire.answer())[2]) == {
                "path": f"/{number}",
                "size": number,
                "is_gone": False,
            }


async def test_headers_that_trickle_in_get_408_in_the_dialect_of_the_path() -> None:
    async with running() as server:
        wire = await server.connect()
        started = time.monotonic()
        wire.send(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\n")
        for _ in range(3):
            await asyncio.sleep(0.05)
            wire.send(b"x-a: 1\r\n")
        status, headers, body = await wire.answer()
        assert status == 408
        assert json.loads(body)["type"] == "error"
        assert headers["connection"] == "close"
        assert await wire.is_closed()
        assert time.monotonic() - started < 1


async def test_a_connection_that_sends_nothing_is_closed() -> None:
    async with running() as server:
        assert await (await server.connect()).is_closed(timeout_s=1)


async def test_the_header_clock_runs_again_for_the_next_request() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(GET % b"/a")
        await wire.answer()
        await asyncio.sleep(0.4)
        wire.send(b"GET /b HT")
        assert (await wire.answer())[0] == 408


async def test_a_slow_answer_is_not_a_slow_header() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(post(b"/hold", b"x"))
        await asyncio.sleep(0.5)
        server.app.release.set()
        assert (await wire.answer())[0] == 200


@pytest.mark.parametrize("pieces", [1, 40])
async def test_oversized_headers_get_431(pieces: int) -> None:
    async with running(header_limit_bytes=4096, header_timeout_s=5) as server:
        wire = await server.connect()
        flood = b"GET /v1beta/models HTTP/1.1\r\nhost: x\r\nx-big: " + b"a" * 8000 + b"\r\n\r\n"
        for at in range(0, len(flood), len(flood) // pieces):
            wire.send(flood[at : at + len(flood) // pieces])
            await asyncio.sleep(0)
        status, _, body = await wire.answer()
        assert (status, json.loads(body)["error"]["code"]) == (431, 431)
        assert await wire.is_closed()
        assert server.app.scopes == []


async def test_too_many_headers_get_431() -> None:
    async with running(header_limit_count=20) as server:
        wire = await server.connect()
        wire.send(
            b"GET /v1/responses HTTP/1.1\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(21)) + b"\r\n"
        )
        assert (await wire.answer())[0] == 431


async def test_an_endless_header_is_stopped_at_the_limit() -> None:
    async with running(header_limit_bytes=4096, header_timeout_s=5) as server:
        wire = await server.connect()
        wire.send(b"GET / HTTP/1.1\r\nx: ")
        sent = 0
        while not wire.reader.at_eof() and sent < 50_000_000:
            wire.send(b"a" * 65536)
            sent += 65536
            try:
                await wire.writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        assert sent < 20_000_000


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"hello there\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
     b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"],
)  # fmt: skip
async def test_malformed_requests_get_400_as_json(garbage: bytes) -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(garbage)
        status, headers, body = await wire.answer()
        assert (status, headers["content-type"]) == (400, "application/json")
        assert json.loads(body)["error"]["message"]
        assert await wire.is_closed()


async def test_more_connections_than_allowed_get_503() -> None:
    async with running(max_connections=2, header_timeout_s=5) as server:
        await server.connect()
        await server.connect()
        await asyncio.sleep(0.05)
        wire = await server.connect()
        wire.send(GET % b"/")
        assert (await wire.answer())[0] == 503


@pytest.mark.parametrize("token", [b"websocket", b"h2c"])
async def test_an_upgrade_request_is_a_plain_request_and_the_connection_stays_usable(token: bytes) -> None:
    async with running() as server:
        wire = await server.connect()
        head = b"GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: " + token + b"\r\n\r\n"
        wire.send(head)
        assert (await wire.answer())[0] == 426
        wire.send(post(b"/after", b"abc"))
        assert json.loads((await wire.answer())[2])["size"] == 3
        assert server.app.scopes[0]["type"] == "http"


async def test_an_upgrade_and_the_next_request_may_come_in_one_piece() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(
            b"GET /upgrade HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
            + GET % b"/b"
        )
        assert [(await wire.answer())[0], (await wire.answer())[0]] == [426, 200]


async def test_an_upgrade_request_with_a_body_keeps_its_body() -> None:
    async with running() as server:
        wire = await server.connect()
        head = b"POST /x HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: h2c\r\n"
        wire.send(head + b"content-length: 3\r\n\r\na")
        await asyncio.sleep(0.05)
        wire.send(b"bc" + GET % b"/after")
        assert json.loads((await wire.answer())[2])["size"] == 3
        assert json.loads((await wire.answer())[2])["path"] == "/after"


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(b"".join(GET % b"/%d" % number for number in range(20)))
        paths = [json.loads((await wire.answer())[2])["path"] for _ in range(20)]
        assert paths == [f"/{number}" for number in range(20)]


async def test_a_large_upload_arrives_whole() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(post(b"/big", b"x" * 20_000_000))
        assert json.loads((await wire.answer(20))[2])["size"] == 20_000_000


@pytest.mark.parametrize("size", [10, 300_000])
async def test_a_client_that_leaves_while_waiting_is_noticed(size: int) -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(post(b"/hold", b"x" * size))
        await server.app.entered.wait()
        await asyncio.sleep(0.1)
        await wire.close()
        await until(lambda: server.app.gone == ["/hold"], timeout_s=1)


async def test_a_client_that_leaves_inside_an_upload_is_noticed() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(post(b"/x", b"half", length=1000))
        await server.app.entered.wait()
        await wire.close()
        await until(lambda: server.app.gone == ["/x"], timeout_s=1)
        await until(lambda: server.app.ended == ["/x"], timeout_s=1)


async def test_an_answered_request_hears_nothing_when_the_connection_closes_later() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(GET % b"/a")
        await wire.answer()
        await wire.close()
        await asyncio.sleep(0.1)
        assert server.app.gone == []


async def test_the_relay_can_cut_a_client_that_does_not_read() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(post(b"/hold", b"x"))
        await server.app.entered.wait()
        server.app.scopes[0]["extensions"][CONNECTION_EXTENSION].abort()
        assert await wire.is_closed()
        await until(lambda: server.app.gone == ["/hold"])


async def test_an_early_answer_to_an_endless_upload_closes_the_connection() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(post(b"/early", b"x" * 1000, length=1_000_000_000))
        assert (await wire.answer())[0] == 200
        assert await wire.is_closed(timeout_s=5)


async def test_idle_connections_are_closed() -> None:
    async with running(keepalive_s=0.2) as server:
        wire = await server.connect()
        wire.send(GET % b"/a")
        await wire.answer()
        assert await wire.is_closed(timeout_s=2)


async def test_shutdown_lets_running_answers_finish_and_cuts_the_rest_after_the_grace() -> None:
    app = EchoApp()
    settings = Settings(server=ServerSettings(port=0, shutdown_grace_s=0.5))
    listener = bind(settings.server)
    notes: list[str] = []
    task = asyncio.ensure_future(
        serve(
            app,
            settings,
            sockets=[listener],
            on_started=lambda: notes.append("started"),
            on_stopping=lambda: notes.append("stopping"),
        )
    )
    await until(lambda: notes == ["started"])
    port = listener.getsockname()[1]
    held = Wire(*await asyncio.open_connection("127.0.0.1", port))
    idle = Wire(*await asyncio.open_connection("127.0.0.1", port))
    held.send(post(b"/hold", b"x"))
    await app.entered.wait()
    signal.raise_signal(signal.SIGTERM)
    assert await idle.is_closed()
    assert notes == ["started", "stopping"]
    await asyncio.sleep(0.1)
    app.release.set()
    assert (await held.answer())[0] == 200
    await asyncio.wait_for(task, 3)
    await held.close()
    await idle.close()


async def test_requests_that_outlive_the_grace_are_cancelled_and_cleaned_up() -> None:
    async with running() as server:
        wire = await server.connect()
        wire.send(post(b"/hold", b"x"))
        await server.app.entered.wait()
        signal_time = time.monotonic()
        server_ended = server.app.ended
        assert server_ended == []
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: server.app.ended == ["/hold"], timeout_s=2)
        assert time.monotonic() - signal_time < 1.5


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartupError, match="cannot listen on 127.0.0.1"):
            bind(ServerSettings(port=taken.getsockname()[1]))


@pytest.mark.parametrize(
    "case",
    [
        test_headers_that_trickle_in_get_408_in_the_dialect_of_the_path,
        test_an_endless_header_is_stopped_at_the_limit,
        test_an_upgrade_request_with_a_body_keeps_its_body,
        test_pipelined_requests_are_answered_in_order,
        test_a_large_upload_arrives_whole,
        test_a_client_that_leaves_inside_an_upload_is_noticed,
        test_an_early_answer_to_an_endless_upload_closes_the_connection,
        test_shutdown_lets_running_answers_finish_and_cuts_the_rest_after_the_grace,
    ],
)
def test_the_same_on_uvloop_which_the_gateway_runs_on(case: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(case())
