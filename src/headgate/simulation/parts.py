"""The data plane's parts for a run: real ones but for what touches the outside."""

import asyncio
from dataclasses import dataclass, fields
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.faults import RelayError
from headgate.core.limits.admission import check_caller
from headgate.core.pricing.book import PriceBook
from headgate.data_plane import Foundation, build_pipeline
from headgate.kit.crypto import Vault
from headgate.kit.fail_points import NO_FAIL_POINTS
from headgate.kit.tasks import TaskOwner
from headgate.observability.logging import BufferedLines
from headgate.observability.metrics import RelayMetrics
from headgate.relay.billing_gate import BillingGate
from headgate.relay.body import BodyReader, Receive
from headgate.relay.client_rules import ClientRules
from headgate.relay.directory import Directory, PriceBookBuilder
from headgate.relay.exchange import Exchange
from headgate.relay.leases import LeaseKeeper
from headgate.relay.pipeline import Pipeline
from headgate.relay.responder import Responder
from headgate.relay.slot_queue import SlotQueue
from headgate.relay.watchdog import Watchdog
from headgate.simulation.attempts import SimulatedAttempts
from headgate.simulation.people import Purses
from headgate.simulation.provider import SimulatedProvider
from headgate.simulation.virtual_time import VirtualClock
from headgate.simulation.world import SnapshotModel, World
from headgate.state.memory import open_memory_state
from headgate.state.protocols import ReservationStore
from headgate.storage.journal import Journal, Settlement
from headgate.storage.read_model import DirectoryData
from headgate.upstream.clients import ClientPool

_RENEW_S = 15


class _Pipeline(Pipeline):
    """The real one past the point where a request is known: it has neither key nor body."""

    async def _authenticate(self, exchange: Exchange) -> None:
        """Who it is, is known; whether the group's subscription is there, is asked as ever."""
        caller = exchange.caller
        fault = check_caller(
            caller.key, caller.user, caller.group, now_ms=exchange.started_at_ms, client_ip=""
        )
        if fault is not None:
            raise RelayError(fault)

    async def _read(self, exchange: Exchange, receive: Receive) -> None:
        return

    def _peek(self, exchange: Exchange, responder: Responder) -> None:
        return


class _NoBodies:
    """Instead of a `BodyReader`: there are no bodies to free."""

    def free(self, exchange: Exchange) -> None:
        return


class Patient:
    """A client that never leaves."""

    is_gone = False

    def on_gone(self, callback: Any) -> None:
        return

    def write_piece(self, data: bytes) -> bool:
        return True

    def abort(self) -> None:
        return


class _NoWatchdog:
    def start(self) -> None:
        return

    def stop(self) -> None:
        return


NO_WATCHDOG = cast(Watchdog, _NoWatchdog())
NO_RESPONDER = cast(Responder, None)


async def no_body() -> Any:
    raise AssertionError("nothing is read")


class _Books:
    """Instead of a journal: settlements by exchange; error marks switch the account off."""

    def __init__(self, model: SnapshotModel) -> None:
        self._model = model
        self._settled: dict[str, list[Settlement]] = {}
        self.directory: Directory | None = None

    async def settle(self, settlement: Settlement) -> None:
        self._model.pay(settlement)
        self._settled.setdefault(settlement.intent.exchange_id, []).append(settlement)

    async def mark_account(self, account_id: int, *, error: str | None = None, **_: Any) -> None:
        if error is not None and self.directory is not None:
            self._model.switch_off(account_id)
            await self.directory.refresh()

    def taken(self, exchange_id: str) -> list[Settlement]:
        return self._settled.pop(exchange_id, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    pipeline: Pipeline
    attempts: SimulatedAttempts
    journal: _Books
    leases: LeaseKeeper
    tasks: TaskOwner
    reservations: ReservationStore
    purses: Purses
    ttl_s: int

    async def keep(self) -> None:
        """What `jobs.housekeeping` does for reservations."""
        while True:
            await asyncio.sleep(_RENEW_S)
            await self.reservations.renew(ttl_s=self.ttl_s)


async def build_gateway(
    world: World, clock: VirtualClock, provider: SimulatedProvider, build_prices: PriceBookBuilder
) -> Gateway:
    """Wired by `data_plane.build_pipeline`; only the attempts and what has no meaning here are other ones."""
    settings, tasks = world.settings, TaskOwner("sim")
    state = open_memory_state(clock, settings.limits)
    model = SnapshotModel(world.data, clock)
    books = _Books(model)
    directory = Directory(model, Vault(bytes(32)), clock, _priced_once(build_prices))
    books.directory = directory
    await directory.refresh()
    base = Foundation(
        settings=settings,
        vault=Vault(bytes(32)),
        clock=clock,
        engine=cast(AsyncEngine, None),
        state=state,
        journal=cast(Journal, books),
        lines=cast(BufferedLines, None),
        fail_points=NO_FAIL_POINTS,
    )
    leases = LeaseKeeper(state.slots, lease_s=settings.limits.slot_lease_s)
    real = build_pipeline(
        base,
        directory,
        model,
        cast(ClientPool, None),
        BillingGate(settings.billing.circuit_breaker, clock),
        cast(BodyReader, _NoBodies()),
        leases,
        RelayMetrics(),
        SlotQueue(state.slots, tasks),
        tasks,
        ClientRules(directory, clock),
    )
    served = real.attempts
    attempts = SimulatedAttempts(provider, served.settler, served.health, served.records, clock)
    parts: dict[str, Any] = {field.name: getattr(real, field.name) for field in fields(real)}
    return Gateway(
        pipeline=_Pipeline(**parts | {"attempts": attempts}),
        attempts=attempts,
        journal=books,
        leases=leases,
        tasks=tasks,
        reservations=state.reservations,
        purses=model.purses,
        ttl_s=settings.limits.reservation_ttl_s,
    )


def _priced_once(build: PriceBookBuilder) -> PriceBookBuilder:
    """The prices do not change with an account's mark."""
    made: dict[bool, PriceBook] = {}

    def book(data: DirectoryData) -> PriceBook:
        is_empty = data.version < 0
        if is_empty not in made:
            made[is_empty] = build(data)
        return made[is_empty]

    return book
