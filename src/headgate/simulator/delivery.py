"""Carrying out a plan under its script, and booking on the bill exactly what left the house."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from headgate.kit.clock import Clock
from headgate.simulator.bill import Bill, BillLine
from headgate.simulator.dialects.contract import Dialect, Frame
from headgate.simulator.encoding import encoder_for
from headgate.simulator.plan import Plan
from headgate.simulator.script import Script
from headgate.simulator.wire import ClientGone, Receive, Send, Wire, has_left, pause

_LOOK_EVERY = 32
"""At full speed, events between two looks at whether the client is still there."""
Ending = Literal["complete", "cut", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One answer on its way."""

    dialect: Dialect
    plan: Plan
    script: Script
    request_id: str
    accept_encoding: bytes
    receive: Receive
    send: Send


class Delivery:
    def __init__(self, bill: Bill, clock: Clock, *, pace_s: float) -> None:
        self._bill = bill
        self._clock = clock
        self._pace_s = pace_s

    async def stream(self, job: Job, line: BillLine) -> None:
        """Answer with events."""
        wire, headers = self._prepare(job, line, job.dialect.stream_type)
        self._bill.open(line)
        line.usage = job.plan.usage.with_output(0)
        ending: Ending | Literal["client_gone"] = "client_gone"
        try:
            await wire.start(headers)
            ending = await self._events(job, line, wire)
            if ending != "cut":
                await wire.finish()
        except ClientGone:
            ending = "client_gone"
        finally:
            self._bill.close(line, ending, self._clock.now_ms())

    async def whole(self, job: Job, line: BillLine, body: bytes, content_type: bytes) -> None:
        """Answer with one JSON body; it was generated whole, so it is billed whole."""
        script = job.script
        wire, headers = self._prepare(job, line, content_type)
        self._bill.open(line)
        line.usage = job.plan.usage
        line.reported = None if job.plan.hides_usage else job.plan.usage
        ending: Ending | Literal["client_gone"] = "client_gone"
        is_cut = script.cut_after is not None
        if is_cut or script.malformed_after is not None:
            body, line.reported = body[: len(body) // 2], None
        if script.encoding is None and script.split is None and not is_cut:
            headers.append((b"content-length", b"%d" % len(body)))
        try:
            await wire.start(headers)
            await wire.write(body)
            ending = "cut" if is_cut else "complete"
            if not is_cut:
                await wire.finish()
        finally:
            self._bill.close(line, ending, self._clock.now_ms())

    def _prepare(
        self, job: Job, line: BillLine, content_type: bytes
    ) -> tuple[Wire, list[tuple[bytes, bytes]]]:
        encoder = encoder_for(job.script.encoding, job.accept_encoding)
        headers = [(b"content-type", content_type)]
        if encoder is not None:
            headers.append((b"content-encoding", str(job.script.encoding).encode()))
        headers += job.dialect.headers(job.request_id, job.plan, self._clock.now_ms() // 1000)
        line.usage_hidden = job.plan.hides_usage
        return Wire(job.send, line, encoder=encoder, split=job.script.split), headers

    async def _events(self, job: Job, line: BillLine, wire: Wire) -> Ending:
        script = job.script
        pace = self._pace_s if script.event_delay is None else script.event_delay
        for index, frame in enumerate(job.dialect.frames(job.plan)):
            if index == script.stall_after:
                await pause(job.receive, script.stall)
            if index == script.cut_after:
                return "cut"
            if index == script.error_after:
                await wire.write(job.dialect.error_event(job.request_id))
                return "error"
            if index == script.malformed_after:
                await wire.write(job.dialect.malformed())
            await self._rest(job, pace, index)
            await wire.write(frame.data)
            _book(job.plan, line, frame)
            if index == 0:
                await self._ping(job, wire)
        return "complete"

    async def _rest(self, job: Job, pace: float, index: int) -> None:
        if pace > 0:
            await pause(job.receive, pace)
        elif index:
            await asyncio.sleep(0)  # the loop writes now: one event, one packet
            if index % _LOOK_EVERY == 0 and has_left(job.receive):
                raise ClientGone

    async def _ping(self, job: Job, wire: Wire) -> None:
        for _ in range(job.script.pings if job.dialect.ping else 0):
            await wire.write(job.dialect.ping)


def _book(plan: Plan, line: BillLine, frame: Frame) -> None:
    usage = plan.usage if frame.output >= plan.usage.output else plan.usage.with_output(frame.output)
    line.usage = usage
    if frame.reported is not None:
        line.reported = frame.reported
