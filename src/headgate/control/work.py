"""One piece of management work: a transaction, who does it, and what must happen once it is committed.

Requests, CLI commands and bootstrap all run in a `Work`. Nobody calls `session.commit()`; leaving
`open_work` does, once.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.audit.record import Call, record_change
from headgate.control.audit.trail import ChangeTrail
from headgate.control.deps import UnitOfWork, WorkDeps
from headgate.kit.clock import instant
from headgate.kit.fail_points import FailPoint
from headgate.state.protocols import StateUnavailable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks. `role` is the user's; `via` tells a browser or API token from the admin key or the command
    line."""

    user_id: int
    email: str
    role: str
    via: str
    session: str = ""
    """The session of an access token, when it belongs to one."""


SYSTEM = Actor(user_id=0, email="", role="admin", via="system")
"""The command line and the first start."""


class Work:
    """Transaction, actor and clock of one request; collects what to announce after the commit."""

    def __init__(
        self,
        deps: WorkDeps,
        uow: UnitOfWork,
        actor: Actor | None,
        call: Call,
        idempotency_key: str | None,
    ) -> None:
        self.deps = deps
        self.call = call
        """How the audit log names this work; pieces in transactions of their own take it along."""
        self.recognised: Actor | None = None
        """Who turned out to call a public route, such as whoever logged in."""
        self.idempotency_key = idempotency_key
        self.was_replayed = False
        """True when an Idempotency-Key had been seen before and nothing was done again."""
        self._uow = uow
        self._actor = actor
        self._bounds: list[str] = []
        self._afterwards: list[Callable[[], None]] = []

    @property
    def session(self) -> AsyncSession:
        return self._uow.session

    @property
    def actor(self) -> Actor:
        """Raises AssertionError on a public route: those have nobody to ask about."""
        assert self._actor is not None, "a public route has no actor"
        return self._actor

    @property
    def actor_id(self) -> int | None:
        """For the books: None for the system itself."""
        return self.actor.user_id or None

    def act_as(self, actor: Actor) -> None:
        """On a public route: in whose name the rest happens, such as the system's for a newcomer."""
        assert self._actor is None, "somebody known acts already"
        self._actor = actor

    def now_ms(self) -> int:
        return self.deps.clock.now_ms()

    def now(self) -> datetime:
        return instant(self.now_ms())

    async def release_connection(self) -> None:
        """Give the database connection back while something slow runs. Only before the first write; rows read
        before must be read again."""
        has_changes = bool(self.session.new or self.session.dirty)
        assert not has_changes, "release_connection would lose a change"
        await self.session.rollback()

    def touch_directory(self) -> None:
        """The data plane must see this change."""
        self._uow.touch_directory()

    def bounds_changed(self, *bounds: str) -> None:
        """These spending bounds changed: reservations re-read them after the commit."""
        self._bounds.extend(bounds)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Something that must not happen unless the change does; it must not fail."""
        self._afterwards.append(act)

    def reach(self, place: FailPoint) -> None:
        """Where a test may end this process, when the work moves money."""
        if self._bounds:
            self.deps.fail_points.reach(place)

    async def announce(self) -> None:
        """After the commit. A state store that is down loses nothing: it reads settled values afresh when
        it is back."""
        for act in self._afterwards:
            act()
        if not self._bounds:
            return
        try:
            await self.deps.on_bounds_changed(self._bounds)
        except StateUnavailable:
            log.warning("bounds_not_announced", bounds=self._bounds)


@asynccontextmanager
async def open_work(
    deps: WorkDeps, actor: Actor | None, *, call: Call | None = None, idempotency_key: str | None = None
) -> AsyncIterator[Work]:
    """Run a piece of work: commit when the block ends well, with its row in the audit log, then announce.

    A call by somebody known is on record even when it changed nothing; commands and calls by strangers only
    when they did.
    """
    is_named = call is not None
    call = call or Call(action=deps.command)
    async with deps.uow() as uow:
        work = Work(deps, uow, actor, call, idempotency_key)
        trail = None if call.is_read else ChangeTrail(uow.session)
        yield work
        doer = work.recognised or actor
        if trail is not None and not work.was_replayed:
            always = is_named and doer is not None
            await record_change(uow.session, call, doer, trail, now_ms=work.now_ms(), always=always)
        work.reach(FailPoint.BEFORE_MANAGEMENT_COMMIT)
    work.reach(FailPoint.AFTER_MANAGEMENT_COMMIT)
    await work.announce()
