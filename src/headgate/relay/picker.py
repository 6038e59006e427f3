"""Taking an account for the next attempt: live facts in, the pure selection, then a real slot.

The trace keeps every decision with the reason why no other account was chosen.
"""

import asyncio
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import LIMIT_CAUSES
from headgate.core.routing.candidates import Candidate, WaitLimits, Wanted
from headgate.core.routing.eligibility import served_model
from headgate.core.routing.failover import FailoverPlan
from headgate.core.routing.model_routing import route_of
from headgate.core.routing.scoring import ScoreWeights
from headgate.core.routing.selection import select_account
from headgate.core.routing.stickiness import Home
from headgate.core.routing.track_record import NO_RECORD
from headgate.core.routing.verdicts import NoneEligible, Selected, Selection, WaitFor
from headgate.core.world import Account, SchedulingPolicy
from headgate.kit.clock import Clock
from headgate.relay.account_gate import AccountGate
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.candidate_pool import CandidatePools, slot_of
from headgate.relay.degraded import Degraded
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.homes import Homes
from headgate.relay.probes import LOOK_AGAIN_S, NO_TRIAL, TRIAL_S, Probes, Trial, is_under_trial, unproven_of
from headgate.relay.quota_pacing import QuotaPacing
from headgate.relay.quota_watch import QuotaWatch
from headgate.relay.slot_queue import SlotQueue
from headgate.relay.track_records import TrackRecords
from headgate.settings import GatewaySettings, SchedulingSettings
from headgate.state.protocols import (
    Cooldown,
    SharedState,
    SlotLease,
    SlotStore,
)

_ANY: frozenset[AccountId] = frozenset()
_RACES = 8
"""Times that a free slot may be lost to another request between looking and taking before we queue up."""


