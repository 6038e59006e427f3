"""Request bodies: bounded in size, time and total memory, and complete or not taken at all (spec 9.2)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.relay.body import BodyReader, check_content_type
from headgate.settings import GatewaySettings, ServerSettings
from tests.relay.people import exchange_for

GONE = {"type": "http.disconnect"}


class Upload:
    """A client that sends these pieces, `delay_s` apart, and then nothing more."""

    def __init__(self, *pieces: bytes | dict[str, Any], delay_s: float = 0, is_open: bool = False) -> None:
        self._left = list(pieces)
        self._delay_s = delay_s
        self._is_open = is_open

    async def receive(self) -> dict[str, Any]:
        if not self._left:
            await asyncio.sleep(3600)
        await asyncio.sleep(self._delay_s)
        piece = self._left.pop(0)
        if isinstance(piece, dict):
            return piece
        return {"type": "http.request", "body": piece, "more_body": bool(self._left) or self._is_open}


def reader(*, silence_s: float = 5, total_s: float = 5, **gateway: int) -> BodyReader:
    limits = {"max_body_size": 2048, **gateway}
    return BodyReader(
        GatewaySettings(**limits), ServerSettings(body_timeout_s=silence_s, upload_timeout_s=total_s)
    )


async def fault_of(bodies: BodyReader, upload: Upload, declared: int | None = None) -> Fault:
    headers = {} if declared is None else {"content-length": str(declared)}
    with pytest.raises(RelayError) as caught:
        await bodies.read(headers, upload.receive)
    return caught.value.fault


@pytest.mark.parametrize("pieces", [[b"abc"], [b"a", b"b", b"c"], [b"", b"abc", b""]])
@pytest.mark.parametrize("headers", [{}, {"content-length": "3"}])
async def test_a_body_arrives_whole_however_it_is_cut(
    pieces: Sequence[bytes], headers: dict[str, str]
) -> None:
    assert await reader().read(headers, Upload(*pieces).receive) == b"abc"


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert len(await reader().read({}, Upload(b"x" * 2048).receive)) == 2048


async def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    fault = await fault_of(reader(), Upload(), declared=2049)
    assert fault.kind is FaultKind.REQUEST_TOO_LARGE


@pytest.mark.parametrize("pieces", [[b"x" * 2049], [b"x" * 1500, b"x" * 1500]])
async def test_a_body_over_the_limit_is_refused_without_a_declared_length(pieces: Sequence[bytes]) -> None:
    fault = await fault_of(reader(), Upload(*pieces))
    assert fault.kind is FaultKind.REQUEST_TOO_LARGE
    assert "2048 bytes" in fault.message


async def test_an_endless_upload_is_stopped_at_the_limit() -> None:
    fault = await fault_of(reader(), Upload(*[b"x" * 512] * 5, is_open=True))
    assert fault.kind is FaultKind.REQUEST_TOO_LARGE


@pytest.mark.parametrize(("sent", "declared"), [(b"ab", 3), (b"abcd", 3), (b"", 1)])
async def test_a_body_shorter_or_longer_than_declared_is_not_relayed(sent: bytes, declared: int) -> None:
    assert (await fault_of(reader(), Upload(sent), declared)).kind is FaultKind.CLIENT_GONE


@pytest.mark.parametrize("pieces", [[GONE], [b"ab", GONE]])
async def test_a_client_that_leaves_during_the_upload_is_gone(pieces: list[Any]) -> None:
    upload = Upload(*pieces, is_open=True)
    assert (await fault_of(reader(), upload)).kind is FaultKind.CLIENT_GONE


@pytest.mark.parametrize("pieces", [[], [b"a"]])
async def test_silence_inside_an_upload_is_a_timeout(pieces: list[bytes]) -> None:
    fault = await fault_of(reader(silence_s=0.03), Upload(*pieces, is_open=True))
    assert fault.kind is FaultKind.REQUEST_TIMEOUT


async def test_an_upload_that_trickles_ends_after_the_total_time() -> None:
    slow = Upload(*[b"a"] * 50, delay_s=0.02)
    fault = await fault_of(reader(silence_s=5, total_s=0.06), slow)
    assert fault.kind is FaultKind.REQUEST_TIMEOUT


async def test_uploads_beyond_the_memory_budget_are_refused_with_a_time_to_come_back() -> None:
    bodies = reader(body_memory_budget=1500)
    await bodies.read({}, Upload(b"x" * 1000).receive)
    fault = await fault_of(bodies, Upload(b"x" * 400, b"x" * 400))
    assert (fault.kind, fault.retry_after_s) == (FaultKind.STATE_UNAVAILABLE, 2)


async def test_uploads_that_are_still_running_count_together_against_the_memory_budget() -> None:
    bodies = reader(body_memory_budget=1500, silence_s=0.1)
    uploads = [Upload(b"x" * 500, b"x" * 500, is_open=True) for _ in range(2)]
    faults = await asyncio.gather(*(fault_of(bodies, upload) for upload in uploads))
    assert FaultKind.STATE_UNAVAILABLE in {fault.kind for fault in faults}


async def test_small_bodies_count_against_the_memory_budget_too() -> None:
    bodies = reader(body_memory_budget=1500)
    await bodies.read({}, Upload(b"x" * 1000).receive)
    with pytest.raises(RelayError):
        await bodies.read({}, Upload(b"x" * 1000).receive)


async def test_a_body_that_was_given_back_makes_room() -> None:
    bodies = reader(body_memory_budget=1500)
    exchange = exchange_for(body=await bodies.read({}, Upload(b"x" * 1000).receive))
    bodies.free(exchange)
    assert await bodies.read({}, Upload(b"x" * 700, b"x" * 700).receive)


async def test_giving_a_body_back_twice_counts_once() -> None:
    bodies = reader()
    exchange = exchange_for(body=await bodies.read({}, Upload(b"x" * 1000).receive))
    bodies.free(exchange)
    bodies.free(exchange)
    assert (bodies.held_bytes, exchange.body) == (0, b"")


async def test_a_refused_body_is_not_held() -> None:
    bodies = reader()
    await fault_of(bodies, Upload(b"ab"), declared=3)
    assert bodies.held_bytes == 0


@pytest.mark.parametrize(
    "given", ["", "application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"]
)
def test_json_of_any_kind_is_taken(given: str) -> None:
    check_content_type({"content-type": given})


@pytest.mark.parametrize("given", ["text/plain", "multipart/form-data; boundary=x", "application/jsonx"])
def test_anything_but_json_is_refused(given: str) -> None:
    with pytest.raises(RelayError) as caught:
        check_content_type({"content-type": given})
    assert caught.value.fault.kind is FaultKind.CONTENT_TYPE_UNSUPPORTED
