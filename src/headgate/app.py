"""The composition root: builds every part once, wires them downward, and takes them apart in reverse
order."""

import ipaddress
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.control.app import create_control_app
from headgate.control.bootstrap import FirstAdmin, ensure_admin
from headgate.control.deps import ControlDeps
from headgate.control.live import SlotLoads
from headgate.errors import StartupError
from headgate.jobs.housekeeping import Housekeeping
from headgate.kit.clock import Clock, SystemClock
from headgate.kit.crypto import Vault
from headgate.kit.tasks import TaskOwner
from headgate.observability.logging import configure_logging
from headgate.observability.metrics import RelayMetrics
from headgate.operations_endpoints import OperationsEndpoints
from headgate.prices import price_book_builder
from headgate.relay.account_tester import LiveAccountTester
from headgate.relay.admission import Admission
from headgate.relay.attempt import AttemptRunner
from headgate.relay.authentication import Authenticator
from headgate.relay.body import BodyReader
from headgate.relay.directory import Directory
from headgate.relay.gateway import Gateway, TrustedProxies
from headgate.relay.leases import LeaseKeeper
from headgate.relay.local import LocalAnswers
from headgate.relay.picker import Picker
from headgate.relay.pipeline import Pipeline
from headgate.relay.recovery import complete_open_intents
from headgate.relay.reserver import Reserver
from headgate.relay.settlement import Settler
from headgate.relay.slot_queue import SlotQueue
from headgate.secrets_file import open_vault
from headgate.settings import Settings
from headgate.state import open_state
from headgate.state.protocols import SharedState
from headgate.storage.engine import check_reachable, create_engine, database_target, session_factory
from headgate.storage.journal import Journal
from headgate.storage.journal_opening import open_journal
from headgate.storage.migrate import upgrade
from headgate.storage.read_model import ReadModel
from headgate.storage.unit_of_work import UnitOfWork
from headgate.upstream.clients import ClientPool
from headgate.upstream.guard import AddressGuard

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A running gateway without its socket."""

    asgi: Asgi
    settings: Settings
    directory: Directory
    gateway: Gateway
    first_admin: FirstAdmin | None
    """Set when this start created the admin: its password is printed once."""
    uow: Callable[[], UnitOfWork]
    vault: Vault
    clock: Clock

    def drain(self) -> None:
        """Refuse new exchanges from now on; running ones go on to their end."""
        self.gateway.is_draining = True


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    """Build, start the background work, and close everything in reverse order at the end.

    Raises `StartupError` with one line that says what to do."""
    check_workers(settings)
    async with AsyncExitStack() as stack:
        lines = configure_logging(settings.log)
        stack.callback(lines.flush)
        vault, clock = open_vault(settings), SystemClock()
        engine = await open_database(settings, stack)
        sessions = session_factory(engine)

        def uow() -> UnitOfWork:
            return UnitOfWork(sessions)

        first_admin = await ensure_admin(uow, settings, clock)
        state = open_state(settings, clock)
        stack.push_async_callback(state.close)
        process_id = secrets.token_hex(8)
        journal = await open_journal(settings, clock, process_id)
        stack.push_async_callback(journal.close)
        parts = await _wire(settings, vault, clock, engine, state, journal, stack)
        housekeeping = Housekeeping(
            process_id=process_id,
            state=state,
            lines=lines,
            directory_watch=parts.directory.watch,
            lease_heartbeat=parts.pipeline.leases.run,
            recover=lambda: complete_open_intents(journal, parts.directory, state.locks, clock),
        )
        await housekeeping.start(parts.tasks)
        control = create_control_app(_control_deps(settings, uow, vault, clock, state, parts))
        operations = OperationsEndpoints(engine, state, parts.metrics, parts.directory, settings)
        yield Application(
            asgi=_dispatcher(parts.gateway, control, operations),
            settings=settings,
            directory=parts.directory,
            gateway=parts.gateway,
            first_admin=first_admin,
            uow=uow,
            vault=vault,
            clock=clock,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    directory: Directory
    pipeline: Pipeline
    gateway: Gateway
    clients: ClientPool
    guard: AddressGuard
    metrics: RelayMetrics
    tasks: TaskOwner


async def open_database(settings: Settings, stack: AsyncExitStack) -> AsyncEngine:
    """Reachable, writable and on the newest schema."""
    target = database_target(settings)
    engine = create_engine(target)
    stack.push_async_callback(engine.dispose)
    await check_reachable(engine, target)
    await upgrade(engine)
    return engine


async def _wire(
    settings: Settings,
    vault: Vault,
    clock: Clock,
    engine: AsyncEngine,
    state: SharedState,
    journal: Journal,
    stack: AsyncExitStack,
) -> _Parts:
    """The data plane, bottom up."""
    gateway_settings = settings.gateway
    metrics, tasks = RelayMetrics(), TaskOwner("gateway")
    stack.push_async_callback(tasks.close)
    read_model = ReadModel(engine, vault, clock)
    directory = Directory(read_model, vault, clock, price_book_builder(settings.pricing))
    await directory.refresh()
    guard = AddressGuard(settings.security.url_allowlist, clock=clock)
    clients = ClientPool(guard, gateway_settings, clock=clock)
    stack.push_async_callback(clients.close)
    reserver = Reserver(state.reservations, read_model, clock, settings.limits)
    directory.on_refreshed.append(reserver.forget_all)
    queueing = SlotQueue(state.slots, tasks)
    leases = LeaseKeeper(state.slots, lease_s=settings.limits.slot_lease_s)
    bodies = BodyReader(gateway_settings, settings.server)
    settler = Settler(directory, journal, state.reservations, clock, metrics)
    attempts = AttemptRunner(
        clients, journal, settler, state.cooldowns, clock, metrics, bodies, gateway_settings
    )
    authenticator = Authenticator(directory, clock)
    pipeline = Pipeline(
        authenticator=authenticator,
        bodies=bodies,
        admission=Admission(directory, reserver, state, queueing, leases, gateway_settings, settings.limits),
        picker=Picker(directory, state, queueing, clock, gateway_settings),
        attempts=attempts,
        leases=leases,
        settings=gateway_settings,
    )
    local = LocalAnswers(authenticator, directory, read_model, clock)
    gateway = Gateway(
        pipeline, local, journal, clock, metrics, tasks, gateway_settings, trusted_networks(settings)
    )
    metrics.gauges["headgate_settlement_lag_seconds"] = (
        "Age of the oldest settlement not committed",
        journal.lag_s,
    )
    metrics.gauges["headgate_slots_held"] = ("Slots held by this process", lambda: len(leases))
    metrics.gauges["headgate_body_bytes_held"] = ("Request bodies in memory", lambda: bodies.held_bytes)
    metrics.gauges["headgate_directory_version"] = (
        "Version of the snapshot in use",
        lambda: directory.version,
    )
    return _Parts(
        directory=directory,
        pipeline=pipeline,
        gateway=gateway,
        clients=clients,
        guard=guard,
        metrics=metrics,
        tasks=tasks,
    )


def _control_deps(
    settings: Settings,
    uow: Callable[[], UnitOfWork],
    vault: Vault,
    clock: Clock,
    state: SharedState,
    parts: _Parts,
) -> ControlDeps:
    async def forget_bounds(bounds: list[str]) -> None:
        await state.reservations.forget(bounds)

    return ControlDeps(
        settings=settings,
        uow=uow,
        vault=vault,
        clock=clock,
        state=state,
        on_bounds_changed=forget_bounds,
        account_tester=LiveAccountTester(parts.directory, parts.clients),
        check_base_url=parts.guard.problem_with,
        live=SlotLoads(state.slots),
        prices=lambda: parts.directory.prices,
    )


def _dispatcher(gateway: Gateway, control: Asgi, operations: OperationsEndpoints) -> Asgi:
    """Three planes behind one port, told apart by path alone."""

    async def dispatch(
        scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if operations.serves(path):
            await operations(scope, receive, send)
        elif path.startswith("/api/") and path != "/api/event_logging/batch":
            await control({**scope, "root_path": "/api"}, receive, send)
        else:
            await gateway(scope, receive, send)

    return dispatch


def check_workers(settings: Settings) -> None:
    """More than one process needs shared state and a database that many may write. Raises `StartupError`."""
    if settings.server.workers == 1:
        return
    if settings.redis.url is None:
        raise StartupError(
            f"configuration server.workers: {settings.server.workers} processes share slots and reservations through Redis;"
            " set HEADGATE_REDIS_URL or use one worker"
        )


def trusted_networks(settings: Settings) -> TrustedProxies:
    """Parsed `server.trusted_proxies`. Raises `StartupError`."""
    networks = []
    for text in settings.server.trusted_proxies:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise StartupError(
                f"configuration server.trusted_proxies: {text!r} is no address range; write it like 10.0.0.0/8"
            ) from None
    return tuple(networks)
