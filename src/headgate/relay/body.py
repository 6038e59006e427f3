"""Reading a request body: bounded in size, time and total memory; truncated uploads are the client's
fault."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.relay.exchange import Exchange
from headgate.settings import GatewaySettings, ServerSettings

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyReader:
    """Shared by all requests, so that it can bound what all bodies together take."""

    def __init__(self, gateway: GatewaySettings, server: ServerSettings) -> None:
        self._limit = gateway.max_body_size
        self._budget = gateway.body_memory_budget
        self._silence_s = server.body_timeout_s
        self._total_s = server.upload_timeout_s
        self.held_bytes = 0

    async def read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """The whole body. The caller gives it back with `free` when the exchange ends.

        Raises `RelayError` with REQUEST_TOO_LARGE, REQUEST_TIMEOUT, REQUEST_INVALID or CLIENT_GONE."""
        declared = _declared_length(headers)
        if declared > self._limit:
            raise RelayError(self._too_large())
        upload = _Upload()
        try:
            await self._receive(upload, receive)
            if 0 <= declared != len(upload.body):
                raise RelayError(Fault(kind=FaultKind.CLIENT_GONE, message="The upload ended early"))
        except BaseException:
            self.held_bytes -= len(upload.body)
            raise
        return bytes(upload.body)

    def free(self, exchange: Exchange) -> None:
        """Forget the body; called when no further attempt can need it, and again at the end."""
        self.held_bytes -= len(exchange.body)
        exchange.body = b""

    async def _receive(self, upload: "_Upload", receive: Receive) -> None:
        """Piece by piece; what has arrived counts against the budget of all uploads at once."""
        try:
            async with asyncio.timeout(self._silence_s):
                message = _checked(await receive())
            self._hold(upload, message.get("body", b""))
            if not message.get("more_body"):
                return
            async with asyncio.timeout(self._total_s):
                while message.get("more_body"):
                    async with asyncio.timeout(self._silence_s):
                        message = _checked(await receive())
                    self._hold(upload, message.get("body", b""))
        except TimeoutError:
            raise RelayError(_slow()) from None

    def _hold(self, upload: "_Upload", piece: bytes) -> None:
        if self.held_bytes + len(piece) > self._budget:
            raise RelayError(_crowded())
        upload.add(piece)
        self.held_bytes += len(piece)
        if len(upload.body) > self._limit:
            raise RelayError(self._too_large())

    def _too_large(self) -> Fault:
        limit = f"{self._limit // 1_048_576}MB" if self._limit >= 1_048_576 else f"{self._limit} bytes"
        return Fault(kind=FaultKind.REQUEST_TOO_LARGE, message=f"Request body too large, limit is {limit}")


def check_content_type(headers: Mapping[str, str]) -> None:
    """All endpoints with a body take JSON. Raises `RelayError` (415) for anything else that is named."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type and content_type != "application/json" and not content_type.endswith("+json"):
        raise RelayError(
            Fault(
                kind=FaultKind.CONTENT_TYPE_UNSUPPORTED,
                message="Content-Type must be application/json",
            )
        )


def _declared_length(headers: Mapping[str, str]) -> int:
    """Content-Length, or -1 when the body is chunked. The HTTP parser has refused malformed values
    already."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else -1


def _checked(message: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if message["type"] == "http.disconnect":
        raise RelayError(Fault(kind=FaultKind.CLIENT_GONE, message="The client left during the upload"))
    return message


class _Upload:
    """A body on its way: one piece as it is, several in one buffer."""

    __slots__ = ("body",)

    def __init__(self) -> None:
        self.body: bytes | bytearray = b""

    def add(self, piece: bytes) -> None:
        if not self.body:
            self.body = piece
        elif isinstance(self.body, bytearray):
            self.body += piece
        else:
            self.body = bytearray(self.body) + piece


def _crowded() -> Fault:
    message = "Too many uploads at once, retry shortly"
    return Fault(kind=FaultKind.STATE_UNAVAILABLE, message=message, retry_after_s=2)


def _slow() -> Fault:
    return Fault(kind=FaultKind.REQUEST_TIMEOUT, message="The request body did not arrive in time")
