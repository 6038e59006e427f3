"""A machine's clock that somebody has set: cooldowns that began in the future would last for the whole jump.

After a jump forward cooldowns end too early, and one trial request sets that right. After a jump backward
they would keep accounts out for hours; so they become half-open at once (core/routing/health.py): one request
tries, and what is still true is found out anew.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import update

from headgate.core.ids import AccountId
from headgate.core.routing.health import HealthEvent, HealthState
from headgate.kit.clock import Clock
from headgate.state.protocols import Cooldown, SharedState
from headgate.storage.models import AccountRow
from headgate.storage.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

EVERY_S = 1.0
JUMP_MS = 60_000
"""Less than that is slewing, or a process that was held up between the two readings."""
CAUSE = "clock set back"


class ClockWatch:
    """One per process. `counts`: jumps by direction."""

    def __init__(
        self,
        clock: Clock,
        state: SharedState,
        uow: Callable[[], UnitOfWork],
        accounts: Callable[[], Iterable[AccountId]],
    ) -> None:
        self._clock = clock
        self._state = state
        self._uow = uow
        self._accounts = accounts
        self._lead_ms: float | None = None
        """How far the wall clock is ahead of the one that never goes back."""
        self.counts: dict[str, int] = {}

    async def look(self) -> int:
        """How many cooldowns were cut short. At the first look the clock may have been set while nobody
        ran."""
        now = self._clock.now_ms()
        lead_ms = now - self._clock.monotonic() * 1000
        before = lead_ms if self._lead_ms is None else self._lead_ms
        is_first, jump_ms = self._lead_ms is None, round(lead_ms - before)
        if abs(jump_ms) >= JUMP_MS:
            direction = "forward" if jump_ms > 0 else "back"
            self.counts[direction] = self.counts.get(direction, 0) + 1
            log.warning("clock_was_set", direction=direction, by_s=round(jump_ms / 1000))
        elif not is_first:
            return 0
        cut = await self._cut_short(now)
        self._lead_ms = lead_ms  # when a store was away we look again
        return cut

    async def _cut_short(self, now: int) -> int:
        """Cooldowns that began in the future end now."""
        known = await self._state.cooldowns.active(list(self._accounts()))
        begun_later = [cooldown for cooldown in known if cooldown.began_ms > now + JUMP_MS]
        whole = [cooldown.account_id for cooldown in begun_later if not cooldown.model]
        await self._forget_stored(whole, now)  # first: whoever is half-open shall be tried
        for cooldown in begun_later:
            await self._end(cooldown, now)
        return len(begun_later)

    async def _end(self, cooldown: Cooldown, now: int) -> None:
        cooldowns = self._state.cooldowns
        if not await cooldowns.forget(cooldown.account_id, cooldown.model, until_ms=cooldown.until_ms):
            return  # another process was first
        await cooldowns.set(replace(cooldown, until_ms=now, began_ms=now))
        event = HealthEvent(
            at_ms=now,
            state=HealthState.HALF_OPEN,
            model=cooldown.model,
            cause=CAUSE,
            evidence=f"during {cooldown.reason}",
        )
        await self._state.health.note(cooldown.account_id, event)

    async def _forget_stored(self, accounts: Sequence[AccountId], now: int) -> None:
        """What the accounts table remembers of these, and rate limits that began in the future."""
        row = AccountRow
        latest = datetime.fromtimestamp((now + JUMP_MS) / 1000, tz=UTC)
        limits: dict[str, Any] = {"rate_limited_at": None, "rate_limit_reset_at": None}
        others: dict[str, Any] = {
            "overload_until": None,
            "temp_unschedulable_until": None,
            "temp_unschedulable_reason": "",
        }
        async with self._uow() as uow:
            found = await uow.session.scalars(
                update(row).where(row.rate_limited_at > latest).values(**limits).returning(row.id)
            )
            stored = list(found)
            if accounts:
                await uow.session.execute(update(row).where(row.id.in_(accounts)).values(**limits, **others))
            if stored or accounts:
                uow.touch_directory()
