"""HTTP/1.1 towards providers on the gateway's own event loop (RFC 9112, parsed by httptools), for direct
connections.

Why not the pooled library client: it lives on a thread of its own, and two thread switches per streamed
event cost more than everything else the relay does (measured: 21 us of CPU per event with it, 15 without;
ADR on the upstream client). Egress proxies, which need CONNECT and SOCKS5, stay with the library.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping

import httptools

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.kit.clock import Clock

_IDLE_S = 55.0
"""Below the 60 s after which common load balancers close, so that a request seldom meets a closing
connection."""
_MOST_IDLE = 512
Listener = Callable[[bytes], bool]
_PAUSE_BYTES = 256 * 1024
"""Received but not yet read: beyond it the provider is made to wait."""
_HEAD_LIMIT = 64 * 1024
_BODILESS = frozenset({204, 304})

PoolKey = tuple[str, int, str, bool]
"""Host, port, pinned address (empty: a literal host), TLS."""


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request out, an answer in, again and again."""

    __slots__ = (
        "_chunks", "_failure", "_has_length", "_head_bytes", "_is_busy", "_is_complete", "_is_paused",
        "_listener", "_parser", "_received", "_transport", "_waiter",
        "headers", "idle_since", "is_open", "is_reusable", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self._received = 0
        self._head_bytes = 0
        self._is_busy = False
        self._is_complete = False
        self._is_paused = False
        self._has_length = False
        self._failure: Fault | None = None
        self._listener: Listener | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_open = False
        self.is_reusable = False
        self.idle_since = 0.0

    # what the call does

    async def request(self, data: bytes) -> None:
        """Send, and wait for the head. `status` and `headers` are set then. Raises `RelayError`."""
        self.forget_unread()
        self._is_busy, self._is_complete, self.is_reusable = True, False, False
        self._listener = None
        self.status, self._head_bytes = 0, 0
        self.headers = {}
        assert self._transport is not None
        self._transport.write(data)
        while not self.status:
            if self._failure is not None:
                raise RelayError(self._failure)
            await self._wait()

    async def read(self) -> bytes | None:
        """What has arrived since the last read, None at the end. Raises `RelayError`."""
        while not self._chunks:
            if self._is_complete:
                return None
            if self._failure is not None:
                raise RelayError(self._failure)
            await self._wait()
        chunks = self._chunks
        self.forget_unread()
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def listen(self, listener: Listener) -> None:
        """Hand pieces to `listener` as they arrive, without waking the reader, until it answers False: then
        the next `read` returns an empty piece at once."""
        self._listener = listener

    def fail(self, fault: Fault) -> None:
        """End the exchange from outside: what waits, and whatever reads next, raises this fault."""
        if self._failure is None:
            self._failure = fault
        self._chunks.clear()
        self._is_complete = self.is_reusable = False
        self._wake()

    def forget_unread(self) -> None:
        """Whoever left a complete answer unread left it for nobody: the next request's answer is its own."""
        self._chunks, self._received = [], 0
        if self._is_paused:
            self._is_paused = False
            assert self._transport is not None
            self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # what the socket does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if not self._is_busy:
            self.close()  # bytes that nobody asked for: the connection cannot be trusted any more
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._is_complete:  # else: garbage behind a good answer, which stands
                self.fail(_not_http())
            self.close()
            return
        if self._listener is not None and self._chunks:
            self._tell(self._listener)
            if not self._is_complete and self._listener is not None:
                return
        elif not self.status:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_LIMIT:
                self.fail(Fault(kind=FaultKind.UPSTREAM_MALFORMED, message="Upstream sent too many headers"))
                self.close()
        elif self._received > _PAUSE_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def _tell(self, listener: Listener) -> None:
        chunks = self._chunks
        self._chunks, self._received = [], 0
        if not listener(chunks[0] if len(chunks) == 1 else b"".join(chunks)):
            self._listener = None
            self._chunks.append(b"")

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._is_busy and not self._is_complete and self._failure is None:
            if self.status and not self._has_length and error is None:
                self._is_complete = True  # RFC 9112 6.3, rule 8: the end of the connection ends the body
            else:
                answered = "Upstream broke off the answer" if self.status else _UNANSWERED
                self._failure = Fault(kind=FaultKind.UPSTREAM_CUT, message=answered)
        self._wake()

    # what the parser does

    def on_message_begin(self) -> None:
        if self._is_complete:
            raise ValueError("an answer that nobody asked for")  # reaches data_received as a parser error

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers = self.headers
        headers[key] = f"{headers[key]}, {text}" if key in headers else text

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # interim answers (RFC 9110 15.2) announce another one
            self.headers = {}
            return
        headers = self.headers
        self._has_length = (
            status in _BODILESS or "content-length" in headers or "transfer-encoding" in headers
        )
        self.status = status

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._received += len(body)

    def on_message_complete(self) -> None:
        if self.status:
            self._is_complete = True
            self.is_reusable = self._parser.should_keep_alive() and self._failure is None
            self._is_busy = not self.is_reusable

    def __repr__(self) -> str:
        state = "idle" if not self._is_busy else f"status={self.status}"
        return f"Connection({state}, open={self.is_open})"


def _not_http() -> Fault:
    return Fault(kind=FaultKind.UPSTREAM_MALFORMED, message="Upstream sent something that is not HTTP")


_UNANSWERED = "Upstream closed the connection before it answered"


class ConnectionPool:
    """Idle connections by origin and address; the newest is used first, the oldest go away by themselves."""

    def __init__(self, clock: Clock, *, connect_timeout_s: float) -> None:
        self._clock = clock
        self._connect_timeout_s = connect_timeout_s
        self._idle: dict[PoolKey, deque[Connection]] = {}
        self._open: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None
        self._next_sweep = 0.0
        self._is_closed = False

    async def take(self, key: PoolKey) -> Connection:
        """An idle connection, or a new one. Raises OSError (ssl errors are) and TimeoutError."""
        if self._is_closed:
            raise RelayError(_SHUT)
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
            self._open.discard(connection)
        host, port, address, is_tls = key
        async with asyncio.timeout(self._connect_timeout_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection,
                address or host,
                port,
                ssl=self._tls_context() if is_tls else None,
                server_hostname=host if is_tls else None,
            )
        self._open.add(connection)
        return connection

    def give_back(self, key: PoolKey, connection: Connection) -> None:
        """Keep it if its answer was read to the end and both sides allow it, else close it."""
        now = self._clock.monotonic()
        if now >= self._next_sweep:
            self._sweep(now)
        if not (connection.is_reusable and connection.is_open) or self._is_closed:
            self._open.discard(connection)
            connection.close()
            return
        connection.forget_unread()
        connection.idle_since = now
        idle = self._idle.setdefault(key, deque())
        idle.append(connection)
        if len(idle) > _MOST_IDLE:
            self._drop(idle.popleft())

    def close(self) -> None:
        """Close everything; exchanges that still run end with SHUTTING_DOWN."""
        self._is_closed = True
        for connection in list(self._open):
            connection.fail(_SHUT)
            connection.close()
        self._open.clear()
        self._idle.clear()

    def __len__(self) -> int:
        """Idle connections."""
        return sum(map(len, self._idle.values()))

    def _sweep(self, now: float) -> None:
        self._next_sweep = now + _IDLE_S / 10
        for key, idle in list(self._idle.items()):
            while idle and now - idle[0].idle_since >= _IDLE_S:
                self._drop(idle.popleft())
            if not idle:
                del self._idle[key]

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


_SHUT = Fault(kind=FaultKind.SHUTTING_DOWN, message="The gateway is shutting down")


def serialise(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The request's bytes. Raises ValueError for characters that cannot stand in a header or path."""
    if " " in target:
        raise ValueError("a path holds a space")
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None or method == "POST":
        lines.append(f"content-length: {len(body or b'')}")
    head = "\r\n".join(lines)
    if head.count("\r") != len(lines) - 1 or head.count("\n") != len(lines) - 1 or "\0" in head:
        raise ValueError("a header holds a line break")
    return head.encode("latin-1") + b"\r\n\r\n" + (body or b"")
