"""Every limit of an exchange ends it with its own fault, and no other limit does (spec 9.2)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from headgate.core.dialects.contract import StreamFraming
from headgate.core.faults import Fault, FaultKind
from headgate.core.world import Dialect
from headgate.kit.tasks import TaskOwner
from headgate.relay.dialects import HANDLERS
from headgate.relay.responder import Responder
from headgate.relay.watchdog import FINISH_GRACE_OVER, Watchdog, tick_for
from headgate.settings import GatewaySettings
from tests.relay.people import Client, responder_for

TICK_S = 0.01
SHORT_S = 0.05
LONG = {
    "stream_idle_timeout_s": 60, "stream_total_timeout_s": 60, "client_write_timeout_s": 60,
    "drain_timeout_s": 60, "stream_keepalive_interval_s": 0,
}  # fmt: skip


@dataclass
class Answer:
    """The upstream answer that the watchdog may abort."""

    faults: list[Fault] = field(default_factory=list)
    aborted: asyncio.Event = field(default_factory=asyncio.Event)

    def abort(self, fault: Fault) -> None:
        self.faults.append(fault)
        self.aborted.set()

    async def fault(self) -> Fault:
        async with asyncio.timeout(2):
            await self.aborted.wait()
        return self.faults[0]


@dataclass
class Watched:
    watchdog: Watchdog
    client: Client
    responder: Responder
    answer: Answer


@asynccontextmanager
async def watched(client: Client | None = None, **limits: Any) -> AsyncIterator[Watched]:
    connection, tasks, answer = client or Client(), TaskOwner("test"), Answer()
    responder = responder_for(connection)
    settings = GatewaySettings(**{**LONG, **limits})
    watchdog = Watchdog(settings, responder, connection, tasks, tick_s=TICK_S)
    watchdog.start()
    watchdog.watch(answer)
    try:
        yield Watched(watchdog, connection, responder, answer)
    finally:
        watchdog.stop()
        await tasks.close()


async def some_ticks() -> None:
    await asyncio.sleep(SHORT_S + 5 * TICK_S)


async def test_a_silent_upstream_is_ended() -> None:
    async with watched(stream_idle_timeout_s=SHORT_S) as it:
        fault = await it.answer.fault()
        assert (fault.kind, "silent" in fault.message) == (FaultKind.UPSTREAM_TIMEOUT, True)


async def test_an_upstream_that_goes_on_talking_is_not_silent() -> None:
    async with watched(stream_idle_timeout_s=SHORT_S) as it:
        for _ in range(10):
            it.watchdog.last_read = asyncio.get_running_loop().time()
            await asyncio.sleep(TICK_S)
        assert it.answer.faults == []


async def test_a_stream_that_never_ends_is_ended_although_it_talks() -> None:
    async with watched(stream_total_timeout_s=SHORT_S) as it:
        fault = await it.answer.fault()
        assert (fault.kind, "longer" in fault.message) == (FaultKind.UPSTREAM_TIMEOUT, True)


async def test_after_the_terminal_event_only_the_grace_counts() -> None:
    async with watched(stream_idle_timeout_s=SHORT_S / 2, stream_total_timeout_s=SHORT_S / 2) as it:
        it.watchdog.finish_by = asyncio.get_running_loop().time() + SHORT_S
        assert await it.answer.fault() is FINISH_GRACE_OVER


async def test_after_the_client_left_the_rest_is_read_for_the_drain_time() -> None:
    async with watched(drain_timeout_s=SHORT_S) as it:
        it.client.leave()
        assert (await it.answer.fault()).kind is FaultKind.CLIENT_GONE


async def test_draining_does_not_start_while_the_client_is_there() -> None:
    async with watched(drain_timeout_s=0) as it:
        await some_ticks()
        assert it.answer.faults == []


async def test_an_answer_is_aborted_once() -> None:
    async with watched(stream_idle_timeout_s=SHORT_S) as it:
        await it.answer.fault()
        await some_ticks()
        assert len(it.answer.faults) == 1


async def test_a_client_that_does_not_read_is_disconnected() -> None:
    async with watched(Client(stuck=asyncio.Event()), client_write_timeout_s=SHORT_S) as it:
        now = asyncio.get_running_loop().time()
        writing = asyncio.get_running_loop().create_task(it.responder.write(b"x", now))
        async with asyncio.timeout(2):
            while not it.client.is_aborted:
                await asyncio.sleep(TICK_S)
        writing.cancel()


async def test_a_quiet_client_is_not_a_slow_one() -> None:
    async with watched(client_write_timeout_s=SHORT_S) as it:
        await some_ticks()
        assert not it.client.is_aborted


async def test_a_waiting_client_is_pinged_again_and_again() -> None:
    async with watched(stream_keepalive_interval_s=SHORT_S) as it:
        it.responder.expect_stream(StreamFraming.SSE)
        ping = HANDLERS[Dialect.ANTHROPIC_MESSAGES].ping
        assert ping is not None
        async with asyncio.timeout(2):
            while it.client.body != ping * 2:
                await asyncio.sleep(TICK_S)


async def test_a_ping_never_falls_into_a_half_passed_event() -> None:
    async with watched(stream_keepalive_interval_s=SHORT_S) as it:
        it.responder.expect_stream(StreamFraming.SSE)
        it.watchdog.may_ping = lambda: False
        await some_ticks()
        assert it.client.messages == []


async def test_without_an_interval_nobody_is_pinged() -> None:
    async with watched(stream_keepalive_interval_s=0) as it:
        it.responder.expect_stream(StreamFraming.SSE)
        await some_ticks()
        assert it.client.messages == []


async def test_a_client_that_left_is_not_pinged() -> None:
    async with watched(stream_keepalive_interval_s=SHORT_S) as it:
        it.responder.expect_stream(StreamFraming.SSE)
        it.client.leave()
        await some_ticks()
        assert it.client.messages == []


async def test_a_long_answer_notes_its_progress_and_a_short_one_does_not() -> None:
    noted: list[float] = []
    loop = asyncio.get_running_loop()
    async with watched() as it:
        started = loop.time()
        it.watchdog.on_progress = lambda: noted.append(loop.time() - started)
        await some_ticks()
        assert noted == []
        await asyncio.sleep(0.6)
    (only,) = noted
    assert only >= 0.45


async def test_between_attempts_nothing_is_aborted() -> None:
    async with watched(stream_idle_timeout_s=SHORT_S) as it:
        it.watchdog.watch(None)
        await some_ticks()
        assert it.answer.faults == []


async def test_the_next_attempt_starts_with_fresh_limits() -> None:
    async with watched() as it:
        it.watchdog.finish_by = asyncio.get_running_loop().time() - 1
        it.watchdog.may_ping = lambda: False
        second = Answer()
        it.watchdog.watch(second)
        await some_ticks()
        assert second.faults == []
        assert it.watchdog.may_ping()


async def test_after_stop_no_limit_acts() -> None:
    async with watched(stream_idle_timeout_s=SHORT_S) as it:
        it.watchdog.stop()
        await some_ticks()
        assert it.answer.faults == []


@pytest.mark.parametrize(
    ("limits", "tick_s"),
    [
        ({}, 0.5),
        ({"stream_keepalive_interval_s": 0.4}, 0.1),
        ({"drain_timeout_s": 0, "finish_grace_s": 0, "stream_keepalive_interval_s": 0}, 0.25),
        ({"stream_idle_timeout_s": 0.001}, 0.02),
    ],
)
def test_it_looks_four_times_within_the_shortest_limit_but_never_more_than_fifty_times_a_second(
    limits: dict[str, float], tick_s: float
) -> None:
    assert tick_for(GatewaySettings(**limits)) == pytest.approx(tick_s)
