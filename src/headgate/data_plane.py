"""Wiring of the data plane, bottom up (the lower half of the composition root)."""

import ipaddress
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.limits.budget import CoverRecord
from headgate.core.money import to_usd
from headgate.core.routing.cooldown import CooldownDefaults
from headgate.errors import StartupError
from headgate.jobs.price_refresh import PriceRefresh
from headgate.kit.clock import Clock
from headgate.kit.crypto import Vault
from headgate.kit.fail_points import FailPoints
from headgate.kit.tasks import TaskOwner
from headgate.observability.access_log import AccessLog
from headgate.observability.logging import BufferedLines
from headgate.observability.metrics import GaugeReader, RelayMetrics
from headgate.prices import keeper_of, price_book_builder, price_clients, price_refresh, require_file
from headgate.relay.account_gate import AccountGate
from headgate.relay.account_health import AccountHealth
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.admission import Admission
from headgate.relay.attempt import AttemptRunner
from headgate.relay.attribution import Attribution
from headgate.relay.authentication import Authenticator
from headgate.relay.billing_gate import BillingGate
from headgate.relay.body import BodyReader
from headgate.relay.broken_sessions import BrokenSessions
from headgate.relay.client_rules import ClientRules
from headgate.relay.cost_preview import CostPreview
from headgate.relay.degraded import Degraded
from headgate.relay.directory import Directory
from headgate.relay.estimator import Estimator
from headgate.relay.exhausted_keys import ExhaustedKeys
from headgate.relay.experience import Experience
from headgate.relay.gateway import Gateway, TrustedProxies
from headgate.relay.leases import LeaseKeeper
from headgate.relay.local import LocalAnswers
from headgate.relay.message_pacing import MessagePacer
from headgate.relay.picker import Picker
from headgate.relay.pipeline import Pipeline
from headgate.relay.probes import Probes
from headgate.relay.quota_keeper import QuotaKeeper
from headgate.relay.rate_gate import RateGate
from headgate.relay.reserver import Reserver
from headgate.relay.settlement import Settler
from headgate.relay.slot_queue import SlotQueue
from headgate.relay.standings import Standings
from headgate.relay.stream_cover import CoverFactory
from headgate.relay.track_records import TrackRecords
from headgate.relay.window_costs import WindowCosts
from headgate.settings import GatewaySettings, Settings
from headgate.state.protocols import SharedState
from headgate.storage.free_read_model import FreeReadModel
from headgate.storage.journal import Journal
from headgate.storage.price_books import PriceBooks
from headgate.storage.quota_windows import QuotaWindowTable
from headgate.storage.read_model import ReadModel
from headgate.upstream.clients import ClientPool
from headgate.upstream.guard import AddressGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """What every part stands on; opened and closed by `app.py`."""

    settings: Settings
    vault: Vault
    clock: Clock
    engine: AsyncEngine
    state: SharedState
    journal: Journal
    lines: BufferedLines
    fail_points: FailPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlane:
    directory: Directory
    gateway: Gateway
    leases: LeaseKeeper
    clients: ClientPool
    guard: AddressGuard
    billing: BillingGate
    metrics: RelayMetrics
    covered: CoverRecord
    exhausted_keys: ExhaustedKeys
    tasks: TaskOwner
    books: PriceBooks
    quota_keeper: QuotaKeeper
    standings: Standings
    price_refresh: PriceRefresh | None
    """None: the operator uses no price file."""


