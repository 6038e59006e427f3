"""Commands to one Redis: those of one event-loop tick travel as one pipeline over one connection.

A writer task sends batches without waiting for answers, a reader task gives each answer to its caller: Redis
answers in
order. Every batch has a deadline that covers connecting, sending and answering. When it passes, the
connection is dropped
(answers could no longer be told apart) and everything in flight fails with `StateUnavailable`; so does
everything while the
breaker is open. Nothing is sent twice: after a failure the caller cannot know whether its command ran.
"""

import asyncio
import math
from collections import deque
from collections.abc import Coroutine
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import NoScriptError, RedisError, ResponseError

from headgate.core.limits.breaker import Breaker
from headgate.kit.secret import Secret
from headgate.kit.tasks import TaskOwner
from headgate.state.protocols import StateUnavailable
from headgate.state.redis.scripts import Script

FAILURES_TO_OPEN = 5
"""Batches that must fail in a row: one lost connection is not an outage."""
OPEN_S = 1.0
MAX_UNANSWERED = 20_000
"""Commands queued or in flight; at 50,000 commands/s this is what fits a deadline of 0.4 s."""

LATE_LOOP_GRACE_S = 0.01

Argument = str | bytes | int | float


class _Batch:
    """The commands of one tick. `unanswered` counts those that still owe an answer."""

    __slots__ = ("calls", "failed", "packed", "timer", "unanswered")

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.calls: list[asyncio.Future[Any]] = []
        self.unanswered = 0
        self.failed = False
        self.timer: asyncio.TimerHandle | None = None


