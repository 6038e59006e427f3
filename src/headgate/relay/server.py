"""Runs the ASGI app on uvicorn: our protocol, our signals, and a shutdown that lets running answers finish.

Shutdown order: stop listening, close idle connections, wait for running answers at most `shutdown_grace_s`,
cancel the rest and wait for their clean-up (settlement happens there), then `serve` returns. A second
signal ends the wait.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from uvicorn.config import Config
from uvicorn.server import Server

from headgate.core.faults import Fault, FaultKind
from headgate.errors import StartupError
from headgate.relay.dialects import HANDLERS
from headgate.relay.routes import dialect_of
from headgate.relay.server_protocol import EarlyError, ProtocolLimits, protocol_class
from headgate.settings import ServerSettings, Settings

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ENDING_S = 3.0
"""After the grace: time for answers that are being ended to tell their clients and be booked."""
_CLEANUP_S = 10.0
"""Longest wait for cancelled requests to book what they used."""
_BACKLOG = 2048
_EARLY_FAULTS = {
    400: Fault(kind=FaultKind.REQUEST_INVALID, message="This is not a valid HTTP request"),
    408: Fault(kind=FaultKind.REQUEST_TIMEOUT, message="The request headers did not arrive in time"),
    431: Fault(kind=FaultKind.HEADERS_TOO_LARGE, message="The request headers are too large or too many"),
    503: Fault(
        kind=FaultKind.STATE_UNAVAILABLE, message="The gateway has too many open connections; try again"
    ),
}


def early_error(status: int, path: str) -> bytes:
    """The envelope of the dialect that a client on this path can read."""
    return HANDLERS[dialect_of(path)].render_fault(_EARLY_FAULTS[status], request_id="")


def bind(settings: ServerSettings) -> socket.socket:
    """The listening socket. Dead clients are found by TCP keepalive, which accepted sockets inherit."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise StartupError(
            f"cannot listen on {where}: {error.strerror}; choose another --host or --port"
        ) from None
    listener.setblocking(False)
    return listener


class GatewayServer(Server):
    """uvicorn's server with a shutdown that waits for clean-up."""

    def __init__(
        self,
        config: Config,
        *,
        grace_s: float,
        on_started: Callable[[], None] | None,
        on_stopping: Callable[[], None] | None,
        on_grace_over: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self._on_grace_over = on_grace_over
        self._grace_s = grace_s
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._on_started is not None and self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._on_stopping is not None:
            self._on_stopping()
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._finish(self._grace_s)
        if self._on_grace_over is not None and self.server_state.tasks:
            self._on_grace_over()  # running answers end in their dialect and are booked
            await self._finish(_ENDING_S)
        for task in list(self.server_state.tasks):
            task.cancel()
        self.force_exit = False
        await self._finish(_CLEANUP_S)
        for connection in list(self.server_state.connections):
            connection.transport.close()

    async def _finish(self, limit_s: float) -> None:
        """Wait for running requests, at most `limit_s`; a second signal ends the wait."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while self.server_state.tasks and not self.force_exit:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.wait(list(self.server_state.tasks), timeout=min(left, 0.1))

    def stop(self) -> None:
        """Begin the shutdown; a second call ends the wait for running answers."""
        self.force_exit = self.should_exit
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end `serve` normally: the process exits with the caller's status, not by the signal."""
        loop = asyncio.get_running_loop()
        installed = []
        for number in _SIGNALS:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self.stop)
                installed.append(number)
        try:
            yield
        finally:
            for number in installed:
                loop.remove_signal_handler(number)


def build_server(
    app: Callable[..., Any],
    settings: ServerSettings,
    *,
    early_error: EarlyError,
    on_started: Callable[[], None] | None = None,
    on_stopping: Callable[[], None] | None = None,
    on_grace_over: Callable[[], None] | None = None,
) -> GatewayServer:
    """A server that is ready to `serve(sockets=[...])` in the running loop."""
    limits = ProtocolLimits(
        header_timeout_s=settings.header_timeout_s,
        header_limit_bytes=settings.header_limit_bytes,
        header_limit_count=settings.header_limit_count,
        max_connections=settings.max_connections,
    )
    config = Config(
        app,
        http=protocol_class(limits, early_error),
        loop="none",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keepalive_s,  # type: ignore[arg-type]
        backlog=_BACKLOG,
    )
    return GatewayServer(
        config,
        grace_s=settings.shutdown_grace_s,
        on_started=on_started,
        on_stopping=on_stopping,
        on_grace_over=on_grace_over,
    )


async def serve(
    app: Callable[..., Any],
    settings: Settings,
    *,
    sockets: Sequence[socket.socket] = (),
    on_started: Callable[[], None] | None = None,
    on_stopping: Callable[[], None] | None = None,
    on_grace_over: Callable[[], None] | None = None,
    early_error: EarlyError = early_error,
) -> None:
    """Serve until SIGTERM or SIGINT, on `sockets` or on the configured address. Meant for uvloop:
    `uvloop.run(serve(...))`. Raises `StartupError`."""
    listeners = list(sockets) or [bind(settings.server)]
    server = build_server(
        app,
        settings.server,
        early_error=early_error,
        on_started=on_started,
        on_stopping=on_stopping,
        on_grace_over=on_grace_over,
    )
    await server.serve(sockets=listeners)
