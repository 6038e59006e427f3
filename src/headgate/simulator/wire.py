"""Writing one answer to the socket: hashing, pieces, encodings, pauses that notice a client that left.

A connection is cut by ending the ASGI call without a last body message: uvicorn then closes the socket
without terminator.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from headgate.simulator.bill import BillLine
from headgate.simulator.dialects.contract import Header
from headgate.simulator.encoding import Encoder

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


_SHORT_S = 0.25
"""Below this a plain sleep and one look afterwards notice a client that left early enough."""


class ClientGone(Exception):
    """The client closed the connection while the answer was being written."""


async def pause(receive: Receive, seconds: float) -> None:
    """Wait; raises `ClientGone` when the client leaves: after a short wait, or amid a long one."""
    if seconds < _SHORT_S:
        await asyncio.sleep(seconds)
        if has_left(receive):
            raise ClientGone
        return
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                continue
    except TimeoutError:
        return
    raise ClientGone


def has_left(receive: Receive) -> bool:
    """Whether the client has closed the connection, without waiting: one step of `receive`, given up when it
    blocks.
    """
    waiting = receive()
    step = waiting.__await__()
    try:
        next(step)
    except StopIteration as done:
        return bool(done.value["type"] == "http.disconnect")
    close = getattr(step, "close", None)
    if close is not None:
        close()
    return False


async def send_whole(send: Send, status: int, headers: Sequence[Header], body: bytes) -> None:
    """An answer in one piece."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


class Wire:
    """The body of one billed answer."""

    def __init__(self, send: Send, line: BillLine, *, encoder: Encoder | None, split: int | None) -> None:
        self._send = send
        self._line = line
        self._encoder = encoder
        self._split = split

    async def start(self, headers: Sequence[Header]) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": list(headers)})

    async def write(self, data: bytes) -> None:
        if self._encoder is not None:
            data = self._encoder.encode(data)
        await self._put(data)

    async def finish(self) -> None:
        """The proper end of the answer."""
        if self._encoder is not None:
            await self._put(self._encoder.finish())
        await self._send({"type": "http.response.body", "body": b""})

    async def _put(self, data: bytes) -> None:
        size = self._split or len(data)
        for start in range(0, len(data), max(1, size)):
            piece = data[start : start + size]
            self._line.sent(piece)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            if self._split:
                await asyncio.sleep(0)
