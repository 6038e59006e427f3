"""One upstream call: opened, read piece by piece, closed. Every failure leaves as a `RelayError`.

No timer runs per piece: the relay's watchdog calls `abort` from outside, which ends a pending read with the
given fault. Leaving the block closes the connection unless the answer was read to its end.

Known limit: pyreqwest (0.15) does not stop a request whose caller is cancelled before the answer's head. Our
side is free at once; the connection closes when the head arrives, at the latest after
`ClientPool.life_limit`.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Protocol, TypeVar

from pyreqwest.client import Client
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import Url
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.upstream.clients import ClientPool, Route
from headgate.upstream.faults import (
    connect_fault,
    fault_before_answer,
    fault_in_body,
    is_connect_failure,
    timeout_fault,
)
from headgate.upstream.http1 import Connection, Listener, PoolKey, serialise
from headgate.upstream.request import UpstreamRequest

_READ_AHEAD_BYTES = 0
"""Any other value makes pyreqwest hold back the head, and then every event, until that many bytes are there:
2 KB delayed the first events of a stream by seconds. Reading ahead saves 1 us per request."""

T = TypeVar("T")


class UpstreamAnswer(Protocol):
    """What the relay sees of an open call."""

    status: int
    headers: dict[str, str]
    """Lower-case names; repeated ones joined with `, `."""

    async def read_chunk(self) -> bytes | None:
        """The next piece as it came, None at the end. Raises `RelayError`."""
        ...

    async def read_all(self, limit: int) -> bytes:
        """The rest of the body; more than `limit` bytes raise UPSTREAM_MALFORMED."""
        ...

    def listen(self, listener: Listener) -> None:
        """From now on hand pieces to `listener` as they arrive, without a task switch, until it answers
        False; the next `read_chunk` returns an empty piece then. May be ignored: pieces are read as
        before."""
        ...

    def abort(self, fault: Fault) -> None:
        """End the call from outside: a pending read, or else the next one, raises this fault."""
        ...


class _ProxiedCall:
    """A call through an egress proxy, by the HTTP library (CONNECT, SOCKS5). Context manager and answer in
    one object."""

    __slots__ = (
        "_aborted", "_cancels_before", "_clients", "_entry", "_exchange", "_is_waiting", "_read", "_request",
        "_task", "headers", "status",
    )  # fmt: skip

    def __init__(self, clients: ClientPool, request: UpstreamRequest) -> None:
        self._clients = clients
        self._request = request
        self._aborted: Fault | None = None
        self._task: asyncio.Task[object] | None = None
        """The one that opened the call; only it reads."""
        self._is_waiting = False
        self._cancels_before = 0
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> UpstreamAnswer:
        task = self._task = asyncio.current_task()
        self._cancels_before = task.cancelling() if task is not None else 0
        timer = asyncio.get_running_loop().call_later(self._clients.header_timeout_s, self._head_overdue)
        try:
            await self._open()
        finally:
            timer.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._exchange.__aexit__(None, None, None)
        finally:
            self._clients.give_back(self._entry)
            del (
                self._exchange,
                self._entry,
                self._read,
            )  # an answer kept by its reader must not keep the client

    async def read_chunk(self) -> bytes | None:
        """Written out instead of using `_abortable`: it runs once per streamed event."""
        if self._aborted is not None:
            raise RelayError(self._aborted)
        self._is_waiting = True
        try:
            chunk = await self._read()
        except asyncio.CancelledError:
            self._raise_if_aborted()
            raise
        except PyreqwestError as error:
            raise RelayError(fault_in_body(error)) from None
        finally:
            self._is_waiting = False
        return None if chunk is None else bytes(chunk)

    async def read_all(self, limit: int) -> bytes:
        return await _read_all(self, limit)

    def listen(self, listener: Listener) -> None:
        """The library has no such way: pieces are read."""

    def abort(self, fault: Fault) -> None:
        if self._aborted is None:
            self._aborted = fault
            if self._is_waiting and self._task is not None:
                self._task.cancel()

    async def _open(self) -> None:
        url = Url(self._request.url)
        routes = await self._abortable(self._clients.routes(url, self._request.proxy))
        for position, route in enumerate(routes, start=1):
            try:
                return await self._send(url, route)
            except (PyreqwestError, ValueError) as error:
                if is_connect_failure(error):
                    self._clients.guard.demote(url, route.address)
                    if position < len(routes):
                        continue
                raise RelayError(fault_before_answer(error)) from None

    async def _send(self, url: Url, route: Route) -> None:
        """One try at one address. Gives the client back when no answer begins."""
        entry = self._clients.take(route)
        try:
            exchange = self._build(entry.client, url)
            response = await self._abortable(exchange.__aenter__())
        except BaseException:
            self._clients.give_back(entry)
            raise
        self._entry, self._exchange = entry, exchange
        self._adopt(response)

    def _build(self, client: Client, url: Url) -> StreamRequest:
        request = self._request
        builder = client.request(request.method, url).headers(request.headers)
        if request.body is not None:
            builder = builder.body_bytes(request.body)
        builder = builder.timeout(self._clients.life_limit)
        return builder.streamed_read_buffer_limit(_READ_AHEAD_BYTES).build_streamed()

    def _adopt(self, response: Response) -> None:
        self.status = response.status
        self._read = response.body_reader.read_chunk
        self.headers = _lower_case(response)

    def _head_overdue(self) -> None:
        self.abort(timeout_fault(f"Upstream did not answer within {self._clients.header_timeout_s:g} s"))

    async def _abortable(self, work: Awaitable[T]) -> T:
        """Await, unless `abort` comes first. A cancellation from elsewhere stays one (asyncio.timeout does
        the same)."""
        if self._aborted is not None:
            if asyncio.iscoroutine(work):
                work.close()
            raise RelayError(self._aborted)
        self._is_waiting = True
        try:
            return await work
        except asyncio.CancelledError:
            self._raise_if_aborted()
            raise
        finally:
            self._is_waiting = False

    def _raise_if_aborted(self) -> None:
        if self._aborted is None or self._task is None:
            return
        if self._task.uncancel() <= self._cancels_before:
            raise RelayError(self._aborted) from None


def _lower_case(response: Response) -> dict[str, str]:
    """Header names to one value each. A value that is not UTF-8 is left out."""
    try:
        found = response.headers.dict_multi_value()
    except ValueError:
        found = {name: values for name in response.headers if (values := _readable(response, name))}
    return {name: value if isinstance(value, str) else ", ".join(value) for name, value in found.items()}


def _readable(response: Response, name: str) -> list[str]:
    try:
        return response.get_header_all(name)
    except ValueError:
        return []


@dataclass(frozen=True, slots=True)
class _Origin:
    """Scheme, host and port of a URL, taken apart once."""

    url: Url
    host: str
    port: int
    is_tls: bool
    authority: str
    """The `host` header: with the port unless it is the scheme's own."""


