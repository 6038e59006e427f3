"""All time limits of one exchange on one timer, so that the pump pays nothing per chunk.

Watches: silence of the upstream, the whole length of the stream, the grace after the terminal event, the
drain after the client left, a client that does not read, and the client's need for a ping.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from headgate.core.faults import Fault, FaultKind
from headgate.kit.tasks import TaskOwner
from headgate.relay.exchange import ClientConnection
from headgate.relay.responder import Responder
from headgate.settings import GatewaySettings

PROGRESS_FIRST_S = 0.5
"""Less than a tick, so that the first tick of an answer (one second by default) notes it."""
PROGRESS_EVERY_S = 5.0


class Abortable(Protocol):
    def abort(self, fault: Fault) -> None:
        """Make the pending read raise `RelayError(fault)`, at once."""
        ...


class Watchdog:
    """One per exchange; armed by `start`, disarmed by `stop`."""

    __slots__ = (
        "_answer",
        "_connection",
        "_deadline",
        "_gone_since",
        "_handle",
        "_has_head",
        "_loop",
        "_responder",
        "_settings",
        "_tasks",
        "_tick_s",
        "finish_by",
        "last_read",
        "_progress_due",
        "may_ping",
        "on_progress",
    )

    def __init__(
        self,
        settings: GatewaySettings,
        responder: Responder,
        connection: ClientConnection,
        tasks: TaskOwner,
        *,
        tick_s: float,
    ) -> None:
        self._settings = settings
        self._responder = responder
        self._connection = connection
        self._tasks = tasks
        self._tick_s = tick_s
        self._loop = asyncio.get_running_loop()
        self._answer: Abortable | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._gone_since: float | None = None
        self._has_head = False
        self.last_read = self._loop.time()
        self._deadline = self.last_read + settings.stream_total_timeout_s
        self.finish_by: float | None = None
        self.may_ping: Callable[[], bool] = _always
        self.on_progress: Callable[[], None] | None = None
        """Called when an answer has lasted about a second, and then every few seconds: time to note durably
        what is known of it. Short answers never pay for it."""
        self._progress_due = 0.0

    def start(self) -> None:
        self._handle = self._loop.call_later(self._tick_s, self._tick)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._answer = None
        self.on_progress = None

    def watch(self, answer: Abortable | None, *, has_head: bool = True) -> None:
        """The upstream call that a limit may abort; None between attempts. Before the answer's head the
        client library's own, longer limit counts the silence."""
        self._answer = answer
        self._has_head = has_head
        self.last_read = self._loop.time()
        self.finish_by = None
        self.may_ping = _always
        self.on_progress = None
        self._progress_due = self.last_read + PROGRESS_FIRST_S

    def end(self, fault: Fault) -> None:
        """Abort the running upstream call, if there is one."""
        if self._answer is not None:
            self._answer.abort(fault)
            self._answer = None

    def _tick(self) -> None:
        self._handle = self._loop.call_later(self._tick_s, self._tick)
        now = self._loop.time()
        self._watch_client(now)
        if self._answer is not None and (fault := self._limit_passed(now)) is not None:
            self.end(fault)
        if self.on_progress is not None and now >= self._progress_due:
            self._progress_due = now + PROGRESS_EVERY_S
            self.on_progress()

    def _limit_passed(self, now: float) -> Fault | None:
        settings = self._settings
        if self.finish_by is not None:
            return FINISH_GRACE_OVER if now >= self.finish_by else None
        if self._gone_since is not None and now - self._gone_since >= settings.drain_timeout_s:
            return Fault(kind=FaultKind.CLIENT_GONE, message="The client left and the drain time is over")
        if now >= self._deadline:
            return Fault(
                kind=FaultKind.UPSTREAM_TIMEOUT, message="The answer took longer than the gateway allows"
            )
        if self._responder.writing_since is not None or not self._has_head:
            return None  # it is the client who is slow, or the provider has not begun
        if now - self.last_read >= settings.stream_idle_timeout_s:
            return Fault(kind=FaultKind.UPSTREAM_TIMEOUT, message="The upstream fell silent")
        return None

    def _watch_client(self, now: float) -> None:
        if self._connection.is_gone:
            self._gone_since = self._gone_since or now
            return
        writing_since = self._responder.writing_since
        if writing_since is not None:
            if now - writing_since >= self._settings.client_write_timeout_s:
                self._connection.abort()
            return
        interval = self._settings.stream_keepalive_interval_s
        if interval and now - self._responder.last_write >= interval and self.may_ping():
            self._tasks.spawn(self._responder.ping(), name="ping")


FINISH_GRACE_OVER = Fault(
    kind=FaultKind.UPSTREAM_CUT, message="The connection stayed open after the terminal event"
)


def _always() -> bool:
    return True


def tick_for(settings: GatewaySettings) -> float:
    """How often to look: a quarter of the shortest limit, between 20 ms and one second."""
    limits = (
        settings.stream_idle_timeout_s,
        settings.stream_total_timeout_s,
        settings.client_write_timeout_s,
        settings.finish_grace_s or 1.0,
        settings.drain_timeout_s or 1.0,
        settings.stream_keepalive_interval_s or 10.0,
    )
    return min(1.0, max(0.02, min(limits) / 4))