async def build_data_plane(base: Foundation, stack: AsyncExitStack) -> DataPlane:
    """Everything between the socket and the provider. Raises `StartupError`."""
    settings, clock, state = base.settings, base.clock, base.state
    trusted = trusted_networks(settings)
    metrics, tasks = RelayMetrics(), TaskOwner("gateway")
    stack.push_async_callback(tasks.close)
    read_model = _read_model(base)
    directory = Directory(read_model, base.vault, clock, price_book_builder(settings.pricing))
    books, renewal = await _prices(base, directory, metrics, stack)
    await directory.refresh()
    guard = AddressGuard(settings.security.url_allowlist, clock=clock)
    clients = ClientPool(guard, settings.gateway, clock=clock)
    stack.push_async_callback(clients.close)
    bodies = BodyReader(settings.gateway, settings.server)
    leases = LeaseKeeper(state.slots, lease_s=settings.limits.slot_lease_s)
    queueing = SlotQueue(state.slots, tasks)
    billing = BillingGate(settings.billing.circuit_breaker, clock)
    client_rules = ClientRules(directory, clock)
    metrics.counters["headgate_client_rules"] = ("What client rules did", lambda: client_rules.counts)
    pipeline = build_pipeline(
        base, directory, read_model, clients, billing, bodies, leases, metrics, queueing, tasks, client_rules
    )
    windows = pipeline.attempts.health.windows
    keeper = QuotaKeeper(windows, state.quota_windows, QuotaWindowTable(base.engine), clock)
    await keeper.restore()
    stack.push_async_callback(keeper.close)
    local = LocalAnswers(pipeline.authenticator, directory, read_model, clock)
    preview = CostPreview(
        pipeline.authenticator, bodies, pipeline.admission.estimator, read_model, client_rules
    )
    access_log = AccessLog(base.lines, settings.log, clock)
    gateway = Gateway(
        pipeline, local, preview, base.journal, clock, metrics, tasks, settings.gateway, trusted, access_log
    )
    metrics.gauges |= _money_gauges(pipeline) | {
        "headgate_settlement_lag_seconds": ("Age of the oldest settlement not committed", base.journal.lag_s),
        "headgate_slots_held": ("Slots held by this process", lambda: len(leases)),
        "headgate_queue_waiting": ("Exchanges waiting for a slot", lambda: queueing.waiting),
        "headgate_cooldowns_active": ("Accounts cooling down", lambda: metrics.cooling(clock.now_ms())),
        "headgate_body_bytes_held": ("Request bodies in memory", lambda: bodies.held_bytes),
        "headgate_directory_version": ("Version of the snapshot in use", lambda: directory.version),
    }
    standings = Standings(directory, state.cooldowns, clock, pipeline.attribution, billing, pipeline.quotas)
    metrics.labelled_gauges |= standings.gauges()
    return DataPlane(
        directory=directory,
        standings=standings,
        gateway=gateway,
        leases=leases,
        clients=clients,
        guard=guard,
        billing=billing,
        metrics=metrics,
        covered=pipeline.attempts.settler.covered,
        exhausted_keys=pipeline.admission.exhausted,
        tasks=tasks,
        books=books,
        quota_keeper=keeper,
        price_refresh=renewal,
    )


def _money_gauges(pipeline: Pipeline) -> dict[str, tuple[str, GaugeReader]]:
    reserver, covered = pipeline.admission.reserver, pipeline.attempts.settler.covered
    billing = pipeline.billing
    return {
        "headgate_billing_breaker_state": ("0 closed, 1 half open, 2 open", billing.state_number),
        "headgate_billing_breaker_openings": ("Times it opened since the start", lambda: billing.openings),
        "headgate_money_waiting": (
            "Exchanges waiting for what others have reserved",
            lambda: reserver.waiting,
        ),
        "headgate_reservations_overshot": (
            "Exchanges that cost more than was reserved for them",
            lambda: covered.overshot,
        ),
        "headgate_reservations_overshot_usd": (
            "What they cost beyond that, at list price",
            lambda: to_usd(covered.overshot_nano),
        ),
    }


async def _prices(
    base: Foundation, directory: Directory, metrics: RelayMetrics, stack: AsyncExitStack
) -> tuple[PriceBooks, PriceRefresh | None]:
    """What keeps the versions that are used, and what renews the price file. Raises `StartupError`."""
    clients = price_clients(base.settings, base.clock)
    stack.push_async_callback(clients.close)
    renewal = price_refresh(base.settings, base.engine, base.state.locks, base.clock, clients)
    await require_file(renewal, base.settings.pricing.file)
    books = PriceBooks(base.engine, base.clock)
    directory.on_refreshed.append(keeper_of(books, lambda: directory.prices))
    if renewal is not None:
        counts = renewal.counts
        metrics.counters["headgate_price_refreshes"] = ("Looks for a newer price file", lambda: counts)
    return books, renewal


