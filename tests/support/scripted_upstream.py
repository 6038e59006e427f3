"""A scripted provider on a real port: raw sockets, so that it can also break the rules.

    async with ScriptedUpstream() as upstream:
        upstream.answer(Reply(chunks=[b"data: 1\\n\\n", Pause(0.1), CUT]))
        ...upstream.url... upstream.requests

Replies are taken in order; the last one repeats. Each chunk is one HTTP chunk, written and flushed by itself.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Pause:
    """Silence, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection breaks off here."""


CUT = Cut()
HANG = Pause(3600)
Step = bytes | Pause | Cut


@dataclass(frozen=True)
class Reply:
    """One scripted answer."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)
    chunks: Sequence[Step] = (b"{}",)
    before_head: float = 0
    """Silence before the status line, in seconds."""
    length: int | None = None
    """Send `content-length` and plain bytes instead of chunked framing; may lie."""
    raw: bytes | None = None
    """These bytes instead of an HTTP answer, then the connection closes."""
    close_after: bool = False


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int
    """Number of the TCP connection, from 1: tells whether connections are reused."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class ScriptedUpstream:
    requests: list[Received] = field(default_factory=list)
    open_connections: int = 0
    total_connections: int = 0
    _replies: list[Reply] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, *replies: Reply) -> None:
        self._replies = list(replies)

    async def all_closed(self, timeout_s: float = 5) -> None:
        """Wait until no connection is open. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while self.open_connections:
                self._closed.clear()
                await self._closed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open_connections += 1
        self.total_connections += 1
        number = self.total_connections
        try:
            while (request := await _read_request(reader, number)) is not None:
                self.requests.append(request)
                if not await self._reply(self._next(), reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()
            self.open_connections -= 1
            self._closed.set()
            self._tasks.discard(task)

    def _next(self) -> Reply:
        if not self._replies:
            return Reply()
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    async def _reply(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Play a reply while watching for the peer's end; returns whether the connection goes on."""
        play = asyncio.ensure_future(_play(reply, writer))
        gone = asyncio.ensure_future(_until_gone(reader, writer))
        done, pending = await asyncio.wait({play, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        return play in done and play.result()


async def _until_gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not reader.at_eof() and not writer.transport.is_closing():
        await asyncio.sleep(0.01)


async def _play(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    if reply.before_head:
        await asyncio.sleep(reply.before_head)
    if reply.raw is not None:
        writer.write(reply.raw)
        await writer.drain()
        writer.close()
        return False
    writer.write(_head(reply))
    await writer.drain()
    for step in reply.chunks:
        if isinstance(step, Cut):
            writer.close()
            return False
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            continue
        writer.write(step if reply.length is not None else b"%x\r\n%s\r\n" % (len(step), step))
        await writer.drain()
    if reply.length is None:
        writer.write(b"0\r\n\r\n")
        await writer.drain()
    if reply.close_after:
        writer.close()
    return not reply.close_after


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} Scripted", *(f"{name}: {value}" for name, value in reply.headers)]
    lines.append("transfer-encoding: chunked" if reply.length is None else f"content-length: {reply.length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _read_request(reader: asyncio.StreamReader, number: int) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = [
        (name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)
    ]
    length = int(next((value for name, value in headers if name.lower() == "content-length"), "0"))
    body = await reader.readexactly(length)
    return Received(method, target, headers, body, number)
