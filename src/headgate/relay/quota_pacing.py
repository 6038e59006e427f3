"""Keeping background keys off accounts whose quota windows are used faster than they last
(core/limits/quota_pacing.py).

What providers said to other processes is read from the shared state, at most every few seconds per account,
and only for requests of background keys.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog

from headgate.core.ids import AccountId
from headgate.core.limits.quota_pacing import QUOTA_PACING, HeldBack, fastest_of, worst_of
from headgate.core.limits.quota_windows import QuotaReading, current, forecast
from headgate.core.routing.eligibility import served_model
from headgate.core.world import Account
from headgate.kit.clock import Clock
from headgate.relay.quota_watch import QuotaWatch
from headgate.state.protocols import Cooldown, StateUnavailable

log = structlog.get_logger(__name__)

LOOK_AGAIN_MS = 5_000


class _Paces(NamedTuple):
    newest: QuotaReading | None
    fastest: Mapping[tuple[str, str], int]
    """By window and model, ppm per hour."""


_NO_PACES = _Paces(None, {})


class QuotaPacing:
    """One per process."""

    def __init__(self, watch: QuotaWatch, clock: Clock, *, reserve_ppm: int) -> None:
        self._watch = watch
        self._clock = clock
        self._reserve_ppm = reserve_ppm
        self._looked: dict[AccountId, int] = {}
        self._paces: dict[AccountId, _Paces] = {}

    async def refused(self, accounts: Sequence[Account], model: str) -> Sequence[Cooldown]:
        """Accounts that background requests for this client model must leave alone now, as cooldowns."""
        now = self._clock.now_ms()
        due = [one.id for one in accounts if now - self._looked.get(one.id, 0) >= LOOK_AGAIN_MS]
        if due:
            await self._look(due, now)
        found = []
        for account in accounts:
            upstream = served_model(account, model) or model
            readings = [one for one in self._watch.newest(account.id) if one.counts(upstream)]
            if not readings:
                continue
            fastest = self._paces.get(account.id, _NO_PACES).fastest
            windows = [(one, fastest.get((one.window, one.model), 0)) for one in readings]
            held = worst_of(windows, now, reserve_ppm=self._reserve_ppm)
            if held is not None:
                found.append(_refusal(account.id, held))
        return found

    async def _look(self, accounts: Sequence[AccountId], now: int) -> None:
        """What others were told. Foresight only: without it the account is used as if its windows lasted."""
        self._looked.update(dict.fromkeys(accounts, now))
        try:
            await asyncio.gather(*(self._learn(account_id, now) for account_id in accounts))
        except StateUnavailable:
            log.warning("quota_windows_not_read", accounts=len(accounts))

    async def _learn(self, account_id: AccountId, now: int) -> None:
        """The windows' fastest likely paces, made anew only when there is news."""
        readings = await self._watch.catch_up(account_id)
        known = self._paces.get(account_id, _NO_PACES)
        if not readings or readings[0] == known.newest:
            return
        fastest = {window: fastest_of(forecast(some, now)) for window, some in current(readings, now).items()}
        self._paces[account_id] = _Paces(readings[0], fastest)


def _refusal(account_id: AccountId, held: HeldBack) -> Cooldown:
    used = f"{held.used_ppm // 10_000} %"
    return Cooldown(
        account_id=account_id,
        model="",
        until_ms=held.until_ms,
        reason=QUOTA_PACING,
        evidence=f"the {held.window} window is used faster than it lasts: {used}",
    )
