"""The composition root: builds every part once, wires them downward, and takes them apart in reverse
order."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.control.app import create_control_app
from headgate.control.audit.jobs import delete_old_entries
from headgate.control.auth import jobs as auth_jobs
from headgate.control.bootstrap import FirstAdmin, ensure_admin
from headgate.control.deps import ControlDeps
from headgate.control.embed.framing import FrameOrigins
from headgate.control.embed.tickets import delete_expired_tickets
from headgate.control.idempotency.jobs import delete_expired_records
from headgate.control.jobs import runner as job_runner
from headgate.control.live import SlotLoads
from headgate.control.mail import delivery as mail_delivery
from headgate.control.mail.queue import MailQueue
from headgate.control.requests.jobs import delete_old_traces
from headgate.control.scheduled_tests import jobs as scheduled_tests
from headgate.control.simple_mode import ensure_simple_mode
from headgate.control.statistics import rollup
from headgate.control.subscriptions import jobs as subscription_jobs
from headgate.control.usage import cleanup_jobs
from headgate.control.webhooks import delivery as webhook_delivery
from headgate.control.webhooks import watch as webhook_watch
from headgate.core.routing.degradation import Degradation
from headgate.cors import with_cors
from headgate.data_plane import DataPlane, Foundation, build_data_plane
from headgate.errors import StartupError
from headgate.jobs import clock_watch
from headgate.jobs.clock_watch import ClockWatch
from headgate.jobs.housekeeping import Chore, Housekeeping
from headgate.kit.clock import Clock, SystemClock
from headgate.kit.crypto import Vault
from headgate.kit.fail_points import FailPoints
from headgate.observability.logging import configure_logging
from headgate.operations_endpoints import OperationsEndpoints
from headgate.relay import quota_keeper
from headgate.relay.account_tester import LiveAccountTester
from headgate.relay.directory import Directory
from headgate.relay.gateway import Gateway
from headgate.relay.recovery import complete_open_intents
from headgate.secrets_file import open_vault, require_same_key
from headgate.settings import Settings
from headgate.state import open_state
from headgate.storage.engine import session_factory
from headgate.storage.journal_opening import open_journal
from headgate.storage.opening import create_missing_database, open_database
from headgate.storage.unit_of_work import UnitOfWork
from headgate.upstream.web import WebClient
from headgate.web_app import WebApp

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
    end_events: Callable[[], None]

    def drain(self) -> None:
        """Refuse new exchanges from now on; running ones go on to their end, streams of open pages end."""
        self.gateway.is_draining = True
        self.end_events()

    def end_answers(self) -> None:
        """The grace is over: end what still runs, in its client's dialect."""
        self.gateway.end_answers()


@asynccontextmanager
async def open_application(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Application]:
    """Build, start the background work, and close everything in reverse order at the end. `clock`: another
    than the machine's.

    Raises `StartupError` with one line that says what to do."""
    check_workers(settings)
    check_run_mode(settings)
    async with AsyncExitStack() as stack:
        lines = configure_logging(settings.log)
        stack.callback(lines.flush)
        vault, clock, process_id = open_vault(settings), clock or SystemClock(), secrets.token_hex(8)
        fail_points = _fail_points(settings)
        await create_missing_database(settings)
        engine = await open_database(settings, stack)
        await require_same_key(engine, vault, clock)
        refreshers: list[Callable[[], Awaitable[None]]] = []
        uow = _unit_of_work(engine, vault.ledger_key(), refreshers)
        first_admin = await ensure_admin(uow, settings, clock)
        if settings.run_mode == "simple":
            await ensure_simple_mode(uow, clock)
        state = open_state(settings, clock)
        stack.push_async_callback(state.close)
        journal = await open_journal(settings, clock, process_id, vault.ledger_key(), fail_points)
        stack.push_async_callback(journal.close)
        base = Foundation(
            settings=settings,
            vault=vault,
            clock=clock,
            engine=engine,
            state=state,
            journal=journal,
            lines=lines,
            fail_points=fail_points,
        )
        plane = await build_data_plane(base, stack)
        refreshers.append(plane.directory.refresh)
        deps = _control_deps(base, plane, uow)
        stack.push_async_callback(deps.mail.close)
        stack.push_async_callback(deps.web.close)
        await _start_jobs(base, plane, process_id, uow, deps)
        control = create_control_app(deps)
        web = WebApp(frames=FrameOrigins(uow, clock).read)
        stack.push_async_callback(control.state.events.close)
        operations = OperationsEndpoints(
            engine, state, plane.metrics, plane.directory, plane.billing, plane.standings, settings
        )
        yield Application(
            asgi=with_cors(_dispatcher(plane.gateway, control, operations, web), settings.cors),
            settings=settings,
            directory=plane.directory,
            gateway=plane.gateway,
            first_admin=first_admin,
            uow=uow,
            vault=vault,
            clock=clock,
            end_events=control.state.events.end,
        )


