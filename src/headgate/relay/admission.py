"""The one choke point (DESIGN 9.7): every billable exchange passes `admit` before any upstream call.

Takes the user's slot and reserves money for the input plus a first slice of output against every bound that applies
(balance, key quota, key windows). What cannot be covered is refused here, with the limit named.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.admission import claims_for, refused_fault
from headgate.core.money import MULTIPLIER_ONE, TOKENS_PER_PRICE_UNIT
from headgate.core.pricing.book import PriceUnknown
from headgate.kit.clock import Clock
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.leases import LeaseKeeper
from headgate.relay.picker import wait_for_slot
from headgate.settings import GatewaySettings, LimitsSettings
from headgate.state.protocols import (
    Claim, QueueFull, QueueTimeout, Refused, ReservationStore, SharedState, SlotLease, SlotStore, StateUnavailable,
    UnknownBounds,
)
from headgate.storage.read_model import ReadModel


class Admission:
    def __init__(
        self, directory: Directory, read_model: ReadModel, state: SharedState, leases: LeaseKeeper, clock: Clock,
        gateway: GatewaySettings, limits: LimitsSettings,
    ) -> None:
        self._directory = directory
        self._read_model = read_model
        self._slots: SlotStore = state.slots
        self._reservations: ReservationStore = state.reservations
        self._leases = leases
        self._clock = clock
        self._gateway = gateway
        self._limits = limits

    @asynccontextmanager
    async def admit(self, exchange: Exchange) -> AsyncIterator[None]:
        """Inside: the user's slot is held and the money reserved. Outside: both are given back, whatever happened.

        Raises `RelayError` when the caller may not or cannot pay for this request now."""
        lease = await self._user_slot(exchange)
        self._leases.hold(lease)
        try:
            await self._reserve(exchange)
            yield
        finally:
            await self._leases.release(lease)
            await self._drop_reservation(exchange)

    async def _user_slot(self, exchange: Exchange) -> SlotLease:
        user = exchange.caller.user
        resource = f"user:{user.id}"
        lease = await self._slots.try_acquire(resource, limit=user.concurrency, owner=exchange.id)
        if lease is not None:
            return lease
        got = await wait_for_slot(
            self._slots, exchange, resource, limit=user.concurrency,
            max_waiting=user.concurrency + self._gateway.user_max_waiting, timeout_s=self._gateway.user_wait_timeout_s,
        )
        match got:
            case QueueFull():
                raise RelayError(Fault(
                    kind=FaultKind.QUEUE_FULL, message="Too many pending requests, please retry later", retry_after_s=1
                ))
            case QueueTimeout():
                raise RelayError(Fault(
                    kind=FaultKind.QUEUE_TIMEOUT, retry_after_s=1,
                    message="Concurrency limit exceeded for user, please retry later",
                ))
            case SlotLease():
                return got

    async def _reserve(self, exchange: Exchange) -> None:
        amount = self.estimate(exchange)
        bounds = claims_for(exchange.caller, amount)
        claims = [Claim(bound, nano) for bound, nano in bounds]
        expires = self._clock.now_ms() + self._limits.reservation_ttl_s * 1000
        for _ in range(3):  # a bound can be forgotten again between loading and reserving
            answer = await self._reservations.reserve(exchange.id, claims, expires_at_ms=expires)
            match answer:
                case UnknownBounds():
                    await self._reservations.load(await self._read_model.load_bounds(answer.bounds))
                case Refused():
                    raise RelayError(refused_fault(answer.bound, answer.available, needed_nano=amount))
                case _:
                    exchange.reserved_bounds = tuple(claim.bound for claim in claims)
                    exchange.trace.note("reserved", {"nano": amount, "bounds": exchange.reserved_bounds})
                    return
        raise StateUnavailable

    def estimate(self, exchange: Exchange) -> int:
        """Nano-USD for the estimated input plus the first slice of output, multiplier included; 0 when it is free."""
        peek = exchange.peek
        quote = self._directory.prices.quote(peek.model, at_ms=exchange.started_at_ms)
        if isinstance(quote, PriceUnknown):
            raise RelayError(Fault(
                kind=FaultKind.PRICE_UNKNOWN,
                message=f"The model {peek.model[:200]} has no price; the operator must set one before it can be used",
            ))
        output = min(peek.max_output_tokens or self._limits.first_output_slice_tokens, self._limits.first_output_slice_tokens)
        rates = quote.price.standard.rates_for(peek.input_tokens_estimate)
        cost = peek.input_tokens_estimate * rates.input + output * rates.output
        return cost * exchange.charge_multiplier // (TOKENS_PER_PRICE_UNIT * MULTIPLIER_ONE)

    async def _drop_reservation(self, exchange: Exchange) -> None:
        """Whatever was not settled (refused, failed, nothing consumed) is released without a charge."""
        bounds, exchange.reserved_bounds = exchange.reserved_bounds, ()
        if bounds:
            try:
                await self._reservations.settle(exchange.id, {})
            except StateUnavailable:
                return  # expires by itself