def _read_model(base: Foundation) -> ReadModel:
    """The one place that decides whether anything costs anything here."""
    kind = FreeReadModel if base.settings.run_mode == "simple" else ReadModel
    return kind(base.engine, base.vault, base.clock)


def _show_degraded(metrics: RelayMetrics, degraded: Degraded) -> None:
    metrics.counters["headgate_degraded_answers"] = (
        "Answers by another account than the one that minted what the request carried",
        degraded.counts,
    )
    metrics.gauges["headgate_degraded_conversations"] = (
        "Conversations that are answered without what another account has minted for them",
        degraded.now,
    )


def build_pipeline(
    base: Foundation,
    directory: Directory,
    read_model: ReadModel,
    clients: ClientPool,
    billing: BillingGate,
    bodies: BodyReader,
    leases: LeaseKeeper,
    metrics: RelayMetrics,
    queueing: SlotQueue,
    tasks: TaskOwner,
    client_rules: ClientRules,
) -> Pipeline:
    settings, clock, state, journal = base.settings, base.clock, base.state, base.journal
    reserver = Reserver(state.reservations, read_model, clock, settings.limits)
    directory.on_refreshed.append(reserver.forget_all)
    experience, records = Experience(), TrackRecords(clock)
    rates = RateGate(state.rates, clock, experience, settings.limits)
    probes, quotas = Probes(state.locks, clock), AccountQuotas(reserver, state.reservations, clock)
    gate = AccountGate(state, WindowCosts(state.quota_windows, state.counters, read_model, clock), clock)
    estimator = Estimator(directory, experience, settings.limits)
    holds, fails = state.reservations, base.fail_points
    settler = Settler(directory, journal, holds, rates, clock, metrics, experience, quotas, gate, fails)
    defaults = cooldown_defaults(settings.gateway)
    health = AccountHealth(directory, state, journal, probes, clock, metrics, defaults)
    attribution = _attribution(health, base, metrics)
    watch, options = health.windows, settings.gateway
    picker = Picker(directory, state, queueing, clock, quotas, gate, records, probes, watch, options)
    _show_degraded(metrics, picker.degraded)
    return Pipeline(
        authenticator=Authenticator(directory, clock),
        bodies=bodies,
        billing=billing,
        admission=Admission(estimator, reserver, state, queueing, leases, rates, settings.gateway),
        picker=picker,
        attempts=AttemptRunner(
            clients,
            billing,
            journal,
            settler,
            health,
            clock,
            bodies,
            settings.gateway,
            CoverFactory(reserver, tasks, settings.limits.first_output_slice_tokens),
            records,
            client_rules,
            base.fail_points,
        ),
        leases=leases,
        quotas=quotas,
        gate=gate,
        pacer=MessagePacer(state, queueing, leases, clock),
        attribution=attribution,
        directory=directory,
        broken=BrokenSessions(clock),
        client_rules=client_rules,
        settings=settings.gateway,
        fail_points=base.fail_points,
    )


def _attribution(health: AccountHealth, base: Foundation, metrics: RelayMetrics) -> Attribution:
    """With its counts among the metrics."""
    attribution = Attribution(health, base.clock, failing_s=base.settings.gateway.failing_cooldown_s)
    metrics.counters["headgate_failovers"] = (
        "Retries, switches and fallbacks of exchanges",
        lambda: attribution.counts,
    )
    return attribution


def cooldown_defaults(settings: GatewaySettings) -> CooldownDefaults:
    return CooldownDefaults(
        rate_limit_s=settings.rate_limit_default_cooldown_s,
        overload_s=settings.overload_cooldown_s,
        unreachable_s=settings.unreachable_cooldown_s,
    )


def trusted_networks(settings: Settings) -> TrustedProxies:
    """Parsed `server.trusted_proxies`. Raises `StartupError`."""
    networks = []
    for text in settings.server.trusted_proxies:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise StartupError(
                f"configuration server.trusted_proxies: {text!r} is no address range;"
                " write it like 10.0.0.0/8"
            ) from None
    return tuple(networks)
