"""An account's own quota (spec 1.4): held per attempt, so that an account near its limit is left to others.

A refused account is no candidate for a few seconds, with the limit as the reason in the trace. A running
answer is never cut for its account's quota: what it costs beyond the hold goes on top, visible to the next
selection. So an account can pass its limit by what its running answers cost beyond their holds.
"""

from collections.abc import Mapping

import structlog

from headgate.core.ids import AccountId, ExchangeId
from headgate.core.limits.budget import account_budget, account_spent
from headgate.core.pricing.cost import CostLines
from headgate.core.routing.degradation import UsedUp
from headgate.core.world import Account
from headgate.kit.clock import Clock
from headgate.relay.exchange import AccountHold, Exchange
from headgate.relay.reserver import Reserver
from headgate.state.protocols import Cooldown, Refused, ReservationStore, StateUnavailable

log = structlog.get_logger(__name__)

_LOOK_AGAIN_MS = 5_000
_LEFT_KEPT_MS = 60_000
"""A window may have begun anew since."""
_USED_UP_KEPT_MS = 15 * 60_000
"""Without a request nobody knows whether the quota has room again."""
QUOTA_EXHAUSTED = "quota_exhausted"


def hold_id(exchange_id: ExchangeId, attempt: int) -> str:
    """Name of the reservation that an attempt has on its account's quota."""
    return f"{exchange_id}@{attempt}"


class AccountQuotas:
    """Holds and releases; remembers who was refused a moment ago."""

    def __init__(self, reserver: Reserver, reservations: ReservationStore, clock: Clock) -> None:
        self._reserver = reserver
        self._reservations = reservations
        self._clock = clock
        self._refused: dict[AccountId, Cooldown] = {}
        self._used_up: dict[AccountId, UsedUp] = {}
        self._left: dict[AccountId, tuple[int, int]] = {}
        """What was left after the last hold, and when that was."""

    def refused(self) -> tuple[Cooldown, ...]:
        """Accounts whose quota refused a hold a moment ago."""
        if not self._refused:
            return ()
        now = self._clock.now_ms()
        self._refused = {name: held for name, held in self._refused.items() if held.until_ms > now}
        return tuple(self._refused.values())

    def used_up(self) -> Mapping[AccountId, UsedUp]:
        """Accounts whose quota could not cover the last request for them that was seen here."""
        now = self._clock.now_ms()
        self._used_up = {name: seen for name, seen in self._used_up.items() if seen.until_ms > now}
        return self._used_up

    def left_nano(self, account_id: AccountId) -> int | None:
        """What the account's quota still covered a moment ago; None: not known."""
        known = self._left.get(account_id)
        if known is None or self._clock.now_ms() - known[1] > _LEFT_KEPT_MS:
            return None
        return known[0]

    async def hold(self, exchange: Exchange, account: Account) -> bool:
        """Hold what the attempt will probably cost; False: the account's quota cannot cover it."""
        if account.quota is None or exchange.need is None:
            return True
        budget = account_budget(account)
        if not budget.bounds:
            return True
        name = hold_id(exchange.id, exchange.attempts)
        list_nano = exchange.need.list_nano(exchange.need.wanted_tokens)
        answer = await self._reserver.hold_account(name, budget, list_nano)
        if not isinstance(answer, Refused):
            exchange.account_hold = AccountHold(reservation_id=name, hold=answer)
            self._used_up.pop(account.id, None)
            if answer.left_nano is not None:
                self._left[account.id] = (answer.left_nano, self._clock.now_ms())
            return True
        now = self._clock.now_ms()
        before = self._used_up.get(account.id)
        self._used_up[account.id] = UsedUp(
            bound=answer.bound,
            since_ms=now if before is None else before.since_ms,
            until_ms=now + _USED_UP_KEPT_MS,
        )
        self._refused[account.id] = Cooldown(
            account_id=account.id,
            model="",
            until_ms=now + _LOOK_AGAIN_MS,
            reason=QUOTA_EXHAUSTED,
            evidence=answer.bound,
        )
        return False

    async def release(self, exchange: Exchange, cost: CostLines | None) -> None:
        """Replace the hold by the true cost; None: nothing was booked."""
        held, exchange.account_hold = exchange.account_hold, None
        if held is None:
            return
        try:
            if cost is None:  # not settled: the next try may hold under the same name
                await self._reservations.abandon([held.reservation_id])
            else:
                await self._reservations.settle(held.reservation_id, account_spent(cost, held.hold.budget))
        except StateUnavailable:
            log.warning("account_reservation_left_to_expire", exchange_id=exchange.id)