@lru_cache(maxsize=4096)
def _origin(text: str) -> _Origin:
    """Raises ValueError."""
    url = Url(text)
    host, port, is_tls = url.host_str or "", url.port_or_known_default or 0, url.scheme == "https"
    authority = host if port == (443 if is_tls else 80) else f"{host}:{port}"
    return _Origin(url, host.strip("[]"), port, is_tls, authority)


class _DirectCall:
    """A call on the gateway's own event loop (http1.py): same contract, no thread in between."""

    __slots__ = ("_aborted", "_clients", "_connection", "_key", "_request", "headers", "status")

    def __init__(self, clients: ClientPool, request: UpstreamRequest) -> None:
        self._clients = clients
        self._request = request
        self._aborted: Fault | None = None
        self._connection: Connection | None = None
        self._key: PoolKey = ("", 0, "", False)
        self.status = 0
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> UpstreamAnswer:
        timer = asyncio.get_running_loop().call_later(self._clients.header_timeout_s, self._head_overdue)
        try:
            await self._open()
        except BaseException:
            self._leave()
            raise
        finally:
            timer.cancel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    async def read_chunk(self) -> bytes | None:
        assert self._connection is not None
        return await self._connection.read()

    async def read_all(self, limit: int) -> bytes:
        return await _read_all(self, limit)

    def listen(self, listener: Listener) -> None:
        assert self._connection is not None
        self._connection.listen(listener)

    def abort(self, fault: Fault) -> None:
        self._aborted = self._aborted or fault
        if self._connection is not None:
            self._connection.fail(fault)

    async def _open(self) -> None:
        request = self._request
        try:
            slash = request.url.find("/", 8)
            origin = _origin(request.url if slash < 0 else request.url[:slash])
            target = "/" if slash < 0 else request.url[slash:]
            data = serialise(request.method, target, origin.authority, request.headers, request.body)
        except ValueError as error:
            raise RelayError(fault_before_answer(error)) from None
        connection = self._connection = await self._connect(origin)
        if self._aborted is not None:
            raise RelayError(self._aborted)
        await connection.request(data)
        self.status, self.headers = connection.status, connection.headers

    async def _connect(self, origin: _Origin) -> Connection:
        """The pinned addresses in turn, at most three."""
        guard, pool = self._clients.guard, self._clients.connections
        addresses = (await guard.admit(origin.url) or ("",))[:3]
        for position, address in enumerate(addresses, start=1):
            self._key = (origin.host, origin.port, address, origin.is_tls)
            try:
                return await pool.take(self._key)
            except OSError as error:  # TimeoutError and ssl.SSLError are
                guard.demote(origin.url, address)
                if position == len(addresses):
                    raise RelayError(connect_fault(error)) from None
        raise AssertionError("admit gives at least one address")

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._clients.connections.give_back(self._key, connection)

    def _head_overdue(self) -> None:
        self.abort(timeout_fault(f"Upstream did not answer within {self._clients.header_timeout_s:g} s"))


async def _read_all(answer: UpstreamAnswer, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while (chunk := await answer.read_chunk()) is not None:
        size += len(chunk)
        if size > limit:
            message = f"Upstream response too large: more than {limit} bytes"
            raise RelayError(Fault(kind=FaultKind.UPSTREAM_MALFORMED, message=message))
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def open_call(clients: ClientPool, request: UpstreamRequest) -> "_DirectCall | _ProxiedCall":
    """`async with open_call(...) as answer:`; entering raises `RelayError` when no answer begins."""
    if request.proxy is None and request.method != "HEAD":
        return _DirectCall(clients, request)
    return _ProxiedCall(clients, request)
