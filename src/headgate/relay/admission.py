"""The one choke point (DESIGN 9.7): every billable exchange passes `admit` before any upstream call.

Takes the user's slot and reserves money for the input plus a first slice of output against every bound that
applies (balance, key quota, key windows). What cannot be covered is refused here, with the limit named.
"""

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.rates import has_rate_limit
from headgate.core.pricing.book import PriceUnknown
from headgate.core.pricing.cost import estimate_charge
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.leases import LeaseKeeper
from headgate.relay.rate_gate import RateGate
from headgate.relay.reserver import Reserver
from headgate.relay.slot_queue import SlotQueue
from headgate.settings import GatewaySettings, LimitsSettings
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
        directory: Directory,
        reserver: Reserver,
        state: SharedState,
        queueing: SlotQueue,
        leases: LeaseKeeper,
        rates: RateGate,
        gateway: GatewaySettings,
        limits: LimitsSettings,
    ) -> None:
        self._directory = directory
        self._reserver = reserver
        self._slots: SlotStore = state.slots
        self._reservations: ReservationStore = state.reservations
        self._queueing = queueing
        self._leases = leases
        self.rates = rates
        self._gateway = gateway
        self._limits = limits

    async def enter(self, exchange: Exchange) -> SlotLease:
        """Take the user's slot and reserve the money. Whoever enters calls `leave` with the lease, whatever
        happens.

        Raises `RelayError` when the caller may not or cannot pay for this request now; then nothing is
        held."""
        if has_rate_limit(exchange.caller):  # first: who must wait a minute does not queue
            await self.rates.enter(exchange)
        lease = await self._user_slot(exchange)
        self._leases.hold(lease)
        try:
            await self._reserver.reserve(exchange, self.estimate(exchange))
        except BaseException:
            await self._leases.release(lease)
            raise
        return lease

    async def enter_unmetered(self, exchange: Exchange) -> None:
        """For operations that cost nothing: only the limits on requests. Raises `RelayError`."""
        if has_rate_limit(exchange.caller):
            await self.rates.enter_unmetered(exchange)

    async def leave(self, exchange: Exchange, lease: SlotLease) -> None:
        """Give the slot back, and what is still reserved: failed and refused exchanges cost nothing."""
        await self._leases.release(lease)
        await self._drop_reservation(exchange)

    async def _user_slot(self, exchange: Exchange) -> SlotLease:
        user = exchange.caller.user
        resource = f"user:{user.id}"
        lease = await self._slots.try_acquire(resource, limit=user.concurrency, owner=exchange.id)
        if lease is not None:
            return lease
        return await self._queueing.wait(
            exchange,
            resource,
            limit=user.concurrency,
            max_waiting=user.concurrency + self._gateway.user_max_waiting,
            timeout_s=self._gateway.user_wait_timeout_s,
            refusals=(
                "Too many pending requests, please retry later",
                "Concurrency limit exceeded for user, please retry later",
            ),
        )

    def estimate(self, exchange: Exchange) -> int:
        """Nano-USD for the estimated input plus the first slice of output, multiplier included. Raises
        `RelayError` (PRICE_UNKNOWN) when the operator refuses models without a price."""
        peek, slice_tokens = exchange.peek, self._limits.first_output_slice_tokens
        names = self._directory.names_of(exchange.caller.group.id, exchange.handler.provider, peek.model)
        quote = self._directory.prices.quote(*names, at_ms=exchange.started_at_ms)
        if isinstance(quote, PriceUnknown):
            message = f"The model {peek.model[:200]} has no price; the operator must set one"
            raise RelayError(Fault(kind=FaultKind.PRICE_UNKNOWN, message=message))
        return estimate_charge(
            quote.price,
            input_tokens=peek.input_tokens_estimate,
            output_tokens=min(peek.max_output_tokens or slice_tokens, slice_tokens),
            charge_multiplier=exchange.charge_multiplier,
            service_tier=peek.service_tier,
        )

    async def _drop_reservation(self, exchange: Exchange) -> None:
        """Whatever was not settled (refused, failed, nothing consumed) is released without a charge."""
        bounds, exchange.reserved_bounds = exchange.reserved_bounds, ()
        if bounds:
            try:
                await self._reservations.settle(exchange.id, {})
            except StateUnavailable:
                return  # expires by itself