def _unit_of_work(
    engine: AsyncEngine, ledger_key: bytes, refreshers: list[Callable[[], Awaitable[None]]]
) -> Callable[[], UnitOfWork]:
    """Transactions whose changes this process's data plane sees before their answer leaves."""
    sessions = session_factory(engine, ledger_key)

    async def refresh() -> None:
        for refresher in refreshers:
            await refresher()

    return lambda: UnitOfWork(sessions, on_touched=refresh)


def _fail_points(settings: Settings) -> FailPoints:
    if settings.fail_point:
        log.warning("fail_point_armed", fail_point=settings.fail_point)
    return FailPoints.parse(settings.fail_point)


async def _start_jobs(
    base: Foundation,
    plane: DataPlane,
    process_id: str,
    uow: Callable[[], UnitOfWork],
    deps: ControlDeps,
) -> None:
    housekeeping = Housekeeping(
        process_id=process_id,
        limits=base.settings.limits,
        state=base.state,
        lines=base.lines,
        directory_watch=plane.directory.watch,
        lease_heartbeat=plane.leases.run,
        recover=lambda: complete_open_intents(
            base.journal,
            plane.directory,
            base.state,
            base.clock,
            lock_s=base.settings.limits.process_ttl_s,
            fail_points=base.fail_points,
        ),
        chores=_chores(base, plane, uow, deps),
    )
    await housekeeping.start(plane.tasks)


def _chores(
    base: Foundation, plane: DataPlane, uow: Callable[[], UnitOfWork], deps: ControlDeps
) -> Sequence[Chore]:
    idempotency = base.settings.idempotency
    watch = ClockWatch(
        base.clock, base.state, uow, lambda: [account.id for account in plane.directory.accounts()]
    )
    plane.metrics.counters["headgate_clock_jumps"] = (
        "Times that the machine's clock was set",
        lambda: watch.counts,
    )
    return (
        Chore(name="watch_clock", every_s=clock_watch.EVERY_S, run=watch.look),
        *_price_chores(base, plane),
        Chore(name="keep_quota_windows", every_s=quota_keeper.EVERY_S, run=plane.quota_keeper.keep),
        Chore(
            name="delete_expired_idempotency_records",
            every_s=idempotency.cleanup_interval_s,
            run=lambda: delete_expired_records(uow, base.clock, idempotency),
        ),
        Chore(
            name="delete_expired_refresh_tokens",
            every_s=auth_jobs.EVERY_S,
            run=lambda: auth_jobs.delete_expired_tokens(uow, base.clock, base.vault),
        ),
        Chore(
            name="delete_expired_embed_tickets",
            every_s=auth_jobs.EVERY_S,
            run=lambda: delete_expired_tickets(uow, base.clock),
        ),
        Chore(
            name="delete_old_audit_entries",
            every_s=base.settings.audit.cleanup_interval_s,
            run=lambda: delete_old_entries(uow, base.clock, base.settings.audit),
        ),
        Chore(
            name="delete_old_traces",
            every_s=base.settings.trace.cleanup_interval_s,
            run=lambda: delete_old_traces(uow, base.clock, base.settings.trace),
        ),
        *_usage_chores(base, uow),
        Chore(
            name="expire_subscriptions",
            every_s=subscription_jobs.EVERY_S,
            run=lambda: subscription_jobs.expire_subscriptions(uow, base.clock, base.state.locks),
        ),
        Chore(
            name="run_scheduled_tests",
            every_s=scheduled_tests.EVERY_S,
            run=lambda: scheduled_tests.run_due_tests(deps),
        ),
        *_job_chores(base, uow, deps),
        *_webhook_chores(base, uow, deps),
        *_mail_chores(base, uow, deps),
    )


def _usage_chores(base: Foundation, uow: Callable[[], UnitOfWork]) -> Iterator[Chore]:
    yield Chore(
        name="roll_up_usage", every_s=rollup.EVERY_S,
        run=lambda: rollup.roll_up_usage(uow, base.clock, base.state.locks),
    )  # fmt: skip
    cleaner = cleanup_jobs.CleanupWorker(uow, base.clock, base.state.locks)
    yield Chore(name="clean_usage", every_s=cleanup_jobs.EVERY_S, run=cleaner.work)


