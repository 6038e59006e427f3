"""From the end of an attempt to the books: price it, write it once, give the reservation back.

Everything that costs money passes here. What the user is charged for: the attempt whose answer the client
got (complete or broken off), and an answer that the client left while it was produced. Failed attempts are
recorded, never charged.
"""

import msgspec
import structlog

from headgate.core.dialects.contract import Reading
from headgate.core.faults import Fault
from headgate.core.pricing.book import PriceUnknown
from headgate.core.pricing.cost import CostLines, price_usage
from headgate.core.usage import TokenUsage, UsageSource
from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.observability.metrics import RelayMetrics
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.rate_gate import RateGate
from headgate.state.protocols import ReservationStore, StateUnavailable
from headgate.storage.journal import Intent, Journal, Settlement, StorageUnavailable

log = structlog.get_logger(__name__)

COMPLETED, PARTIAL, FAILED = "completed", "partial", "failed"


class AttemptEnd(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known when an attempt is over."""

    intent: Intent
    outcome: str
    reading: Reading
    fault: Fault | None
    upstream_request_id: str | None
    upstream_endpoint: str
    first_byte_ms: int | None
    is_last: bool
    """The exchange ends with this attempt: its trace is written along."""


class Settler:
    """Prices and books attempts."""

    def __init__(
        self,
        directory: Directory,
        journal: Journal,
        reservations: ReservationStore,
        rates: RateGate,
        clock: Clock,
        metrics: RelayMetrics,
        fail_points: FailPoints = NO_FAIL_POINTS,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._reservations = reservations
        self._rates = rates
        self._clock = clock
        self._metrics = metrics
        self._fail_points = fail_points

    async def book(self, exchange: Exchange, end: AttemptEnd) -> None:
        """Returns after the commit. When the database is down the settlement stays queued in the journal and
        is written later (docs/operations/failures.md); the answer is not withheld for it."""
        cost = self.cost_of(exchange, end)
        settlement = self._settlement(exchange, end, cost)
        self._metrics.settled(settlement)
        self._fail_points.reach(FailPoint.BEFORE_SETTLE)
        try:
            await self._journal.settle(settlement)
        except StorageUnavailable:
            log.error("settlement_delayed", exchange_id=exchange.id, attempt=end.intent.attempt)
        self._fail_points.reach(FailPoint.BEFORE_RESERVATION_SETTLED)
        if end.outcome != FAILED:
            await self.release(exchange, cost.charge)
            if exchange.rate_tokens:
                await self._rates.correct(exchange, end.reading.usage)

    async def release(self, exchange: Exchange, charge: int) -> None:
        """Replace the reservation by the true charge."""
        bounds, exchange.reserved_bounds = exchange.reserved_bounds, ()
        if not bounds:
            return
        try:
            await self._reservations.settle(exchange.id, {bound: charge for bound in bounds})
        except StateUnavailable:
            log.warning("reservation_left_to_expire", exchange_id=exchange.id)

    def cost_of(self, exchange: Exchange, end: AttemptEnd) -> CostLines:
        """Priced by the client's model when it has a price, else by the upstream model (spec 4.2)."""
        prices = self._directory.prices
        quote = prices.quote(
            end.intent.client_model, end.intent.upstream_model, at_ms=end.intent.started_at_ms
        )
        if isinstance(quote, PriceUnknown):  # refused at admission; a price removed while the request ran
            quote = prices.default_quote()
        return price_usage(
            quote.price,
            end.reading.usage,
            charge_multiplier=end.intent.charge_multiplier if end.outcome != FAILED else 0,
            cost_multiplier=end.intent.cost_multiplier,
            service_tier=end.reading.service_tier or exchange.peek.service_tier,
            price_version=quote.version,
            is_default=quote.is_default,
        )

    def _settlement(self, exchange: Exchange, end: AttemptEnd, cost: CostLines) -> Settlement:
        now = self._clock.now_ms()
        intent, reading = end.intent, end.reading
        trace = self._finish_trace(exchange, end, cost) if end.is_last else None
        return Settlement(
            intent=intent,
            outcome=end.outcome,
            usage=reading.usage,
            source=reading.source,
            cost=cost,
            fault=end.fault.kind.value if end.fault else None,
            upstream_request_id=end.upstream_request_id,
            served_model=reading.served_model,
            upstream_endpoint=end.upstream_endpoint,
            service_tier=reading.service_tier or exchange.peek.service_tier,
            reasoning_effort=exchange.peek.reasoning_effort,
            duration_ms=now - intent.started_at_ms,
            first_byte_ms=end.first_byte_ms,
            user_agent=exchange.headers.get("user-agent", "")[:512],
            client_ip=exchange.client_ip,
            finished_at_ms=now,
            trace=trace,
        )

    def _finish_trace(self, exchange: Exchange, end: AttemptEnd, cost: CostLines) -> bytes:
        exchange.trace.note(
            "bill",
            {
                "source": end.reading.source.value,
                "usage": _buckets(end.reading.usage),
                "lines_nano": {
                    "input": cost.input,
                    "output": cost.output,
                    "cache_read": cost.cache_read,
                    "cache_write": cost.cache_write,
                },
                "list_cost_nano": cost.list_cost,
                "charge_nano": cost.charge,
                "account_cost_nano": cost.account_cost,
                "charge_multiplier": end.intent.charge_multiplier,
                "price_version": cost.price_version,
                "is_default_price": cost.is_default,
            },
        )
        return exchange.trace.render()


def _buckets(usage: TokenUsage) -> dict[str, int]:
    return {
        "input": usage.input,
        "cache_read": usage.cache_read,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "images": usage.images,
    }


NOTHING_READ = Reading(usage=TokenUsage(), source=UsageSource.NONE)
