"""What an exchange will need: price, input and first output, within the caller's own limit on its cost.

Admission reserves by it; `POST /v1/cost/preview` shows it.
"""

from dataclasses import replace

from headgate.core.dialects.contract import WRITES, Peek
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.budget import Budget, Need, charge_of
from headgate.core.limits.estimate import MAX_COST_HEADER, input_and_unit, max_cost_nano
from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.core.pricing.book import PriceUnknown
from headgate.core.pricing.cost import Quote
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.experience import Experience, first_slice
from headgate.settings import LimitsSettings


class Estimator:
    def __init__(self, directory: Directory, experience: Experience, limits: LimitsSettings) -> None:
        self._directory = directory
        self._experience = experience
        self._limits = limits

    def need(self, exchange: Exchange, budget: Budget) -> tuple[Need, int | None]:
        """What the exchange costs at least and at first, and the output tokens within the caller's own limit
        (None: it set none). Raises `RelayError`: PRICE_UNKNOWN, MAX_COST_EXCEEDED, REQUEST_INVALID."""
        peek, group = exchange.peek, exchange.caller.group
        exchange.quote = quote = self.quote(exchange)
        fixed, unit = input_and_unit(quote.price, peek, group)
        slice_tokens = first_slice(exchange, self._experience, self._limits)
        wanted = self._wanted(exchange, slice_tokens)
        need = Need(
            budget=budget,
            fixed_nano=fixed,
            output_nano_per_mtok=unit,
            wanted_tokens=wanted,
            plenty_tokens=wanted if peek.is_stream else min(wanted, 2 * slice_tokens),
            floor_tokens=min(wanted, self._floor(peek)),
            likely_nano=self._experience.likely_input(exchange.session, fixed, now_ms=exchange.started_at_ms),
        )
        most_nano = max_cost_nano(exchange.headers)
        if most_nano is None or exchange.charge_multiplier == 0:
            return need, None
        allowed = _within(need, most_nano, exchange.charge_multiplier)
        if allowed < need.wanted_tokens:
            need = replace(need, wanted_tokens=allowed, plenty_tokens=min(allowed, need.plenty_tokens))
        return need, allowed

    def quote(self, exchange: Exchange) -> Quote:
        """The price of the exchange's model. Raises `RelayError` (PRICE_UNKNOWN)."""
        peek, group = exchange.peek, exchange.caller.group
        names = self._directory.names_of(group.id, exchange.handler.provider, peek.model)
        quote = self._directory.prices.quote(
            *names, at_ms=exchange.started_at_ms, unknown=group.unknown_price
        )
        if isinstance(quote, PriceUnknown):
            message = f"The model {peek.model[:200]} has no price; the operator must set one"
            raise RelayError(Fault(kind=FaultKind.PRICE_UNKNOWN, message=message))
        return quote

    def _wanted(self, exchange: Exchange, slice_tokens: int) -> int:
        """A first slice of a stream, all of an answer in one piece; at most what the request allows."""
        peek = exchange.peek
        if exchange.target.operation not in WRITES:
            return 0
        wanted = slice_tokens if peek.is_stream else self._limits.unstated_output_tokens
        stated = peek.max_output_tokens
        if stated is not None:
            wanted = min(wanted, stated) if peek.is_stream else stated
        return wanted * peek.choices

    def _floor(self, peek: Peek) -> int:
        least = self._limits.min_output_tokens
        return least if peek.is_stream else max(least, peek.min_output_tokens)


def _within(need: Need, most_nano: int, charge_multiplier: int) -> int:
    """Output tokens within the caller's own limit on this request's charge. Raises `RelayError`."""
    allowed = need.tokens_within(most_nano * MULTIPLIER_ONE // charge_multiplier)
    if allowed >= need.floor_tokens:
        return allowed
    least = to_usd(charge_of(need.list_nano(need.floor_tokens), charge_multiplier))
    message = (
        f"This request may cost {least:.6f} USD even with the shortest answer, more than its"
        f" {MAX_COST_HEADER} of {to_usd(most_nano):.6f} USD"
    )
    raise RelayError(Fault(kind=FaultKind.MAX_COST_EXCEEDED, message=message))
