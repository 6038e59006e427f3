"""Billing again what was billed before: the same usage at other prices (DESIGN 5).

Knows: what a usage record would cost with a price book, and how that differs from what is booked. Refuses to
know: where records and lines are kept, who may correct them. Invariants: multipliers, payer and basis are
those of the record, never today's; with the book that a record was billed with, and nothing corrected since,
the difference is 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from headgate.core.pricing.book import PriceBook, PriceUnknown
from headgate.core.pricing.cost import CostLines, price_usage
from headgate.core.usage import TokenUsage

FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledCall:
    """A usage record, and what the ledger says about it: nano-USD, corrections included."""

    exchange_id: str
    attempt: int
    outcome: str
    user_id: int
    key_id: int
    group_id: int
    subscription_id: int | None
    client_model: str
    upstream_model: str
    usage: TokenUsage
    service_tier: str | None
    charge_multiplier: int
    cost_multiplier: int
    started_at_ms: int
    paid_nano: int = 0
    """By the balance or the subscription."""
    pays_list_cost: bool = False
    """A subscription whose windows count list cost."""
    key_nano: int | None = None
    """Counted by the key's quota; None: the key had none."""
    key_counts_list_cost: bool = False
    account_nano: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebilled:
    """What the call costs now, and how much more that is than what is booked."""

    cost: CostLines
    paid_nano: int
    paid_more: int
    key_more: int
    account_more: int

    @property
    def is_same(self) -> bool:
        return not (self.paid_more or self.key_more or self.account_more)


def rebill(call: BilledCall, book: PriceBook, image_prices: Mapping[str, int]) -> Rebilled:
    """Price a call as settlement would, with `book` and the group's own prices per picture."""
    quote = book.quote(call.client_model, call.upstream_model, at_ms=call.started_at_ms)
    if isinstance(quote, PriceUnknown):
        quote = book.default_quote()
    multiplier = 0 if call.outcome == FAILED else call.charge_multiplier
    cost = price_usage(
        quote.price,
        call.usage,
        charge_multiplier=multiplier,
        cost_multiplier=call.cost_multiplier,
        service_tier=call.service_tier,
        price_version=quote.version,
        is_default=quote.is_default,
        image_prices=image_prices,
    )
    at_list = cost.list_cost if multiplier else 0
    paid = at_list if call.pays_list_cost else cost.charge
    counted = at_list if call.key_counts_list_cost else cost.charge
    return Rebilled(
        cost=cost,
        paid_nano=paid,
        paid_more=paid - call.paid_nano,
        key_more=0 if call.key_nano is None else counted - call.key_nano,
        account_more=cost.account_cost - call.account_nano,
    )
