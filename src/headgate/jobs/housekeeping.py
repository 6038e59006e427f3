"""Background work of a gateway process, every piece with a name and an owner."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from headgate.kit.tasks import TaskOwner
from headgate.observability.logging import BufferedLines
from headgate.settings import LimitsSettings
from headgate.state.protocols import SharedState, StateUnavailable
from headgate.storage.journal import StorageUnavailable

log = structlog.get_logger(__name__)

_FLUSH_S = 0.1
_PRESENCES_PER_TTL = 6
"""How often a process says that it lives, so that several misses do not make it dead."""
_RENEWALS_PER_TTL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something done again and again; when the database or the state fails, it waits for the next time."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[int]]
    """How many things it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Housekeeping:
    process_id: str
    limits: LimitsSettings
    state: SharedState
    lines: BufferedLines
    directory_watch: Callable[[], Coroutine[Any, Any, None]]
    lease_heartbeat: Callable[[], Coroutine[Any, Any, None]]
    recover: Callable[[], Awaitable[int]]
    chores: Sequence[Chore] = ()

    async def start(self, tasks: TaskOwner) -> None:
        """Announce this process, complete what dead ones left open, then work in the background until the
        owner closes."""
        presence = await self._announce()
        await self.recover()
        tasks.spawn(self._flush_logs(), name="flush_logs")
        tasks.spawn(self.directory_watch(), name="watch_directory")
        tasks.spawn(self.lease_heartbeat(), name="renew_leases")
        tasks.spawn(self._keep_reservations(), name="renew_reservations")
        tasks.spawn(self._sweep(), name="sweep_and_recover")
        tasks.spawn(self._stay_present(presence), name="stay_present")
        for chore in self.chores:
            tasks.spawn(_repeat(chore), name=chore.name)

    async def _announce(self) -> str | None:
        return await self.state.locks.acquire(f"process:{self.process_id}", ttl_s=self.limits.process_ttl_s)

    async def _stay_present(self, token: str | None) -> None:
        while True:
            await asyncio.sleep(self.limits.process_ttl_s / _PRESENCES_PER_TTL)
            try:
                if token is None or not await self.state.locks.renew(
                    f"process:{self.process_id}", token, ttl_s=self.limits.process_ttl_s
                ):
                    token = await self._announce()
            except StateUnavailable:
                log.warning("presence_not_renewed")

    async def _keep_reservations(self) -> None:
        ttl_s = self.limits.reservation_ttl_s
        while True:
            await asyncio.sleep(ttl_s / _RENEWALS_PER_TTL)
            try:
                await self.state.reservations.renew(ttl_s=ttl_s)
            except StateUnavailable:
                log.warning("reservations_not_renewed")

    async def _sweep(self) -> None:
        """Drop what nobody keeps; complete what processes left open that died while we ran."""
        while True:
            await asyncio.sleep(self.limits.sweep_interval_s)
            try:
                expired = await self.state.reservations.sweep()
                if expired:
                    log.warning("reservations_expired", count=expired)
                await self.recover()
            except (StateUnavailable, StorageUnavailable) as error:
                log.warning("sweep_skipped", error=type(error).__name__)

    async def _flush_logs(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            self.lines.flush()


async def _repeat(chore: Chore) -> None:
    while True:
        await asyncio.sleep(chore.every_s)
        try:
            done = await chore.run()
        except (StateUnavailable, StorageUnavailable, SQLAlchemyError) as error:
            log.warning("chore_skipped", chore=chore.name, error=type(error).__name__)
        else:
            if done:
                log.info("chore_done", chore=chore.name, count=done)