class Picked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account with its slot taken."""

    account: Account
    upstream_model: str
    lease: SlotLease | None
    """None for operations that take no slot (counting, objects)."""
    trial: Trial = NO_TRIAL
    is_home: bool = False
    """The conversation lives there, or what the request carries was made there."""


class Picker:
    def __init__(
        self,
        directory: Directory,
        state: SharedState,
        queueing: SlotQueue,
        clock: Clock,
        quotas: AccountQuotas,
        gate: AccountGate,
        records: TrackRecords,
        probes: Probes,
        windows: QuotaWatch,
        settings: GatewaySettings,
    ) -> None:
        self._probes = probes
        self._windows = windows
        reserve_ppm = settings.scheduling.background_reserve_percent * 10_000
        self._pacing = QuotaPacing(windows, clock, reserve_ppm=reserve_ppm)
        self._queueing = queueing
        self._quotas = quotas
        self._gate = gate
        self._records = records
        self._weights = score_weights(settings.scheduling)
        self._directory = directory
        self._slots: SlotStore = state.slots
        self._pools = CandidatePools(state.slots, state.cooldowns, quotas.left_nano)
        directory.on_refreshed.append(self._pools.forget)
        self._homes = Homes(state.affinity, clock, settings)
        self._clock = clock
        self._limits = WaitLimits(
            sticky_timeout_s=settings.sticky_wait_timeout_s,
            sticky_max_waiting=settings.sticky_max_waiting,
            fallback_timeout_s=settings.account_wait_timeout_s,
            fallback_max_waiting=settings.account_max_waiting,
        )

    async def pick(self, exchange: Exchange, plan: FailoverPlan) -> Picked:
        """Raises `RelayError`: NO_ACCOUNT (or the last attempt's fault), QUEUE_FULL, QUEUE_TIMEOUT."""
        home = await self._homes.find(exchange)
        races = 0
        patient_until = self._clock.monotonic() + TRIAL_S
        while True:
            is_patient = self._clock.monotonic() < patient_until
            selection, unproven = await self._select(exchange, plan, home, is_patient=is_patient)
            if is_patient and is_under_trial(selection) and not exchange.connection.is_gone:
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            if isinstance(selection, NoneEligible):
                break
            trial: Trial | None = NO_TRIAL
            if unproven:
                trial = await self._probes.enter(unproven, is_patient=is_patient)
            is_home = home is not None and home.account_id == selection.account.id
            if trial is None or not await self._admits(exchange, selection, is_home=is_home):
                await self._probes.leave(trial)
                continue  # somebody else is trying it, or it is at a limit: no candidate any more
            if isinstance(selection, WaitFor) or races == _RACES:
                await self._probes.leave(trial)
                break
            lease = await self._slots.try_acquire(
                slot_of(selection.account.id), limit=selection.account.concurrency, owner=exchange.id
            )
            if lease is not None:
                return self._picked(exchange, selection, lease, trial, is_home=is_home)
            await self._probes.leave(trial)
            await self._quotas.release(exchange, None)
            await self._gate.give_back(exchange)
            races += 1
            await asyncio.sleep(0)
        exchange.trace.decided(selection)
        if isinstance(selection, NoneEligible):
            raise RelayError(self._nobody(exchange, plan, selection))
        return await self._queue(exchange, selection, is_home=is_home)

    async def pick_without_slot(self, exchange: Exchange, plan: FailoverPlan) -> Picked:
        """For operations that neither generate nor cost: the conversation's account, or any eligible one,
        full or not."""
        selection, _ = await self._select(exchange, plan, await self._homes.find(exchange))
        if isinstance(selection, NoneEligible):
            raise RelayError(self._nobody(exchange, plan, selection))
        return Picked(account=selection.account, upstream_model=selection.upstream_model, lease=None)

    async def take(self, exchange: Exchange, last: Picked) -> Picked | None:
        """The same account again, if a slot of it is free now."""
        account = last.account
        lease = await self._slots.try_acquire(
            slot_of(account.id), limit=account.concurrency, owner=exchange.id
        )
        if lease is None:
            return None
        if not await self._admits(exchange, last, is_home=last.is_home):
            await self._slots.release(lease)
            return None
        return replace(last, lease=lease)

    async def _admits(
        self, exchange: Exchange, chosen: Selected | WaitFor | Picked, *, is_home: bool
    ) -> bool:
        """The account's quota and its limits have room for the attempt; then it is counted there."""
        account = chosen.account
        if not await self._quotas.hold(exchange, account):
            return False
        if await self._gate.enter(exchange, account, chosen.upstream_model, is_home=is_home):
            return True
        await self._quotas.release(exchange, None)
        return False

    @property
    def degraded(self) -> Degraded:
        return self._homes.degraded

    async def stick(self, exchange: Exchange, account_id: AccountId) -> None:
        """The account answered: the conversation stays with it."""
        await self._homes.keep(exchange, account_id)

    async def _select(
        self, exchange: Exchange, plan: FailoverPlan, home: Home | None, *, is_patient: bool = True
    ) -> tuple[Selection, tuple[Cooldown, ...]]:
        """The choice, and what an answer of the chosen account would prove to be over."""
        caller = exchange.caller
        accounts = self._directory.accounts_of(caller.group.id, caller.group.provider)
        refused = [
            *self._quotas.refused(),
            *self._gate.refused(exchange, None if home is None else home.account_id),
            *(self._probes.refused() if is_patient else ()),
        ]
        if caller.key.is_background:
            refused += await self._pacing.refused(accounts, exchange.peek.model)
        candidates, cooling = await self._pools.of(accounts, refused)
        is_scored = caller.group.scheduling_policy is SchedulingPolicy.SCORED
        stake = None if home is None else self._homes.stake(exchange, home)
        if is_scored or stake is not None:
            candidates = self._with_records(candidates, exchange.peek.model)
        if stake is not None:
            candidates = self._with_shortfalls(candidates, exchange.peek.model)
        route = route_of(caller.group.model_routes, exchange.peek.model)
        if route is not None:
            exchange.trace.note("model_route", route.pattern)
        selection = select_account(
            candidates,
            wanted=Wanted(
                dialect=exchange.target.dialect,
                provider=exchange.handler.provider,
                model=exchange.peek.model,
                routed_to=_ANY if route is None else route.accounts,
            ),
            sticky_to=None if home is None else home.account_id,
            excluded=plan.excluded,
            now_ms=self._clock.now_ms(),
            seed=_seed(exchange) if is_scored else exchange.started_at_ms,
            limits=self._limits,
            scoring=self._weights if is_scored else None,
            stake=stake,
        )
        if isinstance(selection, NoneEligible):
            return selection, ()
        self._homes.note_move(exchange, selection)
        if not cooling:
            return selection, ()
        models = (exchange.peek.model, selection.upstream_model, "")
        return selection, unproven_of(cooling, selection.account.id, models, self._clock.now_ms())

    def _with_records(self, candidates: list[Candidate], model: str) -> list[Candidate]:
        """The same with how the accounts have done of late; most have no record yet, or a clean one."""
        of = self._records.of
        found = [(candidate, of(candidate.account.id, model)) for candidate in candidates]
        return [
            candidate
            if record is NO_RECORD
            else replace(
                candidate,
                error_rate=record.error_rate,
                ttft_ms=record.ttft_ms,
                answer_ms=record.answer_ms,
            )
            for candidate, record in found
        ]

    def _with_shortfalls(self, candidates: list[Candidate], model: str) -> list[Candidate]:
        """The same with what their providers' quota windows foretell; most have none that runs short."""
        short = self._windows.shortfall_ppm
        found = [
            (one, short(one.account.id, served_model(one.account, model) or model)) for one in candidates
        ]
        return [one if not ppm else replace(one, shortfall_ppm=ppm) for one, ppm in found]

    def _picked(
        self,
        exchange: Exchange,
        selection: Selected | WaitFor,
        lease: SlotLease,
        trial: Trial,
        *,
        is_home: bool,
    ) -> Picked:
        self._pools.used(selection.account.id, self._clock.now_ms())
        exchange.trace.decided(selection)
        return Picked(
            account=selection.account,
            upstream_model=selection.upstream_model,
            lease=lease,
            trial=trial,
            is_home=is_home,
        )

    async def _queue(self, exchange: Exchange, selection: Selected | WaitFor, *, is_home: bool) -> Picked:
        """Everybody suitable is busy: wait for the one that selection named (or that we lost to others)."""
        account = selection.account
        timeout_s, max_waiting = self._limits.fallback_timeout_s, self._limits.fallback_max_waiting
        if isinstance(selection, WaitFor):
            timeout_s, max_waiting = selection.timeout_s, selection.max_waiting
        lease = await self._queueing.wait(
            exchange,
            slot_of(account.id),
            limit=account.concurrency,
            max_waiting=max_waiting,
            timeout_s=timeout_s,
            refusals=("Too many pending requests", "Concurrency limit exceeded for account"),
        )
        self._pools.used(account.id, self._clock.now_ms())
        return Picked(account=account, upstream_model=selection.upstream_model, lease=lease, is_home=is_home)

    def _nobody(self, exchange: Exchange, plan: FailoverPlan, selection: NoneEligible) -> Fault:
        """What to tell the client: the last attempt's own fault, else why nobody could even try."""
        if plan.last_fault is not None:
            return plan.last_fault
        retry_at = selection.retry_at_ms
        wait_s = None if retry_at is None else max(1, (retry_at - self._clock.now_ms()) // 1000)
        reasons = {rejection.reason.value for rejection in selection.rejections.values()} - {"gone"}
        if reasons == {"model_unsupported"}:
            return Fault(
                kind=FaultKind.MODEL_NOT_FOUND,
                message=f"No account serves the model {exchange.peek.model[:200]}",
            )
        causes = {rejection.detail for rejection in selection.rejections.values()}
        if causes and causes <= LIMIT_CAUSES:
            return Fault(
                kind=FaultKind.RATE_LIMITED,
                code="account_limits_reached",
                message=f"Every account is at a limit ({', '.join(sorted(causes))}), please retry later",
                retry_after_s=wait_s,
            )
        why = ", ".join(sorted(reasons)) or "the group has no account"
        return Fault(kind=FaultKind.NO_ACCOUNT, message=f"No available accounts: {why}", retry_after_s=wait_s)


def score_weights(settings: SchedulingSettings) -> ScoreWeights:
    weights = settings.scheduler_score_weights
    return ScoreWeights(
        priority=weights.priority,
        load=weights.load,
        queue=weights.queue,
        error_rate=weights.error_rate,
        ttft=weights.ttft,
        top_k=settings.lb_top_k,
    )


def _seed(exchange: Exchange) -> int:
    """The same for all requests of a conversation by a model, so that the draw repeats (spec 3.5)."""
    name = f"{exchange.session or exchange.id}\0{exchange.peek.model}"
    return int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest(), "big")
