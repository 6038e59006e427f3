"""A bounded load driver: raw HTTP/1.1 over loopback, one connection per request, clients that hang up.

It never raises for what a gateway or its death does to a request: that is what the `Outcome` says.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Ending = Literal["complete", "left", "broken", "refused"]
_STEP = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One request. `leave_after`: hang up once so many bytes of the answer have arrived."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    leave_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the client saw. `refused`: no connection, so nothing was sent."""

    shot: Shot
    ending: Ending
    status: int = 0
    body: bytes = field(default=b"", repr=False)
    head: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str:
        """Value of a header of the answer; empty when it has none."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode("latin-1").lower() == name:
                return value.decode("latin-1").strip()
        return ""


async def volley(
    url: str, shots: Sequence[Shot], *, at_once: int = 32, timeout_s: float = 30
) -> list[Outcome]:
    """Fire all `shots`, `at_once` in flight; outcomes in the order of the shots."""
    room = asyncio.Semaphore(at_once)
    parts = urlsplit(url)
    host, port = str(parts.hostname), int(parts.port or 80)

    async def one(shot: Shot) -> Outcome:
        async with room:
            try:
                async with asyncio.timeout(timeout_s):
                    return await fire(host, port, shot)
            except TimeoutError:
                return Outcome(shot=shot, ending="broken")

    return list(await asyncio.gather(*(one(shot) for shot in shots)))


async def fire(host: str, port: int, shot: Shot) -> Outcome:
    """One request on a connection of its own."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return Outcome(shot=shot, ending="refused")
    received = b""
    try:
        writer.write(_request(host, port, shot))
        while chunk := await reader.read(_STEP):
            received += chunk
            if shot.leave_after is not None and len(received) >= shot.leave_after:
                writer.transport.abort()
                return _outcome(shot, "left", received)
    except OSError:
        return _outcome(shot, "broken", received)
    finally:
        writer.close()
    return _outcome(shot, "complete" if _is_whole(received) else "broken", received)


def _request(host: str, port: int, shot: Shot) -> bytes:
    lines = [f"POST {shot.path} HTTP/1.1", f"host: {host}:{port}", "connection: close"]
    lines += [f"content-length: {len(shot.body)}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in shot.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + shot.body


def _outcome(shot: Shot, ending: Ending, received: bytes) -> Outcome:
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return Outcome(shot=shot, ending=ending, status=status, body=body, head=head)


def _is_whole(received: bytes) -> bool:
    """The framing's own end was seen: the last chunk, or as many bytes as were announced."""
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"transfer-encoding":
            return body.endswith(b"0\r\n\r\n")
        if name == b"content-length":
            return len(body) == int(value)
    return False
