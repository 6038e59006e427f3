"""The whole story of one exchange, readable from top to bottom (DESIGN 4):

    authenticate -> read -> peek -> admit -> (pick an account -> attempt)* -> settled

Each step lives in its own module; this one only says what follows what. A step that fails raises
`RelayError`; the gateway renders its fault in the client's dialect. Whatever happens, slots and reservations
are given back.
"""

import asyncio
from dataclasses import dataclass

from headgate.core.faults import Fault, FaultKind, RelayError, Retry
from headgate.core.limits.admission import charge_multiplier, check_platform
from headgate.core.money import from_usd
from headgate.core.routing.affinity import name_of, session_of
from headgate.core.routing.failover import FailoverPlan, is_prompt_too_long
from headgate.core.world import Caller, Group, Provider
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.relay.account_gate import AccountGate
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.admission import Admission
from headgate.relay.attempt import UNMETERED, AttemptRunner
from headgate.relay.attribution import Attribution
from headgate.relay.authentication import Authenticator
from headgate.relay.billing_gate import BillingGate
from headgate.relay.body import BodyReader, Receive, check_content_type
from headgate.relay.broken_sessions import BrokenSessions
from headgate.relay.client_rules import ClientRules
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.leases import LeaseKeeper
from headgate.relay.message_pacing import MessagePacer, end_turn
from headgate.relay.picker import Picked, Picker
from headgate.relay.responder import Responder
from headgate.relay.watchdog import Watchdog
from headgate.settings import GatewaySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The steps, wired by `app.py`."""

    authenticator: Authenticator
    bodies: BodyReader
    billing: BillingGate
    admission: Admission
    picker: Picker
    attempts: AttemptRunner
    leases: LeaseKeeper
    quotas: AccountQuotas
    gate: AccountGate
    pacer: MessagePacer
    attribution: Attribution
    directory: Directory
    broken: BrokenSessions
    client_rules: ClientRules
    settings: GatewaySettings
    fail_points: FailPoints = NO_FAIL_POINTS

    async def run(
        self, exchange: Exchange, receive: Receive, responder: Responder, watchdog: Watchdog
    ) -> None:
        """Serve one exchange to its end. Raises `RelayError` with the fault to show."""
        await self._authenticate(exchange)
        await self._read(exchange, receive)
        try:
            self._peek(exchange, responder)
            watchdog.start()
            try:
                await self._pass(exchange, responder, watchdog)
            except RelayError as error:
                if not await self._moved(exchange, error.fault):
                    raise
                await self._pass(exchange, responder, watchdog)
        finally:
            watchdog.stop()
            self.bodies.free(exchange)
            if exchange.rate_tokens:  # refused or failed
                await self.admission.rates.correct(exchange, None)

    async def _pass(self, exchange: Exchange, responder: Responder, watchdog: Watchdog) -> None:
        """Past the choke point, through attempts, and out again with nothing held."""
        if exchange.target.operation in UNMETERED:
            await self.admission.enter_unmetered(exchange)
            await self._serve(exchange, responder, watchdog)
            return
        self.billing.let_in()
        with self.billing.watching():
            lease = await self.admission.enter(exchange)
        try:
            self.fail_points.reach(FailPoint.AFTER_ADMISSION)
            exchange.announce_budget()
            await self._serve(exchange, responder, watchdog)
        finally:
            self.fail_points.reach(FailPoint.BEFORE_RELEASE)
            await self.quotas.release(exchange, None)
            await self.gate.give_back(exchange)
            await self.admission.leave(exchange, lease)

    async def _moved(self, exchange: Exchange, fault: Fault) -> bool:
        """A prompt too long for the group's models: the group may name another one to take it over, once
        (spec 3.9). It is admitted and charged there."""
        caller = exchange.caller if exchange.has_caller else None
        if caller is None or caller.group.too_long_fallback is None or exchange.moved_from is not None:
            return False
        group = self.directory.group(caller.group.too_long_fallback)
        if exchange.is_committed or not is_prompt_too_long(fault) or not _may_take_over(group, caller):
            return False
        assert group is not None
        if exchange.rate_tokens:
            await self.admission.rates.correct(exchange, None)
        exchange.move_to(group)
        self.attribution.count("group_fallback")
        return True

    async def _authenticate(self, exchange: Exchange) -> None:
        """On headers alone: nobody uploads a body without a key."""
        exchange.caller = await self.authenticator.authenticate(
            exchange.target.dialect, exchange.headers, exchange.query, exchange.client_ip
        )
        fault = check_platform(exchange.caller.group, exchange.handler.provider)
        if fault is not None:
            raise RelayError(fault)

    async def _read(self, exchange: Exchange, receive: Receive) -> None:
        if exchange.method == "POST":
            check_content_type(exchange.headers)
        exchange.body = await self.bodies.read(exchange.headers, receive)

    def _peek(self, exchange: Exchange, responder: Responder) -> None:
        """The few facts of the body, and what follows from them: session, multiplier, stream or not."""
        peek = exchange.handler.peek(exchange.target, exchange.body)
        if isinstance(peek, Fault):
            raise RelayError(peek)
        exchange.peek = peek
        self.client_rules.enter(exchange)
        caller = exchange.caller
        session = session_of(exchange.headers, peek, caller.key.id)
        if session is not None:
            exchange.session = session.key
            exchange.trace.note("session_rule", session.rule)
            exchange.trace.note("session", name_of(session.key))
            before = self.broken.take(session.key)
            if before is not None:
                exchange.trace.note("resent_after", before)
        exchange.charge_multiplier = charge_multiplier(caller.user, caller.group)
        responder.expect_stream(peek.framing)
        responder.place_in_line = lambda: exchange.place_in_line

    async def _serve(self, exchange: Exchange, responder: Responder, watchdog: Watchdog) -> None:
        """Attempts until one answers, the plan says stop, or nobody is left."""
        plan = self._plan(exchange)
        try:
            picked = await self._answered(exchange, plan, responder, watchdog)
        except RelayError as error:
            if exchange.suspended and error.fault.kind is not FaultKind.CLIENT_GONE:
                await self.attribution.gave_up(exchange)
            raise
        if exchange.is_answered_here:
            return
        await self.picker.stick(exchange, picked.account.id)
        if exchange.is_broken:
            if exchange.session is not None:
                self.broken.broke(exchange.session, exchange.id)
            await self.attribution.broke_off(exchange)
        else:
            await self.attribution.answered(exchange, picked)

    async def _answered(
        self, exchange: Exchange, plan: FailoverPlan, responder: Responder, watchdog: Watchdog
    ) -> Picked:
        """The account whose answer the client has."""
        picked = await self._pick(exchange, plan)
        while True:
            fault = await self._attempt(exchange, picked, responder, watchdog)
            if fault is None:
                return picked
            if exchange.connection.is_gone:
                raise RelayError(fault)  # nobody is there to have another account tried for
            if self.client_rules.may_rectify(exchange, picked.account, fault):
                picked = await self._pick_again(exchange, plan, picked)
                continue
            policy = picked.account.policy
            decision = plan.after(
                picked.account.id,
                fault,
                response_started=exchange.is_committed,
                pool_retries=None if policy is None else policy.pool_retries,
                spent_nano=exchange.failed_nano,
            )
            self._note(exchange, plan, decision)
            match decision:
                case "retry":
                    if plan.pause_s > 0:
                        await asyncio.sleep(plan.pause_s)
                    picked = await self._pick_again(exchange, plan, picked)
                case "switch":
                    picked = await self._elsewhere(exchange, plan)
                case "stop":
                    raise RelayError(fault)

    async def _elsewhere(self, exchange: Exchange, plan: FailoverPlan) -> Picked:
        """Another account; where nobody is left and the last one was unavailable for the moment, anybody
        again after a pause, once."""
        pause_s = self.settings.unavailable_pause_s
        try:
            return await self._pick(exchange, plan)
        except RelayError as error:
            if error.fault is not plan.last_fault or pause_s <= 0 or not plan.start_over():
                raise
        exchange.trace.note("started_over", {"after_s": pause_s})
        self.attribution.count("started_over")
        await asyncio.sleep(pause_s)
        return await self._pick(exchange, plan)

    def _note(self, exchange: Exchange, plan: FailoverPlan, decision: Retry) -> None:
        """What failed is seen in the trace, in the metrics and, where another account answers, by the
        client."""
        exchange.trace.note("failover", plan.explain())
        self.attribution.count("out_of_money" if plan.is_out_of_money else decision)
        if decision == "switch":
            exchange.announce_failover(plan.switches)

    async def _attempt(
        self, exchange: Exchange, picked: Picked, responder: Responder, watchdog: Watchdog
    ) -> Fault | None:
        """None: the client has its answer. The slot is given back before another account is picked."""
        try:
            if (kind := self.client_rules.warm_up(exchange, picked)) is not None:
                await self.client_rules.answer_warm_up(kind, exchange, responder)
            else:
                await self.pacer.wait(exchange, picked)
                await self.attempts.run(exchange, picked, responder, watchdog)
        except RelayError as error:
            return error.fault
        finally:
            await self.quotas.release(exchange, None)
            await self.gate.settle(exchange, None)
            await end_turn(exchange)
            if picked.lease is not None:
                await self.leases.release(picked.lease)
        return None

    async def _pick(self, exchange: Exchange, plan: FailoverPlan) -> Picked:
        if exchange.target.operation in UNMETERED:
            return await self.picker.pick_without_slot(exchange, plan)
        picked = await self.picker.pick(exchange, plan)
        if picked.lease is not None:
            self.leases.hold(picked.lease)
        return picked

    async def _pick_again(self, exchange: Exchange, plan: FailoverPlan, last: Picked) -> Picked:
        """The same account once more, when it still has a slot for us; else whoever is best."""
        if last.lease is None:
            return last
        again = await self.picker.take(exchange, last)
        if again is None:
            return await self._pick(exchange, plan)
        if again.lease is not None:
            self.leases.hold(again.lease)
        return again

    def _plan(self, exchange: Exchange) -> FailoverPlan:
        settings = self.settings
        gemini = exchange.caller.group.provider is Provider.GEMINI
        switches = settings.max_account_switches_gemini if gemini else settings.max_account_switches
        retries = settings.max_same_account_retries
        if self.attribution.is_poisoned(exchange):
            exchange.trace.note("poisoned", "no account could answer it a moment ago")
            self.attribution.count("poison_met")
            switches = retries = 0
        return FailoverPlan(
            max_switches=switches,
            max_same_account_retries=retries,
            max_spent_nano=from_usd(settings.max_failed_cost_usd),
            on_400=settings.failover_on_400,
        )


def _may_take_over(group: Group | None, caller: Caller) -> bool:
    """It is there, of the same platform, and paid from the balance."""
    return (
        group is not None
        and group.is_active
        and group.provider is caller.group.provider
        and not group.is_subscription
    )
