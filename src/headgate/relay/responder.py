"""Writing to the client: one head, then bytes, with faults in the client's dialect wherever the answer
stands.

Tracks whether the head is out (pings may have forced it) and never raises when the client is gone: the relay
reads
`connection.is_gone` and decides.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from headgate.core.dialects.contract import DialectHandler, StreamFraming
from headgate.core.faults import Fault
from headgate.relay.exchange import ClientConnection

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
RawHeaderList = list[tuple[bytes, bytes]]

_STREAM_TYPES = {
    StreamFraming.SSE: b"text/event-stream; charset=utf-8",
    StreamFraming.JSON_ARRAY: b"application/json",
}


class Responder:
    """One per exchange."""

    __slots__ = (
        "_connection",
        "_framing",
        "_handler",
        "_loop",
        "_request_id",
        "_send",
        "announced",
        "head_sent",
        "last_write",
        "place_in_line",
        "writing_since",
    )

    def __init__(
        self,
        send: Send,
        connection: ClientConnection,
        handler: DialectHandler,
        *,
        request_id: str,
        exchange_id: str,
    ) -> None:
        self._send = send
        self._connection = connection
        self._handler = handler
        self._request_id = request_id
        self.announced: RawHeaderList = [
            (b"x-request-id", request_id.encode("latin-1")),
            (b"x-headgate-exchange-id", exchange_id.encode()),
        ]
        """Headers of ours on every head; steps add to them until the head is out."""
        self._framing = StreamFraming.NONE
        self._loop = asyncio.get_running_loop()
        self.place_in_line: Callable[[], int] = _nowhere
        """Told in pings, as a comment, which every client of this framing skips."""
        self.head_sent = False
        self.last_write = self._loop.time()
        self.writing_since: float | None = None
        """Set while a write waits for a client that does not read (watchdog: client_write_timeout_s)."""

    def speak(self, handler: DialectHandler) -> None:
        """Paths that several dialects share: this is the caller's."""
        self._handler = handler

    def expect_stream(self, framing: StreamFraming) -> None:
        """The client asked for a stream: pings and in-band faults use this framing."""
        self._framing = framing

    async def stream_head(self, headers: RawHeaderList, *, status: int = 200) -> None:
        """The head of a streamed answer, unless a ping has sent one already."""
        if self.head_sent:
            return
        self.head_sent = True
        extra = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await self._emit(
            {"type": "http.response.start", "status": status, "headers": headers + extra + self.announced}
        )

    async def write(self, data: bytes, now: float) -> None:
        """A piece of a streamed answer; `now` is loop time (the caller knows it already)."""
        if self._connection.is_gone:
            return
        self.last_write = self.writing_since = now
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.writing_since = None

    def write_now(self, data: bytes, now: float) -> bool:
        """`write` without `await`; False: the client reads slowly (or its protocol is odd), await `write`."""
        if self._connection.is_gone:
            return True
        self.last_write = now
        return self._connection.write_piece(data)

    async def finish(self) -> None:
        """The last byte of a streamed answer."""
        await self._emit({"type": "http.response.body", "body": b"", "more_body": False})

    async def whole(self, status: int, headers: RawHeaderList, body: bytes) -> None:
        """A complete answer with its length."""
        if self.head_sent:
            await self._emit({"type": "http.response.body", "body": body, "more_body": False})
            return
        self.head_sent = True
        length = [(b"content-length", str(len(body)).encode())]
        await self._emit(
            {"type": "http.response.start", "status": status, "headers": headers + length + self.announced}
        )
        await self._emit({"type": "http.response.body", "body": body, "more_body": False})

    async def ping(self) -> None:
        """Keep a waiting client alive; starts the head when nothing was sent yet. Does not commit the
        exchange."""
        if self._handler.ping is None or self._framing is not StreamFraming.SSE:
            return
        await self.stream_head([(b"content-type", _STREAM_TYPES[StreamFraming.SSE])])
        place = self.place_in_line()
        said = b": place in line %d\n\n" % place if place > 0 else b""
        await self.write(said + self._handler.ping, self._loop.time())

    async def fail(self, fault: Fault) -> None:
        """Render a fault: as an envelope while no head is out, in-band afterwards. Ends the answer."""
        if self.head_sent:
            event = self._handler.render_fault_event(
                fault, request_id=self._request_id, framing=self._framing
            )
            await self.write(event, self._loop.time())
            await self.finish()
            return
        body = self._handler.render_fault(fault, request_id=self._request_id)
        content_type = "application/json"
        if fault.passed_body is not None:
            content_type = fault.upstream_content_type or content_type
        await self.whole(fault.shown_status, _fault_headers(fault, content_type), body)

    async def _emit(self, message: MutableMapping[str, Any]) -> None:
        if self._connection.is_gone:
            return
        now = self._loop.time()
        self.last_write = self.writing_since = now
        try:
            await self._send(message)
        finally:
            self.writing_since = None


def _fault_headers(fault: Fault, content_type: str) -> RawHeaderList:
    headers = [(b"content-type", content_type.encode("latin-1"))]
    if fault.retry_after_s is not None:
        headers.append((b"retry-after", str(fault.retry_after_s).encode()))
    if fault.kind.http_status == 426:
        headers += [(b"upgrade", b"HTTP/1.1"), (b"connection", b"close")]
    if fault.kind.http_status in (408, 413):
        headers.append((b"connection", b"close"))
    return headers


def _nowhere() -> int:
    return 0
