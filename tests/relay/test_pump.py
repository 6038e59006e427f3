"""A streamed answer on its way from a real provider socket to the client: what is held, what flows, how it
ends."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from headgate.core.dialects.contract import Peek, ResponseStream, StreamFraming
from headgate.core.faults import FaultKind, RelayError
from headgate.core.usage import UsageSource
from headgate.core.world import Dialect
from headgate.kit.clock import FakeClock
from headgate.kit.tasks import TaskOwner
from headgate.relay.dialects import HANDLERS
from headgate.relay.pump import StreamEnd, StreamPump
from headgate.relay.watchdog import Watchdog
from headgate.settings import GatewaySettings, UrlAllowlistSettings
from headgate.upstream.call import open_call
from headgate.upstream.clients import ClientPool
from headgate.upstream.decode import decoder_for
from headgate.upstream.guard import AddressGuard
from headgate.upstream.request import UpstreamRequest
from tests.core.dialects.wire_fixtures import target, upstream
from tests.relay.people import Client, responder_for
from tests.support.scripted_upstream import CUT, HANG, Pause, Reply, ScriptedUpstream, Step

CHAT = Dialect.OPENAI_CHAT
ANSWER = upstream(CHAT, "reasoning-cache")
EVENTS = [event + b"\n\n" for event in ANSWER.split(b"\n\n") if event]
DONE = EVENTS[-1]
ERROR_EVENT = b'data: {"error":{"message":"boom","type":"server_error","code":"server_error"}}\n\n'
SSE = (("content-type", "text/event-stream"),)
LAX = UrlAllowlistSettings(allow_private_hosts=True, allow_insecure_http=True)
QUICK = GatewaySettings(stream_idle_timeout_s=0.3, stream_keepalive_interval_s=0)
GRACE_S = 0.1


@dataclass
class Run:
    """One answer to be pumped, and what the client had when the books were closed."""

    client: Client
    pump: StreamPump
    stream: ResponseStream
    booked: list[StreamEnd] = field(default_factory=list)
    body_when_booked: bytes = b""
    commits: int = 0

    async def book(self, end: StreamEnd) -> None:
        self.booked.append(end)
        self.body_when_booked = self.client.body

    async def to_end(self) -> StreamEnd:
        async with asyncio.timeout(10):
            return await self.pump.run(self.book)


@asynccontextmanager
async def pumping(
    *chunks: Step,
    client: Client | None = None,
    dialect: Dialect = CHAT,
    coding: str | None = None,
    held_limit: int = 1 << 20,
    settings: GatewaySettings = QUICK,
) -> AsyncIterator[Run]:
    connection, tasks, clock = client or Client(), TaskOwner("test"), FakeClock()
    pool = ClientPool(AddressGuard(LAX, clock=clock), settings, clock=clock)
    async with ScriptedUpstream() as provider:
        provider.answer(Reply(headers=SSE, chunks=chunks))
        request = UpstreamRequest(
            method="POST", url=provider.url, endpoint="/x", headers={}, body=b"{}", proxy=None
        )
        responder = responder_for(connection, dialect)
        responder.expect_stream(StreamFraming.SSE)
        stream = HANDLERS[dialect].open_stream(
            target(dialect, framing=StreamFraming.SSE),
            Peek(model="m", framing=StreamFraming.SSE, input_tokens_estimate=100),
            client_model="m", upstream_model="m",
        )  # fmt: skip
        watchdog = Watchdog(settings, responder, connection, tasks, tick_s=0.01)
        async with open_call(pool, request) as answer:
            watchdog.start()
            watchdog.watch(answer)

            def commit() -> None:
                run.commits += 1

            pump = StreamPump(
                answer, stream, responder, watchdog, head=[(b"content-type", b"text/event-stream")],
                decoder=decoder_for(coding), held_limit=held_limit, finish_grace_s=GRACE_S, on_commit=commit,
            )  # fmt: skip
            run = Run(connection, pump, stream)
            yield run
            watchdog.stop()
    await tasks.close()
    await pool.close()


async def test_a_complete_answer_arrives_byte_for_byte_and_ends_once() -> None:
    async with pumping(*EVENTS) as run:
        end = await run.to_end()
    assert (run.client.status, run.client.body, run.client.is_complete) == (200, ANSWER, True)
    assert (end.fault, end.reading.source) == (None, UsageSource.REPORTED)


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
async def test_how_the_provider_cuts_its_answer_does_not_matter(size: int) -> None:
    chunks = [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]
    async with pumping(*chunks) as run:
        await run.to_end()
    assert run.client.body == ANSWER


async def test_events_flow_while_the_answer_is_still_running() -> None:
    async with pumping(EVENTS[0], HANG) as run:
        running = asyncio.get_running_loop().create_task(run.to_end())
        async with asyncio.timeout(2):
            while run.client.body != EVENTS[0]:
                await asyncio.sleep(0.01)
        assert run.booked == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_running_answer_takes_the_fast_lane() -> None:
    steps = [step for event in EVENTS for step in (event, Pause(0.02))]
    async with pumping(*steps) as run:
        await run.to_end()
    assert run.client.pieces_now >= 2
    assert run.client.body == ANSWER


async def test_a_client_that_reads_slowly_gets_the_same_bytes_the_slow_way() -> None:
    steps = [step for event in EVENTS for step in (event, Pause(0.02))]
    async with pumping(*steps, client=Client(reads_slowly=True)) as run:
        await run.to_end()
    assert (run.client.pieces_now, run.client.body, run.client.is_complete) == (0, ANSWER, True)


async def test_a_client_that_becomes_slow_midway_loses_and_repeats_nothing() -> None:
    steps = [step for event in EVENTS for step in (event, Pause(0.03))]
    async with pumping(*steps) as run:
        running = asyncio.get_running_loop().create_task(run.to_end())
        while run.client.pieces_now < 1:
            await asyncio.sleep(0.005)
        run.client.reads_slowly = True
        await running
    assert run.client.body == ANSWER


async def test_a_client_that_pauses_does_not_make_the_provider_look_silent() -> None:
    settings = GatewaySettings(stream_idle_timeout_s=0.2, client_write_timeout_s=5)
    steps = [step for event in EVENTS for step in (event, Pause(0.02))]
    async with pumping(*steps, settings=settings) as run:
        running = asyncio.get_running_loop().create_task(run.to_end())
        while run.client.pieces_now < 1:
            await asyncio.sleep(0.005)
        run.client.reads_slowly, run.client.stuck = True, asyncio.Event()
        await asyncio.sleep(0.4)
        run.client.stuck.set()
        run.client.stuck = None
        end = await running
    assert end.fault is None


async def test_the_terminal_event_waits_for_the_books() -> None:
    async with pumping(*EVENTS) as run:
        await run.to_end()
    assert not run.body_when_booked.endswith(DONE)
    assert ANSWER.startswith(run.body_when_booked)


async def test_the_answer_is_booked_once_and_committed_once() -> None:
    async with pumping(*EVENTS) as run:
        end = await run.to_end()
    assert (run.booked, run.commits) == ([end], 1)


async def test_when_booking_fails_the_client_never_sees_the_end() -> None:
    async def refuse(_: StreamEnd) -> None:
        raise ConnectionError

    async with pumping(*EVENTS) as run:
        with pytest.raises(ConnectionError):
            await run.pump.run(refuse)
    assert DONE not in run.client.body
    assert not any(not m.get("more_body", True) for m in run.client.messages)


@pytest.mark.parametrize(
    ("chunks", "kind"),
    [
        ([CUT], FaultKind.UPSTREAM_CUT),
        ([], FaultKind.UPSTREAM_CUT),
        ([EVENTS[0][:20], CUT], FaultKind.UPSTREAM_CUT),
        ([HANG], FaultKind.UPSTREAM_TIMEOUT),
        ([ERROR_EVENT], FaultKind.UPSTREAM_ERROR),
    ],
)
async def test_a_fault_before_the_first_byte_is_raised_and_nothing_is_sent(
    chunks: Sequence[Step], kind: FaultKind
) -> None:
    async with pumping(*chunks) as run:
        with pytest.raises(RelayError) as caught:
            await run.to_end()
    assert (caught.value.fault.kind, run.client.messages, run.booked) == (kind, [], [])
    assert run.commits == 0


@pytest.mark.parametrize(("end", "kind"), [(CUT, FaultKind.UPSTREAM_CUT), (HANG, FaultKind.UPSTREAM_TIMEOUT)])
@pytest.mark.parametrize("pause_s", [0.0, 0.05])
async def test_a_fault_after_the_first_byte_is_booked_and_told_inside_the_stream(
    end: Step, kind: FaultKind, pause_s: float
) -> None:
    async with pumping(EVENTS[0], Pause(pause_s), EVENTS[1], end) as run:
        told = await run.to_end()
    assert told.fault is not None
    assert (told.fault.kind, len(run.booked)) == (kind, 1)
    shown = HANDLERS[CHAT].render_fault_event(told.fault, request_id="req-1", framing=StreamFraming.SSE)
    assert run.client.body == EVENTS[0] + EVENTS[1] + shown
    assert run.client.is_complete


async def test_an_in_band_error_is_the_providers_own_and_not_told_twice() -> None:
    async with pumping(EVENTS[0], Pause(0.03), ERROR_EVENT) as run:
        end = await run.to_end()
    assert end.fault is not None
    assert run.client.body == EVENTS[0] + ERROR_EVENT
    assert run.client.is_complete


async def test_half_an_event_before_a_cut_does_not_swallow_the_error() -> None:
    async with pumping(EVENTS[0], EVENTS[1][:30], Pause(0.03), CUT) as run:
        end = await run.to_end()
    assert end.fault is not None
    shown = HANDLERS[CHAT].render_fault_event(end.fault, request_id="req-1", framing=StreamFraming.SSE)
    assert shown.strip() in run.client.body.split(b"\n\n")


async def test_a_cut_behind_the_terminal_event_is_no_fault() -> None:
    async with pumping(*EVENTS, CUT) as run:
        end = await run.to_end()
    assert (end.fault, run.client.body) == (None, ANSWER)


async def test_a_connection_left_open_behind_the_terminal_event_is_waited_for_shortly() -> None:
    async with pumping(*EVENTS, HANG) as run:
        async with asyncio.timeout(2):
            end = await run.to_end()
    assert (end.fault, run.client.body, run.client.is_complete) == (None, ANSWER, True)


async def test_a_flood_behind_the_terminal_event_is_not_collected() -> None:
    flood: list[Step] = [step for _ in range(20) for step in (b": " + b"x" * 4000 + b"\n\n", Pause(0.005))]
    async with pumping(*EVENTS, *flood, held_limit=10_000) as run:
        end = await run.to_end()
    assert end.fault is None
    assert len(run.client.body) < len(ANSWER) + 25_000


async def test_a_compressed_answer_is_read_for_metering_and_leaves_plain() -> None:
    packed = gzip.compress(ANSWER)
    async with pumping(packed[:60], Pause(0.02), packed[60:], coding="gzip") as run:
        end = await run.to_end()
    assert (run.client.body, end.reading.source) == (ANSWER, UsageSource.REPORTED)


async def test_a_broken_compression_before_the_first_byte_may_fail_over() -> None:
    async with pumping(b"this is no gzip", coding="gzip") as run:
        with pytest.raises(RelayError) as caught:
            await run.to_end()
    assert caught.value.fault.kind is FaultKind.UPSTREAM_MALFORMED


async def test_a_client_that_left_lets_the_answer_be_read_and_booked_to_its_end() -> None:
    steps = [step for event in EVENTS for step in (event, Pause(0.02))]
    async with pumping(*steps) as run:
        running = asyncio.get_running_loop().create_task(run.to_end())
        while not run.client.body:
            await asyncio.sleep(0.005)
        run.client.leave()
        end = await running
    assert (end.fault, end.reading.source) == (None, UsageSource.REPORTED)
    assert len(run.client.body) < len(ANSWER)


async def test_the_first_byte_is_timed() -> None:
    before = asyncio.get_running_loop().time()
    async with pumping(Pause(0.05), *EVENTS) as run:
        end = await run.to_end()
    assert end.first_byte is not None
    assert end.first_byte - before >= 0.05
