"""Holds a fault against an account only when the exchange has shown that it was the account's
(core/routing/suspicion.py), and remembers requests that nobody could answer.

What is counted lives in the process; what follows from it (cooldowns, error marks) is shared.
"""

import structlog

from headgate.core.dialects.contract import CooldownHint
from headgate.core.faults import FaultKind
from headgate.core.routing.cooldown import MODEL_UNAVAILABLE, AccountEffect
from headgate.core.routing.health import FAILING
from headgate.core.routing.suspicion import (
    AGAINST_ALL,
    BROKEN,
    FAILURES_IN_A_ROW,
    WITHOUT_WITNESS,
    PoisonedRequests,
    Suspicions,
)
from headgate.kit.clock import Clock
from headgate.relay.account_health import AccountHealth
from headgate.relay.exchange import Exchange, Suspended
from headgate.relay.picker import Picked
from headgate.state.protocols import StateUnavailable
from headgate.storage.journal import StorageUnavailable

log = structlog.get_logger(__name__)

_MODEL_UNAVAILABLE_MS = 10 * 60_000


class Attribution:
    """One per process."""

    def __init__(self, health: AccountHealth, clock: Clock, *, failing_s: int) -> None:
        """`failing_s`: how long an account is avoided whose attempts break in a row; 0 = never."""
        self._health = health
        self._clock = clock
        self._failing_s = failing_s
        self._suspicions = Suspicions()
        self._poisoned = PoisonedRequests()
        self.counts: dict[str, int] = {}
        """Events of this process: retries, switches, fallbacks and where they ended."""

    def count(self, event: str) -> None:
        self.counts[event] = self.counts.get(event, 0) + 1

    def is_poisoned(self, exchange: Exchange) -> bool:
        """Nobody could answer this request a moment ago."""
        return len(self._poisoned) > 0 and self._poisoned.knows(exchange.request_name(), self._clock.now_ms())

    def poisoned(self, now_ms: int) -> tuple[int, int]:
        """How many requests are known that nobody could answer, and until when the last of them is."""
        return self._poisoned.kept(now_ms)

    async def answered(self, exchange: Exchange, picked: Picked) -> None:
        """The account answered: it is well, and whoever failed before it in this exchange is at fault."""
        if len(self._suspicions):
            self._suspicions.answered(picked.account.id, picked.upstream_model)
        suspended, exchange.suspended = exchange.suspended, []
        for suspect in _distinct(suspended):
            if suspect.account_id == picked.account.id:
                continue
            needed = FAILURES_IN_A_ROW if suspect.fault.kind in BROKEN else 1
            await self._weigh(exchange, suspect, needed)

    async def broke_off(self, exchange: Exchange) -> None:
        """The answer that the client was reading ended too early. Its account has no witness against it, and
        those that failed before have none for them: all are suspected as if nobody had answered, but the
        request is not, for it was being answered."""
        suspended, exchange.suspended = _distinct(exchange.suspended), []
        for suspect in suspended:
            needed = FAILURES_IN_A_ROW if suspect.fault.kind in BROKEN else WITHOUT_WITNESS
            if suspect.fault.kind is not FaultKind.UPSTREAM_NOT_FOUND:
                await self._weigh(exchange, suspect, needed)

    async def gave_up(self, exchange: Exchange) -> None:
        """Nobody answered. Two accounts that failed alike speak for the request being the cause."""
        suspended, exchange.suspended = _distinct(exchange.suspended), []
        if len({suspect.account_id for suspect in suspended}) > 1:
            self._poisoned.remember(suspended[0].request, self._clock.now_ms())
            self.count("poison_remembered")
            log.warning("request_suspected", exchange_id=exchange.id, accounts=len(suspended))
            needed = AGAINST_ALL
        else:
            needed = WITHOUT_WITNESS
        for suspect in suspended:
            if suspect.fault.kind is FaultKind.UPSTREAM_NOT_FOUND:
                continue  # nobody has shown that the model exists
            is_broken = suspect.fault.kind in BROKEN
            await self._weigh(exchange, suspect, max(needed, FAILURES_IN_A_ROW) if is_broken else needed)

    async def _weigh(self, exchange: Exchange, suspect: Suspended, needed: int) -> None:
        key = (suspect.account_id, suspect.model, suspect.fault.kind)
        conversation = exchange.session or suspect.request
        if self._suspicions.is_convincing(key, conversation, needed=needed):
            effect = self._effect_of(suspect, needed)
            try:
                await self._health.apply(
                    exchange, suspect.account_id, suspect.model, effect, suspect.fault, {}
                )
            except (StateUnavailable, StorageUnavailable):  # the client has its answer, or its fault
                log.warning("attribution_not_kept", account_id=suspect.account_id)

    def _effect_of(self, suspect: Suspended, times: int) -> AccountEffect:
        now, kind = self._clock.now_ms(), suspect.fault.kind
        if kind in BROKEN:
            if self._failing_s <= 0:
                return AccountEffect()
            evidence = f"{times} conversations in a row: {kind.value}"
            until = now + self._failing_s * 1000
            return AccountEffect(cooldown=CooldownHint(until_ms=until, reason=FAILING, evidence=evidence))
        if kind is FaultKind.UPSTREAM_NOT_FOUND:
            evidence = "another account serves the model"
            until = now + _MODEL_UNAVAILABLE_MS
            hint = CooldownHint(until_ms=until, reason=MODEL_UNAVAILABLE, evidence=evidence)
            return AccountEffect(cooldown=hint)
        return suspect.effect


def _distinct(suspended: list[Suspended]) -> list[Suspended]:
    """One per account, model and fault."""
    return list({(s.account_id, s.model, s.fault.kind): s for s in suspended}.values())
