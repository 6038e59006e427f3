"""Passing the limits of the account that selection chose (core/limits/account_limits.py, spec 3.7).

Counted when an attempt begins, atomically, so that a burst cannot slip through between looking and counting;
given back when the attempt was not made after all. Who is refused here looks for another account, with the
limit as the reason in the trace. A store that does not answer refuses, as for the limits of callers; a
database that does not answer lets through (what the window cost is not known then).
"""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import (
    MINUTE_MS,
    RATE,
    RPM,
    SESSIONS,
    WINDOW_COST,
    AccountLimits,
    corrections,
    rate_charges,
    requests_allowed,
    rpm_counter,
    window_admits,
)
from headgate.core.limits.token_bucket import RateCharge
from headgate.core.world import Account
from headgate.kit.clock import Clock
from headgate.relay.exchange import AccountPass, Exchange
from headgate.relay.window_costs import FRESH_MS, WindowCosts
from headgate.state.protocols import Cooldown, RateExceeded, SharedState, StateUnavailable

log = structlog.get_logger(__name__)

_COUNTER_S = 120
_LOOK_AGAIN_MS = 1_000
"""How long a full minute is believed: the counter is everybody's, and what another process gives back is
found there when it is asked again."""


class Booked(NamedTuple):
    """What became of an attempt."""

    tokens: int
    """Of all kinds."""
    list_nano: int
    is_served: bool
    """The client has got an answer, or a part of one."""


class _Closed(NamedTuple):
    refusal: Cooldown
    look_again_ms: int
    """From then on the limit itself is asked."""


