"""Cost: token usage times price, in nano-USD.

Knows: the cost formula (spec 4.2, 4.3) with one half-even rounding per line. Refuses to know: which price
applies. Invariants: never negative; `list_cost` is exactly the sum of its lines; each line is within half a
nano-USD of the true product; a multiplier of 0 means free (unlike the origin of the contract).
"""

from dataclasses import dataclass

import msgspec

from headgate.core.money import MULTIPLIER_ONE, TOKENS_PER_PRICE_UNIT, div_half_even
from headgate.core.pricing.price import Price
from headgate.core.usage import TokenUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price that a book answers with, and its provenance."""

    price: Price
    version: str
    """Version of the whole book: replaying a record with it gives the same cost."""
    source: str
    """override | file | bundled | default"""
    entry: str
    """Which entry matched, for the trace."""

    @property
    def is_default(self) -> bool:
        """Nobody knows this model's price; the operator's default was used."""
        return self.source == "default"


class CostLines(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Priced usage, nano-USD."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    other: int = 0
    """Pictures, audio, web searches."""
    list_cost: int
    charge: int
    """What the user pays: list cost x charge multiplier."""
    account_cost: int
    """What the account's owner pays: list cost x the account's cost multiplier."""
    price_version: str
    is_default: bool


def price_usage(
    price: Price,
    usage: TokenUsage,
    *,
    charge_multiplier: int,
    cost_multiplier: int,
    service_tier: str | None = None,
    price_version: str = "",
    is_default: bool = False,
) -> CostLines:
    """Price what one attempt consumed. Multipliers in ten-thousandths; version and flag as in the `Quote`."""
    tariff, numerator, denominator = price.tariff_for(service_tier)
    writes_5m, writes_1h = usage.cache_write_5m, usage.cache_write_1h
    rates = tariff.rates_for(usage.input + usage.cache_read + writes_5m + writes_1h)
    unit = TOKENS_PER_PRICE_UNIT * denominator
    if usage.images and price.image is not None:
        output = usage.images * price.image
    else:
        dearer = rates.output_with_images if usage.images else None
        output = div_half_even(usage.output * (rates.output if dearer is None else dearer) * numerator, unit)
    plain = div_half_even(usage.input * rates.input * numerator, unit)
    cache_read = div_half_even(usage.cache_read * rates.cache_read * numerator, unit)
    written = writes_5m * rates.cache_write_5m + writes_1h * rates.cache_write_1h
    cache_write = div_half_even(written * numerator, unit)
    list_cost = plain + output + cache_read + cache_write
    return CostLines(
        input=plain,
        output=output,
        cache_read=cache_read,
        cache_write=cache_write,
        list_cost=list_cost,
        charge=div_half_even(list_cost * charge_multiplier, MULTIPLIER_ONE),
        account_cost=div_half_even(list_cost * cost_multiplier, MULTIPLIER_ONE),
        price_version=price_version,
        is_default=is_default,
    )


def estimate_charge(
    price: Price,
    *,
    input_tokens: int,
    output_tokens: int,
    charge_multiplier: int,
    service_tier: str | None = None,
) -> int:
    """Nano-USD to reserve for so many tokens: input at the uncached rate.

    Cache hits make the true charge lower, cache writes at most twice the input part: that difference is
    bounded by the input and known from the first event of the answer, before any output.
    """
    usage = TokenUsage(input=input_tokens, output=output_tokens)
    lines = price_usage(
        price, usage, charge_multiplier=charge_multiplier, cost_multiplier=0, service_tier=service_tier
    )
    return lines.charge
