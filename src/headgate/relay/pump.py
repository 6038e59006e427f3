"""Moving one answer from the provider to the client: streamed event by event, or whole.

The shell obeys: what a chunk means is decided by the `ResponseStream`; this module only awaits. The answer's
end is held back until `book` has committed the settlement (DESIGN 5: committed before the last byte reaches
the client).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from headgate.core.dialects.contract import Reading, ResponseStream
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.relay.responder import RawHeaderList, Responder
from headgate.relay.stream_cover import NEVER, StreamCover
from headgate.relay.watchdog import FINISH_GRACE_OVER, Watchdog

OUR_OWN_ENDS = frozenset({FaultKind.BUDGET_ENDED, FaultKind.STATE_UNAVAILABLE})
"""What ends a stream although the provider would go on."""


class ByteSource(Protocol):
    """An upstream answer's body (upstream/call.py)."""

    async def read_chunk(self) -> bytes | None: ...

    def listen(self, listener: Callable[[bytes], bool]) -> None: ...


class Decoder(Protocol):
    """Undoes a content coding (upstream/decode.py)."""

    def feed(self, chunk: bytes) -> bytes: ...


class StreamEnd(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How a streamed answer ended. `fault` None: complete."""

    reading: Reading
    fault: Fault | None
    first_byte: float | None
    """Monotonic loop time of the first client-visible byte."""


Book = Callable[[StreamEnd], Awaitable[None]]


class StreamPump:
    """Pumps one streamed answer. Before the first client-visible byte a fault is raised, so that the caller
    may fail over."""

    def __init__(
        self,
        source: ByteSource,
        stream: ResponseStream,
        responder: Responder,
        watchdog: Watchdog,
        *,
        head: RawHeaderList,
        decoder: Decoder | None,
        held_limit: int,
        finish_grace_s: float,
        on_commit: Callable[[], None],
        fail_points: FailPoints = NO_FAIL_POINTS,
        cover: StreamCover | None = None,
    ) -> None:
        self._source = source
        self._stream = stream
        self._responder = responder
        self._watchdog = watchdog
        self._head = head
        self._decoder = decoder
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._is_live = False
        """The head and the first bytes are out."""
        self._left = b""
        """What the fast lane could not send."""
        self._held_limit = held_limit
        self._grace_s = finish_grace_s
        self._on_commit = on_commit
        self._fail_points = fail_points
        self._cover = cover
        self._passed = 0
        """Bytes of the answer that went out."""
        self._check_at = NEVER if cover is None else cover.check_at
        self._first_byte: float | None = None
        self._loop = asyncio.get_running_loop()

    async def run(self, book: Book) -> StreamEnd:
        """Pump to the end, book, then let the last bytes go. Raises `RelayError` before the commit point."""
        broken = await self._pump()
        if broken is not None and self._cover is not None and broken.kind in OUR_OWN_ENDS:
            tail = self._stream.cut_short(broken, self._cover.final_usage())
        else:
            tail = self._stream.close()
        fault = broken or self._stream.fault
        if fault is not None and not self._stream.committed:
            raise RelayError(fault)
        end = StreamEnd(reading=self._stream.reading(), fault=fault, first_byte=self._first_byte)
        await book(end)
        await self._release(tail, fault)
        return end

    async def _pump(self) -> Fault | None:
        """Read until the end, a fault, or the grace after the terminal event. Returns the fault that broke
        the reading. Ordinary events of a running answer do not come here: see `_relay_now`."""
        stream, watchdog, decoder = self._stream, self._watchdog, self._decoder
        read, time = self._source.read_chunk, self._loop.time
        try:
            while (chunk := await read()) is not None:
                watchdog.last_read = now = time()
                out = (
                    self._take_left() if not chunk else stream.feed(decoder.feed(chunk) if decoder else chunk)
                )
                if out:
                    await self._pass(out, now)
                    self._passed += len(out)
                    watchdog.last_read = (
                        time()
                    )  # the time in which the client was waited for is not the provider's
                if stream.fault is not None and not stream.fault_shown:
                    return stream.fault
                if self._passed >= self._check_at and (fault := await self._covered()) is not None:
                    return fault
                if stream.finished and watchdog.finish_by is None:
                    watchdog.finish_by = now + self._grace_s
                elif self._is_live and decoder is None and not stream.finished:
                    self._source.listen(self._relay_now)
        except RelayError as error:
            return None if error.fault is FINISH_GRACE_OVER or stream.finished else error.fault
        return None

    def _relay_now(self, chunk: bytes) -> bool:
        """The fast lane: from socket to socket in one call, no task switch (measured: 4 us less per event).

        False hands over to `_pump`: the answer ends, something went wrong, or the client reads slowly."""
        stream = self._stream
        self._watchdog.last_read = now = self._loop.time()
        out = stream.feed(chunk)
        if stream.finished or stream.fault is not None or (out and not self._responder.write_now(out, now)):
            self._left = out
            return False
        self._fail_points.reach(FailPoint.MID_STREAM)
        self._passed += len(out)
        if self._passed >= self._check_at:
            return self._is_covered()
        return True

    def _is_covered(self) -> bool:
        """The reservation lasts, or grows beside the stream; False: `_pump` must wait for it."""
        cover = self._cover
        if cover is None or not cover.is_covered(self._passed):
            return False
        self._check_at = cover.check_at
        return True

    async def _covered(self) -> Fault | None:
        cover = self._cover
        if cover is None or self._stream.finished:
            return None
        fault = None if cover.is_covered(self._passed) else await cover.ensure(self._passed)
        self._check_at = cover.check_at
        return fault

    def _take_left(self) -> bytes:
        left, self._left = self._left, b""
        return left

    async def _pass(self, out: bytes, now: float) -> None:
        """The first bytes of the answer, which commit it, and the last ones, which wait for the books."""
        if self._first_byte is None:
            self._first_byte = now
            self._on_commit()
        if not self._stream.finished:
            if not self._is_live:
                await self._responder.stream_head(self._head)
            await self._responder.write(out, now)
            self._fail_points.reach(FailPoint.MID_STREAM if self._is_live else FailPoint.AFTER_FIRST_BYTE)
            self._is_live = True
            return
        self._held.append(out)
        self._held_bytes += len(out)
        if self._held_bytes > self._held_limit:
            message = "The upstream went on after its terminal event"
            raise RelayError(Fault(kind=FaultKind.UPSTREAM_MALFORMED, message=message))

    async def _release(self, tail: bytes, fault: Fault | None) -> None:
        responder = self._responder
        self._fail_points.reach(FailPoint.BEFORE_LAST_BYTE)
        await responder.stream_head(self._head)
        last = b"".join(self._held) + tail
        if last:
            await responder.write(last, self._loop.time())
        if fault is not None and not self._stream.fault_shown:
            await responder.fail(fault)
        else:
            await responder.finish()
        self._fail_points.reach(FailPoint.AFTER_LAST_BYTE)
