"""Fetching a price file: bounded in size and time, from allowed hosts only, never redirected.

Foreign exceptions end here, as `DownloadFailed` with a message for the operator; it never quotes the body.
"""

import asyncio

from headgate.core.faults import RelayError
from headgate.upstream.call import UpstreamAnswer, open_call
from headgate.upstream.clients import ClientPool
from headgate.upstream.request import GATEWAY_AGENT, UpstreamRequest


class DownloadFailed(OSError):
    """The file could not be had; the message says why."""


async def download(clients: ClientPool, url: str, *, limit: int, timeout_s: float) -> bytes:
    """The body of a 200 answer of at most `limit` bytes. Raises `DownloadFailed`."""
    request = UpstreamRequest(
        method="GET",
        url=url,
        endpoint="",
        headers={"user-agent": GATEWAY_AGENT, "accept-encoding": "identity"},
        body=None,
        proxy=None,
    )
    try:
        async with asyncio.timeout(timeout_s), open_call(clients, request) as answer:
            return await _read(answer, limit)
    except TimeoutError:
        raise DownloadFailed(f"it took longer than {timeout_s:g} s") from None
    except RelayError as error:
        raise DownloadFailed(error.fault.message) from None


async def _read(answer: UpstreamAnswer, limit: int) -> bytes:
    if answer.status != 200:
        raise DownloadFailed(f"the server answered {answer.status}")
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise DownloadFailed("the server sent it compressed although nobody asked for that")
    length = answer.headers.get("content-length", "")
    if length.isdigit() and (len(length) > 15 or int(length) > limit):
        raise DownloadFailed(f"it is larger than {limit} bytes")
    parts: list[bytes] = []
    size = 0
    while (chunk := await answer.read_chunk()) is not None:
        size += len(chunk)
        if size > limit:
            raise DownloadFailed(f"it is larger than {limit} bytes")
        parts.append(chunk)
    return b"".join(parts)
