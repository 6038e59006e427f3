"""uvicorn's HTTP/1.1 protocol with what a public gateway needs on top.

Bounded headers in time, size and number; early errors as JSON in the dialect of the path; an object per
request that says whether the client is still there, without a `receive()` task; WebSocket upgrades
delivered as plain requests, so that the relay answers them (426) on a connection that stays usable. All
timers belong to rare states: a request whose headers arrive in one piece on an open connection costs none.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from headgate.relay.server_cycle import GatewayCycle

CONNECTION_EXTENSION = "headgate.connection"
"""Key of the `ClientConnection` in `scope["extensions"]`."""
_LINGER_S = 2.0
"""After an early error, or an answer to an upload that still runs: time for the client to read it."""
_LINGER_BYTES = 1024 * 1024
"""How much is read and thrown away meanwhile."""

EarlyError = Callable[[int, str], bytes]
"""Status and path (empty when unknown) to a JSON body in the dialect's envelope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolLimits:
    header_timeout_s: float
    header_limit_bytes: int
    header_limit_count: int
    max_connections: int


class ClientConnection:
    """Whether the client of one request is still connected."""

    __slots__ = ("_callbacks", "_transport", "cycle", "is_gone")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_gone = False
        self._transport = transport
        self._callbacks: list[Callable[[], object]] = []
        self.cycle: GatewayCycle | None = None

    def on_gone(self, callback: Callable[[], object]) -> None:
        """Call once when the connection is lost; at once if it already is. Callbacks must not raise."""
        if self.is_gone:
            callback()
        else:
            self._callbacks.append(callback)

    def abort(self) -> None:
        """Cut the connection now, unsent bytes included: the client does not read."""
        self._transport.abort()

    def write_piece(self, data: bytes) -> bool:
        """Send a piece of a streamed answer at once; False: use ASGI `send`."""
        return self.cycle is not None and self.cycle.write_piece(data)

    def lost(self) -> None:
        self.is_gone = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def forget(self) -> None:
        """The request is answered: nobody needs to know any more."""
        self._callbacks.clear()


class GatewayProtocol(HttpToolsProtocol):
    """One client connection."""

    limits: ProtocolLimits
    early_error: EarlyError

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._open: deque[ClientConnection] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_in_headers = False
        self._is_refused = False
        self._is_resuming = False
        self._header_bytes = 0
        self._discarded_bytes = 0

    # connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timer = self.loop.call_later(self.limits.header_timeout_s, self._headers_overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        while self._open:
            self._open.popleft().lost()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            self._discard(len(data))
            return
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(400)
            return
        if self._is_in_headers and not self._is_refused:
            self._watch_headers(len(data))

    def _feed(self, data: bytes) -> None:
        """Parse. An upgrade request ends its parser, body unread; a fresh one goes on behind its headers."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as pause:
                data = data[pause.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self._resume_body()

    def _resume_body(self) -> None:
        """Some clients offer h2c with every POST: have the fresh parser read the body that is still to
        come."""
        framing = self._body_framing()
        if framing is not None:
            self._is_resuming = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%s: %s\r\n\r\n" % framing)
            self._is_resuming = False

    def _body_framing(self) -> tuple[bytes, bytes] | None:
        for name, value in self.headers:
            if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")):
                return name, value
        return None

    def _watch_headers(self, received: int) -> None:
        """Headers did not fit into one read: count their bytes and start the clock."""
        self._header_bytes += received
        limits = self.limits
        if self._header_bytes > limits.header_limit_bytes or len(self.headers) > limits.header_limit_count:
            self._refuse(431)
        elif self._timer is None:
            self._timer = self.loop.call_later(limits.header_timeout_s, self._headers_overdue)

    # parser callbacks

    def on_message_begin(self) -> None:
        if self._is_resuming:
            return
        self._is_in_headers = True
        self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_resuming:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_resuming:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_resuming:
            return
        self._is_in_headers = False
        self._stop_timer()
        if self._is_refused:
            return
        if self._has_too_many_headers():
            self._refuse(431)
        elif len(self.connections) > self.limits.max_connections:
            self._refuse(503)
        else:
            self._begin()

    def _begin(self) -> None:
        """Headers are complete: hand the request to the app, or queue it behind the one before."""
        parser, scope = self.parser, self.scope
        http_version = parser.get_http_version()
        scope["method"] = parser.get_method().decode("ascii")
        if http_version != "1.1":
            scope["http_version"] = http_version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"], scope["query_string"] = url.path, url.query or b""
        connection = ClientConnection(self.transport)
        self._open.append(connection)
        scope["extensions"] = {CONNECTION_EXTENSION: connection}  # type: ignore[dict-item]
        before, self.cycle = (
            self.cycle,
            self._cycle(keep_alive=http_version != "1.0" and parser.should_keep_alive()),
        )
        connection.cycle = self.cycle
        if before is None or before.response_complete:  # type: ignore[redundant-expr]
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _cycle(self, *, keep_alive: bool) -> GatewayCycle:
        return GatewayCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_refused or (self.parser.should_upgrade() and self._body_framing() is not None):
            return
        super().on_message_complete()
        if not self.pipeline:
            # A lost client is only noticed while reading; uvicorn stays paused when the last piece was large.
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        if self._open:
            self._open.popleft().forget()
        super().on_response_complete()
        if self.cycle.more_body and not self.pipeline and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            self._stop_timer()
            self._timer = self.loop.call_later(_LINGER_S, self.transport.close)

    def _has_too_many_headers(self) -> bool:
        limits = self.limits
        if len(self.headers) > limits.header_limit_count:
            return True
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value) + 4
        return size > limits.header_limit_bytes

    # refusals

    def _headers_overdue(self) -> None:
        self._timer = None
        if self._is_in_headers:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Answer with an early error and close. While an earlier request is still being answered, only
        close."""
        self._is_refused = True
        self._stop_timer()
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.transport.close()
            return
        self.transport.write(_early_response(status, self.early_error(status, self._path())))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_S, self.transport.close)

    def _discard(self, received: int) -> None:
        """Closing with unread bytes would reset the connection and lose the error: take some, not
        everything."""
        self._discarded_bytes += received
        if self._discarded_bytes > _LINGER_BYTES:
            self.transport.close()

    def _path(self) -> str:
        url = getattr(self, "url", b"")
        return str(url.partition(b"?")[0].decode("ascii", errors="replace"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _unsupported_upgrade_warning(self) -> None:
        """The relay answers upgrade requests itself; nothing to warn about."""


def _early_response(status: int, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def protocol_class(limits: ProtocolLimits, early_error: EarlyError) -> type[GatewayProtocol]:
    """uvicorn wants a class; this one carries the limits."""
    return type(
        "BoundGatewayProtocol",
        (GatewayProtocol,),
        {"limits": limits, "early_error": staticmethod(early_error)},
    )
