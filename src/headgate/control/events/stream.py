"""An open page's stream: what is new, a beat while nothing is, and another look at who it is."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headgate.control.events.hub import EventHub, Listener
from headgate.control.events.topics import Told, event
from headgate.control.web.faults import AuthRefused
from headgate.control.work import Actor
from headgate.kit.clock import Clock

BEAT_S = 15.0
"""Between two signs of life: proxies close connections that are silent for a minute."""
CHECK_S = 30.0
"""Between two looks at the session: for so long an open page hears on after it was ended."""
SEND_S = 20.0
"""A page that takes nothing for so long is asleep or gone; it comes back by itself."""
RETRY_MS = 3_000

Check = Callable[[], Awaitable[Actor]]
"""Raises `AuthRefused` when the session is over."""


class EventStream(Response):
    """Joins the hub when it begins to answer, so that nothing is held by an answer that never begins."""

    def __init__(self, hub: EventHub, actor: Actor, check: Check, clock: Clock, last_id: str) -> None:
        super().__init__(media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._actor, self._check, self._clock = hub, actor, check, clock
        self._told = Told(last_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = await self._hub.join(self._actor, owner=uuid4().hex)
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_watch(receive, listener))
                try:
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    await self._tell(listener, send)
                finally:
                    watch.cancel()
        finally:
            await self._hub.leave(listener)

    async def _tell(self, listener: Listener, send: Send) -> None:
        facts = {"beat_s": BEAT_S, "is_resumed": self._told.is_resumed}
        await _send(send, b"retry: %d\n" % RETRY_MS + event("hello", self._time() | facts))
        checked = self._clock.monotonic()
        while not listener.is_gone:
            # First, so that what happens while this turn awaits wakes the next one.
            listener.wake.clear()
            if self._hub.is_ending:
                return await _end(send, "stopping")
            if self._clock.monotonic() - checked >= CHECK_S:
                checked = self._clock.monotonic()
                if not await self._is_still(listener):
                    return await _end(send, "session")
            actor = listener.actor
            for said in self._told.events(self._hub.snapshot.visible_to(actor.user_id, actor.role)):
                if not await _send(send, said):
                    return None
            try:
                async with asyncio.timeout(BEAT_S):
                    await listener.wake.wait()
            except TimeoutError:
                if not await _send(send, event("beat", self._time())):
                    return None
        return None

    async def _is_still(self, listener: Listener) -> bool:
        """Who it was; roles change. A database that is away ends no session."""
        try:
            listener.actor = await self._check()
        except AuthRefused:
            return False
        except (SQLAlchemyError, OSError):
            return True
        return True

    def _time(self) -> dict[str, object]:
        return {"server_time_ms": self._clock.now_ms()}


async def _watch(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.is_gone = True
    listener.wake.set()


async def _send(send: Send, piece: bytes) -> bool:
    """False: it is not taken."""
    try:
        async with asyncio.timeout(SEND_S):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        return False
    return True


async def _end(send: Send, reason: str) -> None:
    if await _send(send, event("bye", {"reason": reason})):
        await send({"type": "http.response.body", "body": b"", "more_body": False})