class Pipeline:
    """Runs commands. Connects at the first one, reconnects after failures; `close` ends it."""

    def __init__(self, url: Secret, *, deadline_s: float) -> None:
        self._pool = ConnectionPool.from_url(
            url.reveal(), protocol=2, socket_timeout=None, socket_connect_timeout=None
        )
        self._deadline_s = deadline_s
        self._breaker = Breaker(threshold=FAILURES_TO_OPEN, open_s=OPEN_S)
        self._tasks = TaskOwner("redis")
        self._connection: AbstractConnection | None = None
        self._gathering: _Batch | None = None
        self._queued: deque[_Batch] = deque()
        self._in_flight: deque[tuple[_Batch, asyncio.Future[Any]]] = deque()
        self._unanswered = 0
        self._is_closed = False
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None

    async def call(self, *command: Argument) -> Any:
        """The answer as redis-py gives it (bytes, int, list, None). Raises `StateUnavailable`."""
        try:
            return await self._submit(command)
        except ResponseError as error:
            raise _refused(error) from None

    async def run(self, script: Script, *arguments: Argument) -> Any:
        """Run a script by its hash; its source is sent when Redis does not know it (first use, restart,
        flush)."""
        try:
            return await self._submit(("EVALSHA", script.sha, 0, *arguments))
        except NoScriptError:
            return await self.call("EVAL", script.source, 0, *arguments)
        except ResponseError as error:
            raise _refused(error) from None

    async def close(self) -> None:
        """Fail what is unanswered and what comes later, and disconnect."""
        self._is_closed = True
        await self._tasks.close()
        self._fail_everything("closed")
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
        await self._pool.disconnect()

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Background work that ends with the pipeline (giving back what a cancelled caller held)."""
        self._tasks.spawn(work, name=name)

    def _submit(self, command: tuple[Argument, ...]) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        if self._is_closed:
            raise StateUnavailable("redis: closed")
        if not self._breaker.admits(loop.time()):
            raise StateUnavailable("redis failed repeatedly; not asked again for a moment")
        if self._unanswered >= MAX_UNANSWERED:
            raise StateUnavailable(f"{self._unanswered} redis commands are unanswered")
        batch = self._gathering
        if batch is None:
            batch = self._begin_batch(loop)
        answer: asyncio.Future[Any] = loop.create_future()
        batch.packed.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub takes one part only
        batch.calls.append(answer)
        batch.unanswered += 1
        self._unanswered += 1
        return answer

    def _begin_batch(self, loop: asyncio.AbstractEventLoop) -> _Batch:
        batch = self._gathering = _Batch()
        self._queued.append(batch)
        batch.timer = loop.call_later(self._deadline_s, self._expire_soon, batch)
        self._wake.set()
        if self._writer is None or self._writer.done():
            self._writer = self._tasks.spawn(self._write(), name="writer")
        return batch

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queued:
                batch = self._queued.popleft()
                if batch is self._gathering:
                    self._gathering = None
                if not batch.failed:
                    await self._send(batch)

    async def _send(self, batch: _Batch) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                connection = self._connection or await self._connect()
                if batch.failed:  # its deadline passed while connecting
                    return
                self._in_flight.extend([(batch, answer) for answer in batch.calls])
                await connection.send_packed_command(batch.packed, check_health=False)
        except (OSError, RedisError) as error:  # TimeoutError is an OSError
            if not batch.failed:
                self._fail(batch, type(error).__name__)
                self._lose_connection(type(error).__name__)

    async def _connect(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        self._connection = connection
        self._reader = self._tasks.spawn(self._read(connection), name="reader")
        return connection

    async def _read(self, connection: AbstractConnection) -> None:
        try:
            while True:
                try:
                    answer = await connection.read_response(timeout=math.inf)
                except ResponseError as error:
                    answer = error
                self._deliver(answer)
        except (OSError, RedisError) as error:
            if connection is self._connection:
                self._reader = None
                self._lose_connection(type(error).__name__)

    def _deliver(self, answer: Any) -> None:
        batch, call = self._in_flight.popleft()
        if batch.failed:
            return
        batch.unanswered -= 1
        self._unanswered -= 1
        if not batch.unanswered:
            self._breaker.succeeded()
            if batch.timer is not None:
                batch.timer.cancel()
        if call.done():  # its caller was cancelled
            return
        if isinstance(answer, ResponseError):
            call.set_exception(answer)
        else:
            call.set_result(answer)

    def _expire_soon(self, batch: _Batch) -> None:
        """When the event loop itself was late, the answer lies in the socket already: let the reader run
        first."""
        batch.timer = asyncio.get_running_loop().call_later(LATE_LOOP_GRACE_S, self._expire, batch)

    def _expire(self, batch: _Batch) -> None:
        if not batch.failed:
            self._fail(batch, f"no answer within {self._deadline_s} s")
            self._lose_connection("deadline passed")

    def _lose_connection(self, why: str) -> None:
        """Count one failure, fail what is in flight, close the connection; the next batch opens another."""
        self._breaker.failed(asyncio.get_running_loop().time())
        connection, self._connection = self._connection, None
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
        in_flight, self._in_flight = self._in_flight, deque()
        for batch, _ in in_flight:
            self._fail(batch, why)
        if connection is not None:
            self._tasks.spawn(connection.disconnect(nowait=True), name="disconnect")

    def _fail(self, batch: _Batch, why: str) -> None:
        if batch.failed:
            return
        batch.failed = True
        self._unanswered -= batch.unanswered
        if batch is self._gathering:
            self._gathering = None
        if batch.timer is not None:
            batch.timer.cancel()
        for call in batch.calls:
            if not call.done():
                call.set_exception(StateUnavailable(f"redis: {why}"))

    def _fail_everything(self, why: str) -> None:
        for batch in [*self._queued, *(batch for batch, _ in self._in_flight)]:
            self._fail(batch, why)
        self._queued.clear()
        self._in_flight.clear()


def _refused(error: ResponseError) -> StateUnavailable:
    """Only the code of the answer (OOM, READONLY, LOADING, ...): the rest may quote data."""
    code = str(error).split(" ", 1)[0]
    return StateUnavailable(f"redis answered {code or type(error).__name__}")
