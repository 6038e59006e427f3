"""What an attempt means for the health of its account: judged by the core, kept in the shared state, written
down durably, and put on the account's timeline (spec 3.10).

A cooldown ends by itself; an answer proves its end before (`proved`). Everything that is concluded stands in
the attempt's trace.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import structlog

from headgate.core.dialects.contract import CooldownHint
from headgate.core.dialects.quota_headers import refused_reading, says_open
from headgate.core.dialects.reset_times import unusable_body_resets, unusable_resets
from headgate.core.dialects.upstream_answers import excerpt
from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import QuotaReading
from headgate.core.routing.account_policy import (
    OVERLOAD_SETTING,
    STREAM_TIMEOUT_SETTING,
    TEMPORARY,
    MarkedByCode,
    Matched,
    SilenceAction,
    judge_by_policy,
    overload_from,
    stream_timeout_from,
)
from headgate.core.routing.cooldown import (
    AccountEffect,
    CooldownDefaults,
    account_effect,
    after_strikes,
    concerns_model_alone,
)
from headgate.core.routing.health import (
    BRIDGE_MS,
    FAILING,
    MARKED,
    OVERLOADED,
    RATE_LIMITED,
    HealthEvent,
    HealthState,
    state_of,
    strikes_of,
)
from headgate.core.routing.suspicion import is_ambiguous
from headgate.core.world import Provider
from headgate.kit import json
from headgate.kit.clock import Clock
from headgate.observability.metrics import RelayMetrics
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange, Suspended
from headgate.relay.picker import Picked
from headgate.relay.probes import Probes
from headgate.relay.quota_watch import QuotaWatch
from headgate.state.protocols import Cooldown, SharedState, StateUnavailable
from headgate.storage.journal import Journal, StorageUnavailable

log = structlog.get_logger(__name__)

_WAITING = frozenset({FaultKind.UPSTREAM_RATE_LIMITED, FaultKind.UPSTREAM_OVERLOADED})
_ALIVE = frozenset({FaultKind.UPSTREAM_REQUEST_REJECTED, FaultKind.UPSTREAM_NOT_FOUND})
"""Refusals that only an account in order utters: it let us in and found fault with the request."""
_MOST_LOGGED = 1_000


class AccountHealth:
    """One per process."""

    def __init__(
        self,
        directory: Directory,
        state: SharedState,
        journal: Journal,
        probes: Probes,
        clock: Clock,
        metrics: RelayMetrics,
        defaults: CooldownDefaults,
    ) -> None:
        self._directory = directory
        self._cooldowns = state.cooldowns
        self._counters = state.counters
        self._log = state.health
        self._journal = journal
        self._probes = probes
        self._clock = clock
        self._metrics = metrics
        self._defaults = defaults
        self.windows = QuotaWatch(state.quota_windows, clock)
        self._logged: set[tuple[AccountId, str]] = set()
        self._limited: dict[AccountId, int] = {}
        """Accounts whose rate limit began in this process, and its end."""

    async def judge(
        self,
        exchange: Exchange,
        picked: Picked,
        fault: Fault,
        headers: Mapping[str, str],
        body: bytes,
        note: dict[str, Any],
    ) -> None:
        """Cooldown or error mark, in the live store and durably; or nothing yet, where the request may be the
        cause (relay/attribution.py)."""
        account, now = picked.account, self._clock.now_ms()
        if account.policy is not None and fault.upstream_status is not None:
            verdict = judge_by_policy(account.policy, fault.upstream_status, body)
            if verdict != "usual":
                await self._obey(verdict, exchange, picked, fault, body, note)
                return
        if fault.kind in _WAITING:
            self._note_unusable(account.id, headers, body, note, now)
        hint = exchange.handler.cooldown(fault, headers, body, now_ms=now)
        if hint is not None and account.provider is Provider.GEMINI and fault.kind in _WAITING:
            told = refused_reading(hint, body, model=picked.upstream_model, now_ms=now)
            await self.windows.note(account.id, [told])
        effect = account_effect(
            fault, hint, provider=account.provider, defaults=self._current_defaults(), now_ms=now
        )
        if is_ambiguous(fault, has_reset=hint is not None or fault.retry_after_s is not None):
            note["suspended"] = True
            exchange.suspended.append(
                Suspended(
                    account_id=account.id,
                    model=picked.upstream_model,
                    fault=fault,
                    effect=effect,
                    request=exchange.request_name(),
                )
            )
            return
        await self.apply(exchange, account.id, picked.upstream_model, effect, fault, note)

    async def told(
        self, exchange: Exchange, picked: Picked, readings: Sequence[QuotaReading], note: dict[str, Any]
    ) -> None:
        """An answer was given, and says that a quota window is used up with it: the account rests until the
        window starts anew, so that nobody has to be refused to learn it."""
        ends = {reading.model: reading for reading in readings if reading.is_exhausted}
        for reading in ends.values():
            hint = CooldownHint(
                until_ms=reading.resets_at_ms,
                reason=RATE_LIMITED,
                evidence=f"the {reading.window} window is used up",
            )
            fault = Fault(kind=FaultKind.UPSTREAM_RATE_LIMITED, message="")
            try:
                await self._cool(exchange, picked.account.id, reading.model, hint, fault, note)
            except (StateUnavailable, StorageUnavailable):  # the next answer will say it again
                log.warning("exhausted_window_not_noted", account_id=picked.account.id)

    def is_limited(self, account_id: AccountId) -> bool:
        """Its rate limit is in force, as far as this process knows; costs a look-up."""
        until = self._limited.get(account_id)
        if until is None:
            return False
        if until <= self._clock.now_ms():
            del self._limited[account_id]
            return False
        return True

    async def doubted(self, exchange: Exchange, picked: Picked, headers: Mapping[str, str]) -> None:
        """An account under a rate limit has answered a request that was under way, and says that its windows
        are open (spec 3.10): not cleared, for the answer may be older than the limit, but half-open, so that
        the next request finds out."""
        account_id, now = picked.account.id, self._clock.now_ms()
        if picked.account.provider is not Provider.ANTHROPIC or not says_open(headers):
            return
        self._limited.pop(account_id, None)
        try:
            for cooldown in await self._cooldowns.active([account_id]):
                if cooldown.model or cooldown.reason != RATE_LIMITED or cooldown.until_ms <= now:
                    continue
                await self._cut_short(cooldown, exchange, now)
        except (StateUnavailable, StorageUnavailable):  # it ends at its time
            log.warning("limit_not_doubted", account_id=account_id)

    async def _cut_short(self, cooldown: Cooldown, exchange: Exchange, now: int) -> None:
        account_id = cooldown.account_id
        if not await self._cooldowns.forget(account_id, "", until_ms=cooldown.until_ms):
            return
        await self._cooldowns.set(replace(cooldown, until_ms=now))
        await self._journal.mark_account(account_id, is_limit_over=True)
        self._metrics.account_marked(account_id, "doubted")
        event = HealthEvent(
            at_ms=now,
            state=HealthState.HALF_OPEN,
            cause="answered while limited",
            evidence="anthropic-ratelimit-unified-5h-status",
            exchange_id=exchange.id,
        )
        await self._note(account_id, event)

    async def apply(
        self,
        exchange: Exchange,
        account_id: AccountId,
        model: str,
        effect: AccountEffect,
        fault: Fault,
        note: dict[str, Any],
    ) -> None:
        """Let the account bear it. `model`: the upstream model of the attempt."""
        if effect.error is not None:
            await self._mark_down(exchange, account_id, effect.error, fault, note)
        if effect.cooldown is not None:
            scope = model if concerns_model_alone(effect.cooldown) else ""
            await self._cool(exchange, account_id, scope, effect.cooldown, fault, note)

    async def _obey(
        self,
        verdict: Matched | MarkedByCode | Literal["ignore"],
        exchange: Exchange,
        picked: Picked,
        fault: Fault,
        body: bytes,
        note: dict[str, Any],
    ) -> None:
        """The account's own rules have decided."""
        account = picked.account
        if verdict == "ignore":
            note["account_policy"] = "ignored"
        elif isinstance(verdict, MarkedByCode):
            said = excerpt(body, account.secret.reveal(), 200)
            error = f"Custom error code {verdict.status}: {said}".rstrip(": ")
            await self._mark_down(exchange, account.id, error, fault, note)
        elif fault.kind is FaultKind.UPSTREAM_AUTH and await self._has_returned(account.id):
            error = f"Authentication failed again after a temporary exclusion (rule {verdict.rule.index})"
            await self._mark_down(exchange, account.id, error, fault, note)
        else:
            await self._exclude(verdict, exchange, picked, fault, body, note)

    async def _has_returned(self, account_id: AccountId) -> bool:
        """This is the trial after a temporary exclusion."""
        return any(c.reason == TEMPORARY for c in await self._known(account_id))

    async def _exclude(
        self,
        matched: Matched,
        exchange: Exchange,
        picked: Picked,
        fault: Fault,
        body: bytes,
        note: dict[str, Any],
    ) -> None:
        rule, now = matched.rule, self._clock.now_ms()
        until = now + rule.minutes * 60_000
        evidence = f"rule {rule.index}: {rule.status} with {matched.keyword!r}"
        hint = CooldownHint(until_ms=until, reason=TEMPORARY, evidence=evidence)
        cause = {
            "until_unix": until // 1000,
            "triggered_at_unix": now // 1000,
            "status_code": rule.status,
            "matched_keyword": matched.keyword,
            "rule_index": rule.index,
            "error_message": excerpt(body, picked.account.secret.reveal(), 2048),
        }
        await self._cool(exchange, picked.account.id, "", hint, fault, note, json.dumps(cause).decode())

    async def broke_off(self, exchange: Exchange, picked: Picked, fault: Fault, note: dict[str, Any]) -> None:
        """An answer ended after its first byte without being complete: the client has been told, the account
        is judged as for any other fault."""
        try:
            await self.judge(exchange, picked, fault, {}, b"", note)
        except (StateUnavailable, StorageUnavailable):
            log.warning("broken_answer_not_counted", account_id=picked.account.id)

    async def silent(self, exchange: Exchange, picked: Picked) -> None:
        """A stream fell silent: when that happens too often, the account bears what the setting says."""
        try:
            await self._count_silence(exchange, picked)
        except (StateUnavailable, StorageUnavailable):  # the exchange's own fault is what the client is told
            log.warning("silence_not_counted", account_id=picked.account.id)

    async def _count_silence(self, exchange: Exchange, picked: Picked) -> None:
        policy = stream_timeout_from(self._directory.settings.get(STREAM_TIMEOUT_SETTING))
        if not policy.enabled or policy.action is SilenceAction.NONE:
            return
        account_id = picked.account.id
        name = f"stream-timeout:{account_id}"
        times = await self._counters.add(name, 1, window_s=policy.threshold_window_minutes * 60)
        if times < policy.threshold_count:
            return
        await self._counters.reset(name)
        fault = Fault(kind=FaultKind.UPSTREAM_TIMEOUT, message="")
        evidence = f"{times} silent streams in {policy.threshold_window_minutes} minutes"
        note: dict[str, Any] = {}
        if policy.action is SilenceAction.ERROR:
            await self._mark_down(exchange, account_id, f"Too many timeouts: {evidence}", fault, note)
            return
        until = self._clock.now_ms() + policy.temp_unsched_minutes * 60_000
        hint = CooldownHint(until_ms=until, reason=TEMPORARY, evidence=evidence)
        cause = json.dumps({"until_unix": until // 1000, "error_message": evidence}).decode()
        await self._cool(exchange, account_id, "", hint, fault, note, cause)

    def _current_defaults(self) -> CooldownDefaults:
        """Boot configuration, unless an administrator has said something since."""
        overload = overload_from(self._directory.settings.get(OVERLOAD_SETTING))
        if overload is None:
            return self._defaults
        return replace(self._defaults, overload_s=overload.cooldown_minutes * 60 if overload.enabled else 0)

    async def proved(self, picked: Picked, exchange: Exchange, *, is_whole: bool) -> None:
        """The provider accepted the request (`is_whole`: and answered it to the end): what this disproves is
        over. Whoever was failing must answer to the end."""
        for cooldown in picked.trial.cooldowns:
            if cooldown.reason == FAILING and not is_whole:
                continue
            try:
                await self._end(cooldown, exchange)
            except (StateUnavailable, StorageUnavailable):  # it will be proven by another answer
                log.warning("recovery_not_noted", account_id=cooldown.account_id)
        await self._probes.leave(picked.trial)

    async def conclude(self, picked: Picked, exchange: Exchange, fault: Fault | None) -> None:
        """The attempt is over: its trial ends, one way or the other."""
        if fault is None or fault.kind in _ALIVE:
            await self.proved(picked, exchange, is_whole=True)
        else:
            await self._probes.leave(picked.trial)

    async def _end(self, cooldown: Cooldown, exchange: Exchange) -> None:
        account_id = cooldown.account_id
        if not await self._cooldowns.forget(account_id, cooldown.model, until_ms=cooldown.until_ms):
            return
        if cooldown.reason == OVERLOADED and not cooldown.model:
            await self._journal.mark_account(account_id, is_recovered=True)
        self._metrics.account_recovered(account_id)
        await self._note(
            account_id,
            HealthEvent(
                at_ms=self._clock.now_ms(),
                state=HealthState.HEALTHY,
                model=cooldown.model,
                cause="answered",
                evidence=f"after {cooldown.reason}",
                exchange_id=exchange.id,
            ),
        )

    async def _mark_down(
        self, exchange: Exchange, account_id: AccountId, error: str, fault: Fault, note: dict[str, Any]
    ) -> None:
        await self._bridge(account_id, fault)
        await self._journal.mark_account(account_id, error=error)
        self._metrics.account_marked(account_id, "error")
        note["account_marked"] = fault.kind.value
        await self._note(
            account_id,
            HealthEvent(
                at_ms=self._clock.now_ms(),
                state=HealthState.DOWN,
                cause=fault.kind.value,
                evidence=error,
                status=fault.upstream_status,
                exchange_id=exchange.id,
            ),
        )

    async def _bridge(self, account_id: AccountId, fault: Fault) -> None:
        """Keep everybody away until all directories know of the mark."""
        now = self._clock.now_ms()
        bridge = Cooldown(
            account_id=account_id,
            model="",
            until_ms=now + BRIDGE_MS,
            reason=MARKED,
            evidence=fault.kind.value,
            began_ms=now,
        )
        try:
            await self._cooldowns.set(bridge)
        except StateUnavailable:  # the mark itself is what counts
            log.warning("mark_not_bridged", account_id=account_id)

    async def _cool(
        self,
        exchange: Exchange,
        account_id: AccountId,
        model: str,
        hint: CooldownHint,
        fault: Fault,
        note: dict[str, Any],
        exclusion: str | None = None,
    ) -> None:
        """Begin a cooldown. `exclusion`: what to write down of a temporary one."""
        now = self._clock.now_ms()
        strikes = strikes_of(await self._known(account_id), model)
        hint = after_strikes(hint, strikes, now)
        cooldown = Cooldown(
            account_id=account_id,
            model=model,
            until_ms=hint.until_ms,
            reason=hint.reason,
            evidence=hint.evidence,
            strikes=strikes,
            began_ms=now,
        )
        await self._cooldowns.set(cooldown)
        if not model and hint.reason == RATE_LIMITED:
            self._limited[account_id] = max(hint.until_ms, self._limited.get(account_id, 0))
        self._metrics.account_marked(account_id, hint.reason, until_ms=hint.until_ms)
        note["cooldown"] = {"cause": hint.reason, "evidence": hint.evidence, "until_ms": hint.until_ms} | (
            {"model": model} if model else {}
        )
        if exclusion is not None:
            await self._journal.mark_account(account_id, excluded_until_ms=hint.until_ms, reason=exclusion)
        elif not model:
            await self._write_down(account_id, hint)
        await self._note(
            account_id,
            HealthEvent(
                at_ms=now,
                state=state_of(cooldown, now),
                model=model,
                cause=hint.reason,
                evidence=hint.evidence,
                status=fault.upstream_status,
                until_ms=hint.until_ms,
                exchange_id=exchange.id,
            ),
        )

    async def _write_down(self, account_id: AccountId, hint: CooldownHint) -> None:
        is_overload = hint.reason == OVERLOADED
        await self._journal.mark_account(
            account_id,
            reason=f"{hint.reason}: {hint.evidence}",
            overloaded_until_ms=hint.until_ms if is_overload else None,
            rate_limited_until_ms=None if is_overload else hint.until_ms,
        )

    async def _known(self, account_id: AccountId) -> list[Cooldown]:
        now = self._clock.now_ms()
        known = await self._cooldowns.active([account_id])
        return [c for c in known if c.until_ms <= now]  # those in force have not been tried

    async def _note(self, account_id: AccountId, event: HealthEvent) -> None:
        log.info(
            "account_health_changed",
            account_id=account_id,
            state=event.state.value,
            model=event.model,
            cause=event.cause,
            evidence=event.evidence,
            until_ms=event.until_ms,
        )
        try:
            await self._log.note(account_id, event)
        except StateUnavailable:
            log.warning("health_event_lost", account_id=account_id)

    def _note_unusable(
        self,
        account_id: AccountId,
        headers: Mapping[str, str],
        body: bytes,
        note: dict[str, Any],
        now_ms: int,
    ) -> None:
        """Resets that say nothing usable: in the trace each time, in the log once per account."""
        names = unusable_resets(headers, now_ms) + unusable_body_resets(body, now_ms)
        if not names:
            return
        note["resets_ignored"] = names
        for name in names:
            if (account_id, name) in self._logged or len(self._logged) >= _MOST_LOGGED:
                continue
            self._logged.add((account_id, name))
            log.warning("reset_header_ignored", account_id=account_id, header=name)
