"""The one choke point (DESIGN 9.7): every billable exchange passes `admit` before any upstream call.

Takes the key's slot (where it has a limit of its own), the user's and its share of the group's, and reserves
money for the input plus a first slice of output against every bound that applies (balance, key quota, key
windows). What cannot be covered is refused here, with the limit named.
"""

from headgate.core.limits.fair_share import Share
from headgate.core.limits.rates import has_rate_limit
from headgate.relay.budgets import Budgets
from headgate.relay.estimator import Estimator
from headgate.relay.exchange import Exchange
from headgate.relay.exhausted_keys import ExhaustedKeys
from headgate.relay.leases import LeaseKeeper
from headgate.relay.rate_gate import RateGate
from headgate.relay.reserver import Reserver
from headgate.relay.slot_queue import SlotQueue
from headgate.settings import GatewaySettings
from headgate.state.protocols import (
    ReservationStore,
    SharedState,
    SlotLease,
    SlotStore,
    StateUnavailable,
)


class Admission:
    def __init__(
        self,
        estimator: Estimator,
        reserver: Reserver,
        state: SharedState,
        queueing: SlotQueue,
        leases: LeaseKeeper,
        rates: RateGate,
        gateway: GatewaySettings,
    ) -> None:
        self.estimator = estimator
        self.reserver = reserver
        self._slots: SlotStore = state.slots
        self._reservations: ReservationStore = state.reservations
        self._queueing = queueing
        self._leases = leases
        self.rates = rates
        self._budgets = Budgets()
        self.exhausted = ExhaustedKeys()
        self._gateway = gateway

    async def enter(self, exchange: Exchange) -> SlotLease:
        """Take the user's slot and reserve the money. Whoever enters calls `leave` with the lease, whatever
        happens.

        Raises `RelayError` when the caller may not or cannot pay for this request now; then nothing is
        held."""
        if has_rate_limit(exchange.caller):  # first: who must wait a minute does not queue
            await self.rates.enter(exchange)
        await self._take_key_slot(exchange)
        try:
            lease = await self._user_slot(exchange)
            self._leases.hold(lease)
            try:
                await self._take_group_slot(exchange)
                await self._cover(exchange)
            except BaseException as ended:
                self.exhausted.note(ended, exchange.caller.key.id)
                await self._give_group_slot(exchange)
                await self._leases.release(lease)
                raise
        except BaseException:
            await self._give_key_slot(exchange)
            raise
        return lease

    async def enter_unmetered(self, exchange: Exchange) -> None:
        """For operations that cost nothing: only the limits on requests. Raises `RelayError`."""
        if has_rate_limit(exchange.caller):
            await self.rates.enter_unmetered(exchange)

    async def leave(self, exchange: Exchange, lease: SlotLease) -> None:
        """Give the slot back, and what is still reserved: failed and refused exchanges cost nothing."""
        await self._give_group_slot(exchange)
        await self._leases.release(lease)
        await self._give_key_slot(exchange)
        await self._drop_reservation(exchange)

    async def _take_key_slot(self, exchange: Exchange) -> None:
        """Before the user's: who waits for its key's slot keeps none from the user's other keys."""
        key = exchange.caller.key
        if key.concurrency > 0:
            exchange.key_lease = await self._slot(exchange, f"key:{key.id}", key.concurrency, "this key")
            self._leases.hold(exchange.key_lease)

    async def _give_key_slot(self, exchange: Exchange) -> None:
        lease, exchange.key_lease = exchange.key_lease, None
        if lease is not None:
            await self._leases.release(lease)

    async def _take_group_slot(self, exchange: Exchange) -> None:
        """Last, so that who waits for the group's other users waits with nothing left to wait for but an
        account."""
        caller = exchange.caller
        sharing = caller.group.sharing
        if sharing is None:
            return
        share = sharing.share_of(caller.user.id, is_background=caller.key.is_background)
        name = f"group:{caller.group.id}"
        lease = await self._slot(exchange, name, sharing.slots, "this group", share)
        exchange.group_lease = lease
        self._leases.hold(lease)

    async def _give_group_slot(self, exchange: Exchange) -> None:
        lease, exchange.group_lease = exchange.group_lease, None
        if lease is not None:
            await self._leases.release(lease)

    async def _user_slot(self, exchange: Exchange) -> SlotLease:
        user = exchange.caller.user
        return await self._slot(exchange, f"user:{user.id}", user.concurrency, "user")

    async def _slot(
        self, exchange: Exchange, resource: str, limit: int, whose: str, share: Share | None = None
    ) -> SlotLease:
        """A slot at once, or after its turn in the queue. Raises `RelayError`."""
        more = self._gateway.user_max_waiting if share is None else self._gateway.account_max_waiting
        lease = await self._slots.try_acquire(resource, limit=limit, owner=exchange.id, share=share)
        if lease is not None:
            return lease
        return await self._queueing.wait(
            exchange,
            resource,
            limit=limit,
            max_waiting=limit + more,
            timeout_s=self._gateway.user_wait_timeout_s,
            refusals=(
                "Too many pending requests, please retry later",
                f"Concurrency limit exceeded for {whose}, please retry later",
            ),
            share=share,
        )

    async def _cover(self, exchange: Exchange) -> None:
        """Reserve the money; what cannot be covered in full becomes the request's output limit."""
        budget = self._budgets.of(exchange.caller, exchange.charge_multiplier, now_ms=exchange.started_at_ms)
        need, allowed = self.estimator.need(exchange, budget)
        exchange.need, exchange.high_input_nano = need, need.fixed_nano
        granted = await self.reserver.reserve(exchange, need)
        limit = granted if granted < need.wanted_tokens else allowed
        stated = exchange.peek.max_output_tokens
        if limit is not None and (stated is None or limit < stated * exchange.peek.choices):
            exchange.limit_output(limit)

    async def _drop_reservation(self, exchange: Exchange) -> None:
        """Whatever was not settled (refused, failed, nothing consumed) is released without a charge."""
        hold, exchange.hold = exchange.hold, None
        if hold is not None:
            try:
                await self._reservations.settle(exchange.id, {})
            except StateUnavailable:
                return  # expires by itself
