"""Framing of answers on a real socket: length or chunks, bodiless answers, keep-alive, header injection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headgate.relay.server import bind, build_server, early_error
from headgate.relay.server_protocol import CONNECTION_EXTENSION
from headgate.settings import ServerSettings

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answering = Callable[[Send, Any], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n"
GET_10 = b"GET / HTTP/1.0\r\nhost: x\r\n\r\n"


class Served:
    """A server whose every answer is written by `answering`; what went wrong in it is kept."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.errors: list[str] = []
        self.port = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        try:
            await self._answering(send, scope["extensions"][CONNECTION_EXTENSION])
        except RuntimeError as error:
            self.errors.append(str(error))

    async def ask(self, request: bytes) -> bytes:
        """Everything that arrives until the connection closes or falls silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        got = b""
        try:
            async with asyncio.timeout(0.15):
                while chunk := await reader.read(65536):
                    got += chunk
            got += b"<closed>"
        except TimeoutError:
            got += b"<open>"
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)
        return got


@asynccontextmanager
async def serving(answering: Answering) -> AsyncIterator[Served]:
    app = Served(answering)
    settings = ServerSettings(port=0, shutdown_grace_s=0.1)
    listener = bind(settings)
    app.port = listener.getsockname()[1]
    server = build_server(app, settings, early_error=early_error)
    running = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
    async with asyncio.timeout(5):
        while not server.started:
            await asyncio.sleep(0.005)
    try:
        yield app
    finally:
        server.should_exit = True
        await running


def answer(*pieces: bytes, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answering:
    async def play(send: Send, _: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return play


async def got(answering: Answering, request: bytes = GET) -> tuple[bytes, list[str]]:
    async with serving(answering) as app:
        return await app.ask(request), app.errors


async def test_an_answer_of_unknown_length_is_chunked_piece_by_piece() -> None:
    wire, _ = await got(answer(b"one", b"two!"))
    assert b"\r\ntransfer-encoding: chunked\r\n" in wire
    assert wire.endswith(b"\r\n\r\n3\r\none\r\n4\r\ntwo!\r\n0\r\n\r\n<open>")


async def test_an_empty_piece_does_not_end_a_chunked_answer() -> None:
    wire, _ = await got(answer(b"one", b"", b"two"))
    assert wire.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n<open>")


async def test_an_answer_of_known_length_is_not_chunked() -> None:
    wire, _ = await got(answer(b"four", headers=((b"content-length", b"4"),)))
    assert b"transfer-encoding" not in wire
    assert wire.endswith(b"\r\n\r\nfour<open>")


async def test_a_body_longer_than_announced_never_reaches_the_client() -> None:
    wire, errors = await got(answer(b"five!", headers=((b"content-length", b"4"),)))
    assert b"five!" not in wire
    assert errors == ["the body is longer than its content-length"]


async def test_a_body_shorter_than_announced_ends_the_connection() -> None:
    wire, errors = await got(answer(b"two", headers=((b"content-length", b"4"),)))
    assert errors == ["the body is shorter than its content-length"]
    assert wire.endswith(b"<closed>")


async def test_a_head_request_gets_headers_and_no_body() -> None:
    wire, errors = await got(answer(b"four", headers=((b"content-length", b"4"),)), HEAD)
    assert wire.endswith(b"content-length: 4\r\n\r\n<open>")
    assert errors == []


async def test_a_head_request_for_an_answer_of_unknown_length_gets_no_chunks() -> None:
    wire, errors = await got(answer(b"four"), HEAD)
    assert b"chunked" not in wire
    assert (wire.endswith(b"\r\n\r\n<open>"), errors) == (True, [])


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_may_have_no_body_has_none(status: int) -> None:
    wire, errors = await got(answer(status=status))
    assert b"chunked" not in wire
    assert (wire.endswith(b"\r\n\r\n<open>"), errors) == (True, [])


async def test_the_connection_serves_the_next_request() -> None:
    wire, _ = await got(answer(b"x"), GET + GET)
    assert wire.count(b"HTTP/1.1 200") == 2


async def test_an_answer_that_asks_to_close_closes_and_says_so_once() -> None:
    wire, _ = await got(answer(b"x", headers=((b"connection", b"close"),)), GET + GET)
    assert wire.count(b"HTTP/1.1 200") == 1
    assert wire.lower().count(b"connection: close") == 1
    assert wire.endswith(b"<closed>")


@pytest.mark.parametrize("request_line", [GET_10, GET.replace(b"host: x", b"host: x\r\nconnection: close")])
async def test_a_client_that_wants_one_answer_gets_one_and_the_end(request_line: bytes) -> None:
    wire, _ = await got(answer(b"x", headers=((b"content-length", b"1"),)), request_line)
    assert b"connection: close" in wire
    assert wire.endswith(b"x<closed>")


@pytest.mark.parametrize(
    "header",
    [(b"x-a", b"1\r\nset-cookie: evil"), (b"x-a", b"1\nevil: 1"), (b"x-a\r", b"1"), (b"x-a", b"1\r")],
)
async def test_a_line_break_in_a_header_is_refused(header: tuple[bytes, bytes]) -> None:
    wire, errors = await got(answer(b"x", headers=(header,)))
    assert errors == ["a header holds a line break"]
    assert b"evil" not in wire


async def test_an_answer_without_a_head_is_refused() -> None:
    async def headless(send: Send, _: Any) -> None:
        await send({"type": "http.response.body", "body": b"x"})

    wire, errors = await got(headless)
    assert (len(errors), b"200" in wire) == (1, False)


async def test_nothing_follows_the_end_of_an_answer() -> None:
    async def twice(send: Send, _: Any) -> None:
        await answer(b"x")(send, None)
        await send({"type": "http.response.body", "body": b"more"})

    wire, errors = await got(twice)
    assert (len(errors), b"more" in wire) == (1, False)


async def test_a_piece_sent_at_once_is_framed_like_any_other() -> None:
    async def quick(send: Send, connection: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        assert connection.write_piece(b"two!")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    wire, _ = await got(quick)
    assert wire.endswith(b"3\r\none\r\n4\r\ntwo!\r\n0\r\n\r\n<open>")


async def test_a_piece_is_not_sent_at_once_before_the_head_is_out() -> None:
    told: list[bool] = []

    async def early(send: Send, connection: Any) -> None:
        told.append(connection.write_piece(b"early"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        told.append(connection.write_piece(b"early"))
        await send({"type": "http.response.body", "body": b"late", "more_body": False})
        told.append(connection.write_piece(b"early"))

    wire, _ = await got(early)
    assert (told, b"early" in wire) == ([False, False, False], False)


async def test_a_piece_for_a_client_that_does_not_read_is_left_to_the_waiting_way() -> None:
    told: list[int] = []

    async def flood(send: Send, connection: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        sent = 0
        while connection.write_piece(b"x" * 65536) and sent < 4000:
            sent += 1
        told.append(sent)

    async with serving(flood) as app:
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port, limit=1024)
        writer.write(GET)
        async with asyncio.timeout(5):
            while not told:
                await asyncio.sleep(0.01)
        writer.transport.abort()
        await asyncio.sleep(0.01)
        del reader
    assert 0 < told[0] < 4000
