"""Half-open accounts: after a cooldown one request tries the account, all others wait for what it learns.

The one that tries holds a short lease in the shared state, so that of all processes one request goes. Who
finds nobody but accounts under trial waits for the verdict, at most as long as a trial may take; a trial that
hangs longer does not shut anybody out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import structlog

from headgate.core.ids import AccountId
from headgate.core.routing.health import PROBING, SOFT_CAUSES
from headgate.core.routing.verdicts import NoneEligible, Selection
from headgate.kit.clock import Clock
from headgate.state.protocols import Cooldown, LockStore, StateUnavailable

log = structlog.get_logger(__name__)

TRIAL_S = 10.0
"""How long a trial keeps others away; reasoning models may answer later, but a 401, 429 or 529 comes at
once."""
LOOK_AGAIN_S = 0.05


class Trial(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt may prove: cooldowns of its account that are over, or that were mere preferences."""

    cooldowns: tuple[Cooldown, ...] = ()
    lock: tuple[str, str] | None = None
    """Name and token of the lease, when this attempt is the one that tries."""


NO_TRIAL = Trial()


class Probes:
    """One per process: who tries, and which accounts are being tried by others."""

    def __init__(self, locks: LockStore, clock: Clock) -> None:
        self._locks = locks
        self._clock = clock
        self._taken: dict[tuple[AccountId, str], Cooldown] = {}

    def refused(self) -> tuple[Cooldown, ...]:
        """Accounts that somebody else was trying a moment ago, as cooldowns."""
        if not self._taken:
            return ()
        now = self._clock.now_ms()
        self._taken = {key: taken for key, taken in self._taken.items() if taken.until_ms > now}
        return tuple(self._taken.values())

    async def enter(self, unproven: Sequence[Cooldown], *, is_patient: bool) -> Trial | None:
        """The right to try an account with these cooldowns; None: somebody else is trying it just now."""
        now = self._clock.now_ms()
        due = [c for c in unproven if c.until_ms <= now and c.reason not in SOFT_CAUSES]
        if not due or not is_patient:
            return Trial(cooldowns=tuple(unproven))
        first = due[0]
        name = f"probe:{first.account_id}:{first.model}"
        token = await self._locks.acquire(name, ttl_s=TRIAL_S)
        if token is not None:
            return Trial(cooldowns=tuple(unproven), lock=(name, token))
        until = now + round(LOOK_AGAIN_S * 1000)
        self._taken[first.account_id, first.model] = replace(
            first, until_ms=until, reason=PROBING, evidence=first.reason
        )
        return None

    async def leave(self, trial: Trial | None) -> None:
        """The trial is over, whatever it showed."""
        if trial is None or trial.lock is None:
            return
        try:
            await self._locks.release(*trial.lock)
        except StateUnavailable:
            log.warning("probe_left_to_expire", probe=trial.lock[0])


def is_under_trial(selection: Selection) -> bool:
    """Nobody can serve, but somebody may in a moment."""
    return isinstance(selection, NoneEligible) and any(
        rejection.detail == PROBING for rejection in selection.rejections.values()
    )


def unproven_of(
    known: Mapping[AccountId, tuple[Cooldown, ...]],
    account_id: AccountId,
    models: tuple[str, ...],
    now_ms: int,
) -> tuple[Cooldown, ...]:
    """Of the account's cooldowns those that do not stop a request for one of these models, and that an answer
    would end for good."""
    return tuple(
        cooldown
        for cooldown in known.get(account_id, ())
        if cooldown.model in models and (cooldown.until_ms <= now_ms or cooldown.reason in SOFT_CAUSES)
    )
