"""From the end of an attempt to the books: price it, write it once, give the reservation back.

Everything that costs money passes here. What the user is charged for: the attempt whose answer the client
got (complete or broken off), and an answer that the client left while it was produced. Failed attempts are
recorded, never charged.
"""

import msgspec
import structlog

from headgate.core.dialects.contract import Reading
from headgate.core.faults import Fault
from headgate.core.limits.budget import CoverRecord
from headgate.core.limits.windows import account_windows
from headgate.core.pricing.book import PriceUnknown
from headgate.core.pricing.cache_money import NO_CACHE_MONEY, CacheMoney, cache_money
from headgate.core.pricing.cost import CostLines, Quote, price_usage
from headgate.core.pricing.plausibility import IMPLAUSIBLE, believe, bounds_of, review_of
from headgate.core.usage import TokenUsage, UsageSource
from headgate.core.world import AccountQuota, Dialect
from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.observability.metrics import RelayMetrics
from headgate.relay.account_gate import AccountGate, Booked
from headgate.relay.account_quotas import AccountQuotas
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.experience import Experience
from headgate.relay.rate_gate import RateGate
from headgate.state.protocols import ReservationStore, StateUnavailable
from headgate.storage.journal import AccountWindows, Intent, Journal, Settlement, StorageUnavailable

log = structlog.get_logger(__name__)

_TOLD = frozenset({UsageSource.REPORTED, UsageSource.PARTIAL})
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
    quota: AccountQuota | None = None
    """Of the account that served it."""


