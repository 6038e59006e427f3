"""Who listens in this process, and the one look that all of them are told from: with nobody there nothing is
read, and a hundred open pages cost what one costs."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import structlog
from sqlalchemy.exc import SQLAlchemyError

from headgate.control.audit.record import Call
from headgate.control.deps import ControlDeps
from headgate.control.events.reading import look
from headgate.control.events.topics import NOTHING, Snapshot
from headgate.control.web.permissions import Permission, may
from headgate.control.work import SYSTEM, Actor, open_work
from headgate.errors import TooManyRequests, Unavailable
from headgate.kit.tasks import TaskOwner
from headgate.state.protocols import SlotLease, StateUnavailable

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Listener:
    """One open page. `actor` changes with its role."""

    actor: Actor
    lease: SlotLease | None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """There is something to say, or the page has gone."""
    is_gone: bool = False


class EventHub:
    """One per process."""

    def __init__(self, deps: ControlDeps) -> None:
        self._deps = deps
        self._listeners: set[Listener] = set()
        self._tasks = TaskOwner("events")
        self._is_looking = False
        self._hurry = asyncio.Event()
        self.snapshot: Snapshot = NOTHING
        self.is_ending = False

    def __repr__(self) -> str:
        return f"EventHub(listeners={len(self._listeners)}, is_looking={self._is_looking})"

    async def join(self, actor: Actor, owner: str) -> Listener:
        """Raises TooManyRequests (this user has too many open pages, on all workers), Unavailable."""
        settings = self._deps.settings.events
        own = Counter(listener.actor.user_id for listener in self._listeners)[actor.user_id]
        if self.is_ending or len(self._listeners) >= settings.max_per_process:
            raise Unavailable("no more open event streams here", metadata={"retry_after": "30"})
        lease = await self._lease(actor, owner) if own < settings.max_per_user else "full"
        if lease == "full":
            raise TooManyRequests(
                f"more than {settings.max_per_user} open event streams; close other pages",
                reason="EVENT_STREAMS_FULL",
                metadata={"retry_after": "30"},
            )
        listener = Listener(actor, lease)
        self._listeners.add(listener)
        self._hurry.set()
        if not self._is_looking:
            self._is_looking = True
            self._tasks.spawn(self._keep_looking(), name="look")
        return listener

    async def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if listener.lease is not None:
            try:
                await self._deps.state.slots.release(listener.lease)
            except StateUnavailable:
                return  # it ends by itself

    def end(self) -> None:
        """The process stops: every stream says so and ends."""
        self.is_ending = True
        self._wake_all()

    async def close(self) -> None:
        self.end()
        await self._tasks.close()

    async def _lease(self, actor: Actor, owner: str) -> SlotLease | None | Literal["full"]:
        """Over all workers; None while the shared state is away: then this process counts alone."""
        name, limit = f"events:{actor.user_id}", self._deps.settings.events.max_per_user
        try:
            return await self._deps.state.slots.try_acquire(name, limit=limit, owner=owner) or "full"
        except StateUnavailable:
            return None

    async def _keep_looking(self) -> None:
        interval_s = self._deps.settings.events.interval_s
        try:
            while self._listeners and not self.is_ending:
                self._hurry.clear()
                await self.look()
                await self._renew()
                try:
                    async with asyncio.timeout(interval_s):
                        await self._hurry.wait()
                except TimeoutError:
                    pass
        finally:
            self._is_looking = False
            self.snapshot = NOTHING  # whoever comes next is not told what was

    async def look(self) -> None:
        """Once; who must be told something is woken. What cannot be read stays as it was."""
        actors = [listener.actor for listener in self._listeners]
        is_staff_there = any(may(actor.role, Permission.READ) for actor in actors)
        users = {actor.user_id for actor in actors}
        try:
            async with open_work(self._deps, SYSTEM, call=Call(action="events", is_read=True)) as work:
                found = await look(work, self._deps, users, is_staff_there=is_staff_there)
        except (SQLAlchemyError, OSError) as error:
            log.warning("events_not_read", error=type(error).__name__)
            return
        if found != self.snapshot:
            self.snapshot = found
            self._wake_all()

    async def _renew(self) -> None:
        leases = [listener.lease for listener in self._listeners if listener.lease is not None]
        try:
            await self._deps.state.slots.renew(leases)
        except StateUnavailable:
            log.warning("event_leases_not_renewed")

    def _wake_all(self) -> None:
        for listener in self._listeners:
            listener.wake.set()