def _job_chores(base: Foundation, uow: Callable[[], UnitOfWork], deps: ControlDeps) -> Iterator[Chore]:
    yield Chore(name="work_jobs_off", every_s=job_runner.EVERY_S, run=job_runner.JobRunner(deps).work)
    yield Chore(name="delete_old_jobs", every_s=3600, run=lambda: job_runner.delete_old_jobs(uow, base.clock))


def _webhook_chores(base: Foundation, uow: Callable[[], UnitOfWork], deps: ControlDeps) -> Iterator[Chore]:
    settings = base.settings.webhooks
    watcher = webhook_watch.EventWatcher(deps)
    yield Chore(name="watch_for_webhook_events", every_s=webhook_watch.EVERY_S, run=watcher.look)
    yield Chore(
        name="deliver_webhooks", every_s=webhook_delivery.EVERY_S,
        run=lambda: webhook_delivery.deliver_due(deps),
    )  # fmt: skip
    yield Chore(
        name="delete_old_webhook_events", every_s=3600,
        run=lambda: webhook_delivery.delete_old_events(uow, base.clock, settings),
    )  # fmt: skip


def _mail_chores(base: Foundation, uow: Callable[[], UnitOfWork], deps: ControlDeps) -> Iterator[Chore]:
    yield Chore(
        name="deliver_mail", every_s=mail_delivery.EVERY_S, run=lambda: mail_delivery.deliver_due(deps)
    )
    yield Chore(
        name="delete_old_mail_failures", every_s=3600,
        run=lambda: mail_delivery.delete_old_failures(uow, base.clock, base.settings.mail),
    )  # fmt: skip


def _price_chores(base: Foundation, plane: DataPlane) -> Iterator[Chore]:
    async def keep() -> int:
        return int(await plane.books.keep(plane.directory.prices))

    yield Chore(name="keep_price_book", every_s=30, run=keep)
    if plane.price_refresh is not None:
        every_s = min(15.0, base.settings.pricing.refresh_interval_s)
        yield Chore(name="refresh_prices", every_s=every_s, run=plane.price_refresh.refresh_if_due)


def _control_deps(base: Foundation, plane: DataPlane, uow: Callable[[], UnitOfWork]) -> ControlDeps:
    async def forget_bounds(bounds: list[str]) -> None:
        await base.state.reservations.forget(bounds)

    async def degradations() -> Sequence[Degradation]:
        return (await plane.standings.look()).degradations

    deps = ControlDeps(
        degradations=degradations,
        settings=base.settings,
        uow=uow,
        vault=base.vault,
        clock=base.clock,
        state=base.state,
        on_bounds_changed=forget_bounds,
        account_tester=LiveAccountTester(plane.directory, plane.clients),
        check_base_url=plane.guard.problem_with,
        live=SlotLoads(base.state.slots),
        prices=lambda: plane.directory.prices,
        read_price_file=plane.price_refresh.read if plane.price_refresh is not None else None,
        covered=plane.covered,
        refused_keys=plane.exhausted_keys.take,
        started_at_ms=base.clock.now_ms(),
        fail_points=base.fail_points,
        mail=MailQueue(base.settings.mail),
        web=WebClient(base.settings),
    )
    counts = "Idempotency-Keys of management writes by what became of them"
    plane.metrics.counters["headgate_idempotency_keys"] = (counts, deps.idempotency_counters.read)
    letters = "Attempts to hand letters to the mail server by how they ended"
    plane.metrics.counters["headgate_mail_attempts"] = (letters, lambda: deps.mail.counts)
    return deps


def _dispatcher(gateway: Gateway, control: Asgi, operations: OperationsEndpoints, web: WebApp) -> Asgi:
    """Three planes and the web app behind one port; pages go only to who asks for HTML."""

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
        elif web.serves(scope):
            await web(scope, receive, send)
        else:
            await gateway(scope, receive, send)

    return dispatch


def check_workers(settings: Settings) -> None:
    """More than one process needs shared state and a database that many may write. Raises `StartupError`."""
    if settings.server.workers == 1:
        return
    if settings.redis.url is None:
        raise StartupError(
            f"configuration server.workers: {settings.server.workers} processes share slots and reservations"
            " through Redis; set HEADGATE_REDIS_URL or use one worker"
        )


def check_run_mode(settings: Settings) -> None:
    """Serving for nothing is confirmed in so many words, outside of trials (spec 7.9). Raises
    `StartupError`."""
    is_confirmed = settings.simple_mode_confirm or settings.server.mode == "debug"
    if settings.run_mode == "simple" and not is_confirmed:
        raise StartupError(
            "configuration run_mode: simple mode serves everybody who has a key without charging anybody;"
            " set SIMPLE_MODE_CONFIRM=true to confirm that, or HEADGATE_RUN_MODE=standard"
        )