class Bill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt used and what that costs."""

    usage: TokenUsage
    source: UsageSource
    service_tier: str | None
    """As served where the provider told, else as requested."""
    cost: CostLines
    review: str | None
    quarantined: bytes | None
    cache: CacheMoney = NO_CACHE_MONEY


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
        experience: Experience,
        quotas: AccountQuotas,
        gate: AccountGate,
        fail_points: FailPoints = NO_FAIL_POINTS,
    ) -> None:
        self._directory = directory
        self._journal = journal
        self._reservations = reservations
        self._rates = rates
        self._clock = clock
        self._metrics = metrics
        self._fail_points = fail_points
        self._experience = experience
        self._quotas = quotas
        self._gate = gate
        self.covered = CoverRecord()

    async def book(self, exchange: Exchange, end: AttemptEnd) -> None:
        """Returns after the commit. When the database is down the settlement stays queued in the journal and
        is written later (docs/operations/failures.md); the answer is not withheld for it."""
        bill = self.bill_of(exchange, end)
        settlement = self._settlement(exchange, end, bill)
        self._metrics.settled(settlement)
        self._fail_points.reach(FailPoint.BEFORE_SETTLE)
        try:
            await self._journal.settle(settlement)
        except StorageUnavailable:
            log.error("settlement_delayed", exchange_id=exchange.id, attempt=end.intent.attempt)
        self._fail_points.reach(FailPoint.BEFORE_RESERVATION_SETTLED)
        if end.outcome != FAILED and bill.source in _TOLD:
            exchange.used, exchange.used_model = bill.usage, end.intent.upstream_model
        self._learn(exchange, end, bill)
        if end.outcome == FAILED:
            exchange.failed_nano += bill.cost.account_cost
        await self._quotas.release(exchange, bill.cost)
        if exchange.account_pass is not None:
            is_served = end.outcome != FAILED
            await self._gate.settle(exchange, Booked(bill.usage.total, bill.cost.list_cost, is_served))
        if end.outcome != FAILED:
            await self.release(exchange, bill.cost)
            if exchange.rate_tokens:
                await self._rates.correct(exchange, bill.usage)

    def _learn(self, exchange: Exchange, end: AttemptEnd, bill: Bill) -> None:
        if end.outcome != COMPLETED or bill.source is not UsageSource.REPORTED or exchange.need is None:
            return
        self._experience.note(
            exchange.caller.key.id,
            end.intent.client_model,
            output_tokens=bill.usage.output,
            session=exchange.session,
            input_nano=bill.cost.list_cost - bill.cost.output,
            estimated_nano=exchange.high_input_nano,
            now_ms=self._clock.now_ms(),
        )

    async def release(self, exchange: Exchange, cost: CostLines) -> None:
        """Replace the reservation by the true charge."""
        hold, exchange.hold = exchange.hold, None
        if hold is None:
            return
        self.covered.note(hold.list_nano, cost.list_cost)
        try:
            await self._reservations.settle(exchange.id, hold.budget.spent(cost))
        except StateUnavailable:
            log.warning("reservation_left_to_expire", exchange_id=exchange.id)

    def bill_of(self, exchange: Exchange, end: AttemptEnd) -> Bill:
        """What can be true of the reading (PAINS 10), priced by the client's model when it has a price, else
        by the upstream model (spec 4.2)."""
        quote = self._quote(end.intent)
        reading, is_charged = end.reading, end.outcome != FAILED
        believed = believe(
            reading.usage,
            reading.source,
            bounds_of(quote.price, max_output_asked=_kept_limit(exchange)),
            input_estimate=end.intent.input_estimate,
            output_estimate=reading.output_estimate,
        )
        tier = reading.service_tier or exchange.peek.service_tier
        cost = price_usage(
            quote.price,
            believed.usage,
            charge_multiplier=end.intent.charge_multiplier if is_charged else 0,
            cost_multiplier=end.intent.cost_multiplier,
            service_tier=tier,
            price_version=quote.version,
            is_default=quote.is_default,
            image_prices=exchange.caller.group.image_prices_nano,
        )
        if believed.quarantined is not None:
            log.warning("usage_implausible", exchange_id=exchange.id, account_id=end.intent.account_id)
        review = review_of(believed, is_default=quote.is_default)
        return Bill(
            usage=believed.usage,
            source=believed.source,
            service_tier=tier,
            cost=cost,
            review=review if is_charged or review == IMPLAUSIBLE else None,
            quarantined=believed.quarantined,
            cache=self._cache_money(exchange, end, quote, believed.usage, tier),
        )

    def _cache_money(
        self, exchange: Exchange, end: AttemptEnd, quote: Quote, usage: TokenUsage, tier: str | None
    ) -> CacheMoney:
        """Of the answer that the client got: a failed attempt's cache was no use to anybody."""
        if end.outcome == FAILED or end.reading.source not in _TOLD:
            return NO_CACHE_MONEY
        return cache_money(
            quote.price,
            usage,
            service_tier=tier,
            home=exchange.home,
            account_id=end.intent.account_id,
            model=end.intent.upstream_model,
            started_at_ms=end.intent.started_at_ms,
        )

    def _quote(self, intent: Intent) -> Quote:
        """At the instant of the attempt's start. A model that was refused at admission does not come here,
        but its price can be removed while the request runs."""
        prices = self._directory.prices
        quote = prices.quote(intent.client_model, intent.upstream_model, at_ms=intent.started_at_ms)
        return prices.default_quote() if isinstance(quote, PriceUnknown) else quote

    def _settlement(self, exchange: Exchange, end: AttemptEnd, bill: Bill) -> Settlement:
        now = self._clock.now_ms()
        intent, reading = end.intent, end.reading
        trace = self._finish_trace(exchange, end, bill) if end.is_last else None
        return Settlement(
            intent=intent,
            outcome=end.outcome,
            usage=bill.usage,
            source=bill.source,
            cost=bill.cost,
            fault=end.fault.kind.value if end.fault else None,
            upstream_request_id=end.upstream_request_id,
            served_model=reading.served_model,
            upstream_endpoint=end.upstream_endpoint,
            service_tier=bill.service_tier,
            reasoning_effort=exchange.peek.reasoning_effort,
            duration_ms=now - intent.started_at_ms,
            first_byte_ms=end.first_byte_ms,
            user_agent=exchange.headers.get("user-agent", "")[:512],
            client_ip=exchange.client_ip,
            finished_at_ms=now,
            trace=trace,
            review=bill.review,
            quarantined=bill.quarantined,
            account_windows=None if end.quota is None else _windows(end.quota, now),
            cache_saved_nano=bill.cache.saved_nano,
            cache_lost_nano=bill.cache.lost_nano,
            moved_because=exchange.moved_because if end.outcome != FAILED else None,
        )

    def _finish_trace(self, exchange: Exchange, end: AttemptEnd, bill: Bill) -> bytes:
        cost = bill.cost
        if exchange.moved_because is not None:
            exchange.trace.note("moved_because", exchange.moved_because)
        exchange.trace.note(
            "bill",
            {
                "source": bill.source.value,
                "usage": _buckets(bill.usage),
                "service_tier": bill.service_tier,
                "lines_nano": {
                    "input": cost.input,
                    "output": cost.output,
                    "cache_read": cost.cache_read,
                    "cache_write": cost.cache_write,
                    "other": cost.other,
                },
                "list_cost_nano": cost.list_cost,
                "covered_list_nano": None if exchange.hold is None else exchange.hold.list_nano,
                "charge_nano": cost.charge,
                "account_cost_nano": cost.account_cost,
                "charge_multiplier": end.intent.charge_multiplier,
                "price_version": cost.price_version,
                "is_default_price": cost.is_default,
                "cache_saved_nano": bill.cache.saved_nano,
                "cache_lost_nano": bill.cache.lost_nano,
                "review": bill.review,
            },
        )
        return exchange.trace.render()


def _kept_limit(exchange: Exchange) -> int | None:
    """The request's own output limit, where its dialect guarantees it: others count per candidate, or without
    the thoughts."""
    is_kept = exchange.target.dialect in (Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES)
    return exchange.peek.max_output_tokens if is_kept else None


def _windows(quota: AccountQuota, now_ms: int) -> AccountWindows:
    daily_start, daily_end, weekly_start, weekly_end = account_windows(quota, now_ms)
    return AccountWindows(
        daily_start_ms=daily_start,
        daily_end_ms=daily_end,
        weekly_start_ms=weekly_start,
        weekly_end_ms=weekly_end,
    )


def _buckets(usage: TokenUsage) -> dict[str, int]:
    return {
        "input": usage.input,
        "cache_read": usage.cache_read,
        "cache_write_5m": usage.cache_write_5m,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "images": usage.images,
        "audio_input": usage.audio_input,
        "audio_output": usage.audio_output,
        "web_search_calls": usage.web_search_calls,
    }


NOTHING_READ = Reading(usage=TokenUsage(), source=UsageSource.NONE)
