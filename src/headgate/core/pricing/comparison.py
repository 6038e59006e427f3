"""Comparison: what usage of the past would have cost under other prices.

Knows: sums over many attempts that are priced alike (same model, tier, side of every long-context threshold,
size of picture). Refuses to know: where records are. Invariants: pure; exact but for the rounding of each
attempt's lines (half a nano-USD each) and for the group's own picture prices, which are not looked at.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from headgate.core.money import MULTIPLIER_ONE
from headgate.core.pricing.cost import Quote, price_usage, search_price
from headgate.core.pricing.price import Price
from headgate.core.usage import TokenUsage

NO_CAP = 2**200
"""Sums of a month may be larger than any attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSum:
    """Attempts that are priced alike, added up."""

    client_model: str
    upstream_model: str
    service_tier: str | None
    context_tokens: int
    """Of each attempt, as far as thresholds can tell: the largest threshold that it is above, plus one."""
    usage: TokenUsage
    attempts: int
    searching: int
    """Attempts that searched the web at all."""
    booked: int
    """List cost on record, nano-USD."""


def thresholds_of(price: Price) -> set[int]:
    """Every context size at which a rate of this price changes."""
    tariffs = (price.standard, *price.service_tiers.values())
    return {step.above_tokens for tariff in tariffs for step in tariff.long_context}


def list_cost(quote: Quote, group: UsageSum) -> int:
    """Nano-USD of the whole group under this price."""
    price = quote.price
    searches = group.searching if price.is_search_flat else group.usage.web_search_calls
    tokens = price_usage(
        price,
        replace(group.usage, web_search_calls=0),
        charge_multiplier=MULTIPLIER_ONE,
        cost_multiplier=0,
        service_tier=group.service_tier,
        is_default=quote.is_default,
        context_tokens=group.context_tokens,
        cap=NO_CAP,
    ).list_cost
    return tokens + search_price(price) * searches