class AccountGate:
    """One per process; remembers for a moment who was refused what."""

    def __init__(self, state: SharedState, costs: WindowCosts, clock: Clock) -> None:
        self._counters = state.counters
        self._sessions = state.sessions
        self._rates = state.rates
        self._costs = costs
        self._clock = clock
        self._closed: dict[tuple[AccountId, bool], _Closed] = {}
        """By account and whether conversations that live there are refused as well."""

    def refused(self, exchange: Exchange, home: AccountId | None) -> Sequence[Cooldown]:
        """Accounts that would refuse this exchange now."""
        if not self._closed and not exchange.account_refusals:
            return ()
        now = self._clock.now_ms()
        self._closed = {key: found for key, found in self._closed.items() if found.look_again_ms > now}
        closed = [
            found.refusal
            for (account_id, for_all), found in self._closed.items()
            if for_all or account_id != home
        ]
        return [*closed, *exchange.account_refusals]

    async def enter(self, exchange: Exchange, account: Account, model: str, *, is_home: bool) -> bool:
        """Draw from all limits of the account, or from none. `model`: upstream."""
        limits = account.limits
        if limits is None:
            return True
        if not window_admits(limits, await self._spent(account.id, limits), is_home=is_home):
            self._close(account.id, WINDOW_COST, self._clock.now_ms() + FRESH_MS, is_home=is_home)
            return False
        counter = await self._count(account.id, limits, is_home=is_home)
        if counter is None:
            return False
        new_session = await self._converse(exchange, account.id, limits)
        if new_session is not None:
            drawn = await self._draw(exchange, account.id, limits, model)
            if drawn is not None:
                exchange.account_pass = AccountPass(
                    account_id=account.id,
                    counter=counter,
                    new_session=new_session,
                    charges=tuple(drawn),
                    tokens=_tokens(exchange),
                    counts_cost=limits.window_cost_nano > 0,
                )
                return True
            if new_session:
                await self._sessions.leave(_resource(account.id), new_session)
        if counter:
            await self._counters.add(counter, -1, window_s=_COUNTER_S)
        return False

    async def give_back(self, exchange: Exchange) -> None:
        """The attempt was not made."""
        held, exchange.account_pass = exchange.account_pass, None
        if held is None:
            return
        try:
            await self._uncount(held)
            if held.new_session:
                await self._sessions.leave(_resource(held.account_id), held.new_session)
            await self._rates.correct(corrections(held.charges, held.tokens, None))
        except StateUnavailable:
            log.warning("account_pass_left_to_expire", exchange_id=exchange.id)

    async def settle(self, exchange: Exchange, booked: Booked | None) -> None:
        """The attempt is over: the tokens that were drawn become those that were used, what it cost counts,
        and a request that was not served is none of its minute (spec 3.7). None: nothing was booked. Only
        the first call does anything."""
        held, exchange.account_pass = exchange.account_pass, None
        if held is None:
            return
        try:
            if booked is None or not booked.is_served:
                await self._uncount(held)
            if booked is not None and held.counts_cost and booked.list_nano > 0:
                await self._costs.add(held.account_id, booked.list_nano)
            if held.charges:
                used = 0 if booked is None else booked.tokens
                await self._rates.correct(corrections(held.charges, held.tokens, used))
        except StateUnavailable:
            log.warning("account_rate_left_uncorrected", exchange_id=exchange.id)

    async def _uncount(self, held: AccountPass) -> None:
        """There is room for another in that minute."""
        if not held.counter:
            return
        await self._counters.add(held.counter, -1, window_s=_COUNTER_S)
        for key in ((held.account_id, False), (held.account_id, True)):
            closed = self._closed.get(key)
            if closed is not None and closed.refusal.reason == RPM:
                del self._closed[key]

    async def _spent(self, account_id: AccountId, limits: AccountLimits) -> int:
        return await self._costs.of(account_id) if limits.window_cost_nano > 0 else 0

    async def _count(self, account_id: AccountId, limits: AccountLimits, *, is_home: bool) -> str | None:
        """The counter that was raised, empty when nothing is limited; None: too many this minute."""
        if limits.base_rpm <= 0:
            return ""
        now = self._clock.now_ms()
        counter = rpm_counter(account_id, now)
        count = await self._counters.add(counter, 1, window_s=_COUNTER_S)
        allowed = requests_allowed(limits, is_home=is_home)
        if allowed is None or count <= allowed:
            return counter
        await self._counters.add(counter, -1, window_s=_COUNTER_S)
        self._close(account_id, RPM, now - now % MINUTE_MS + MINUTE_MS, is_home=is_home)
        return None

    async def _converse(self, exchange: Exchange, account_id: AccountId, limits: AccountLimits) -> str | None:
        """The conversation if it is newly counted, else empty; None: too many at a time. Another
        conversation, which is counted, may be served all the same, so this refusal is the exchange's own."""
        session = exchange.session
        if limits.max_sessions <= 0 or session is None:
            return ""
        idle_ms = limits.session_idle_ms
        entry = await self._sessions.enter(
            _resource(account_id), session, limit=limits.max_sessions, idle_ms=idle_ms
        )
        if entry == "full":
            until = self._clock.now_ms() + idle_ms
            exchange.account_refusals.append(_refusal(account_id, SESSIONS, until))
            return None
        return session if entry == "new" else ""

    async def _draw(
        self, exchange: Exchange, account_id: AccountId, limits: AccountLimits, model: str
    ) -> Sequence[RateCharge] | None:
        charges = rate_charges(account_id, limits, model, _tokens(exchange))
        if not charges:
            return charges
        answer = await self._rates.draw(charges)
        if not isinstance(answer, RateExceeded):
            return charges
        is_whole = answer.bucket.count(":") == 2  # account:<id>:rpm, account:<id>:<model>:rpm
        until = self._clock.now_ms() + answer.retry_after_ms
        if is_whole and answer.bucket.endswith(":rpm"):
            self._close(account_id, RATE, until, is_home=True)
        else:  # a smaller request may find tokens enough, and the account's other models are not concerned
            exchange.account_refusals.append(_refusal(account_id, RATE, until))
        return None

    def _close(self, account_id: AccountId, cause: str, until_ms: int, *, is_home: bool) -> None:
        look_again_ms = until_ms
        if cause == RPM:
            look_again_ms = min(until_ms, self._clock.now_ms() + _LOOK_AGAIN_MS)
        self._closed[account_id, is_home] = _Closed(_refusal(account_id, cause, until_ms), look_again_ms)


def _resource(account_id: AccountId) -> str:
    return f"account:{account_id}"


def _refusal(account_id: AccountId, cause: str, until_ms: int) -> Cooldown:
    return Cooldown(
        account_id=account_id, model="", until_ms=until_ms, reason=cause, evidence="operator's limit"
    )


def _tokens(exchange: Exchange) -> int:
    """The input as estimated: what comes out is drawn when it is known."""
    return max(1, exchange.peek.input_tokens_estimate)
