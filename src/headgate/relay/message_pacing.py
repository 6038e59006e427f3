"""Pacing the messages that people send to an account (spec 3.7): one at a time, with pauses between them.

Only what a person wrote counts; the results of tools pass at once, so a program at work is not slowed down.
The line is one of the slot store: first come, first served, renewed while it is held, reclaimed when a
process dies. Whoever waits too long, or finds the store away, goes ahead: pacing is a courtesy, never a
refusal.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from headgate.core.dialects.anthropic_messages.turns import is_user_turn
from headgate.core.faults import FaultKind, RelayError
from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import AccountLimits, Pacing, pause_ms, rpm_counter
from headgate.core.world import Dialect
from headgate.kit.clock import Clock
from headgate.relay.exchange import Exchange
from headgate.relay.leases import LeaseKeeper
from headgate.relay.picker import Picked
from headgate.relay.slot_queue import SlotQueue
from headgate.state.protocols import SharedState, SlotLease, StateUnavailable

log = structlog.get_logger(__name__)

WAIT_S = 30.0
MAX_WAITING = 100
_REMEMBERED_S = 120
_IMPATIENT = frozenset({FaultKind.QUEUE_FULL, FaultKind.QUEUE_TIMEOUT})


class MessagePacer:
    """One per process."""

    def __init__(
        self,
        state: SharedState,
        queueing: SlotQueue,
        leases: LeaseKeeper,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._counters = state.counters
        self._queueing = queueing
        self._leases = leases
        self._clock = clock
        self._sleep = sleep
        self._dice = random.Random()  # noqa: S311 - spreads pauses, protects nothing

    async def wait(self, exchange: Exchange, picked: Picked) -> None:
        """Until the account may get this message. Raises `RelayError` when the client leaves meanwhile."""
        limits = picked.account.limits
        if limits is None or limits.pacing is Pacing.NONE or not _is_message(exchange):
            return
        account_id = picked.account.id
        lease = None
        try:
            if limits.pacing is Pacing.SERIALIZE:
                lease = await self._turn(exchange, account_id)
            exchange.end_turn = lambda: self._end(account_id, lease)
            await self._pause(exchange, account_id, limits)
        except StateUnavailable:
            log.warning("message_not_paced", account_id=account_id)

    async def _turn(self, exchange: Exchange, account_id: AccountId) -> SlotLease | None:
        try:
            lease = await self._queueing.wait(
                exchange,
                f"messages:{account_id}",
                limit=1,
                max_waiting=MAX_WAITING,
                timeout_s=WAIT_S,
                refusals=("", ""),
            )
        except RelayError as error:
            if error.fault.kind in _IMPATIENT:
                return None
            raise
        self._leases.hold(lease)
        return lease

    async def _pause(self, exchange: Exchange, account_id: AccountId, limits: AccountLimits) -> None:
        now = self._clock.now_ms()
        last = await self._counters.value(_last(account_id))
        requests = await self._counters.value(rpm_counter(account_id, now)) if limits.base_rpm else 0
        pause = pause_ms(requests, limits.base_rpm, dice=self._dice.random())
        left = min(max(0, last + pause - now), pause)
        if last and left:
            exchange.trace.note("paced_ms", left)
            await self._sleep(left / 1000)

    async def _end(self, account_id: AccountId, lease: SlotLease | None) -> None:
        """The provider has the message, or will not get it: the next may come."""
        try:
            await self._counters.reset(_last(account_id))
            await self._counters.add(_last(account_id), self._clock.now_ms(), window_s=_REMEMBERED_S)
        except StateUnavailable:
            log.warning("message_not_paced", account_id=account_id)
        if lease is not None:
            await self._leases.release(lease)


async def end_turn(exchange: Exchange) -> None:
    """What `wait` has taken is given back; only the first call does anything."""
    end, exchange.end_turn = exchange.end_turn, None
    if end is not None:
        await end()


def _is_message(exchange: Exchange) -> bool:
    return exchange.target.dialect is Dialect.ANTHROPIC_MESSAGES and is_user_turn(exchange.body)


def _last(account_id: AccountId) -> str:
    return f"messages:last:{account_id}"
