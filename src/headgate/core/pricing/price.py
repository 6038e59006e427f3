"""Price: what a model costs, in nano-USD per million tokens by bucket.

Knows: rates per bucket, long-context rates, service-tier tariffs, pictures (spec 4.2).
Refuses to know: where a price came from (book.py), usage arithmetic (cost.py).
Invariants: integers only; every bucket has a rate, so that nothing is free by omission.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from headgate.core.money import from_usd

TIER_FACTORS: Mapping[str, tuple[int, int]] = {"priority": (2, 1), "fast": (2, 1), "flex": (1, 2)}
"""OpenAI service tiers for which a price has no tariff of its own: factor as a fraction (spec 4.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Nano-USD per million tokens of each bucket of `TokenUsage`."""

    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output_with_images: int | None = None
    """Replaces `output` when the answer holds generated pictures (their tokens are dearer than text)."""

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.cache_read, self.cache_write_5m, self.cache_write_1h) < 0:
            raise ValueError(f"a price is never negative: {self}")


def rates_of(
    *,
    input: int,
    output: int,
    cache_read: int | None = None,
    cache_write_5m: int | None = None,
    cache_write_1h: int | None = None,
    output_with_images: int | None = None,
) -> Rates:
    """Rates with the gaps filled as providers bill them: a cache bucket without its own price is plain
    input."""
    write_5m = input if cache_write_5m is None else cache_write_5m
    return Rates(
        input=input,
        output=output,
        cache_read=input if cache_read is None else cache_read,
        cache_write_5m=write_5m,
        cache_write_1h=write_5m if cache_write_1h is None else cache_write_1h,
        output_with_images=output_with_images,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LongContext:
    """Rates for the whole request once its input side is larger than a threshold."""

    above_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """The rates of one service tier."""

    rates: Rates
    long_context: tuple[LongContext, ...] = ()
    """Ascending by threshold."""

    def rates_for(self, context_tokens: int) -> Rates:
        """Rates of a request with so many tokens on the input side, cached ones included."""
        rates = self.rates
        for step in self.long_context:
            if context_tokens <= step.above_tokens:
                break
            rates = step.rates
        return rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Everything one model costs."""

    standard: Tariff
    service_tiers: Mapping[str, Tariff] = field(default_factory=dict)
    has_tier_factors: bool = False
    """OpenAI: `priority` and `flex` without a tariff here are the standard tariff times `TIER_FACTORS`."""
    image: int | None = None
    """Nano-USD per generated picture, instead of the answer's output tokens."""

    def tariff_for(self, service_tier: str | None) -> tuple[Tariff, int, int]:
        """The tariff of a tier, and the factor on it as numerator and denominator."""
        if service_tier is not None:
            tariff = self.service_tiers.get(service_tier)
            if tariff is not None:
                return tariff, 1, 1
            if self.has_tier_factors and service_tier in TIER_FACTORS:
                return self.standard, *TIER_FACTORS[service_tier]
        return self.standard, 1, 1


def flat_price(
    *, input_usd_per_mtok: Decimal | float | str, output_usd_per_mtok: Decimal | float | str
) -> Price:
    """A price without cache discounts, such as the operator's default for unknown models."""
    rates = rates_of(input=from_usd(input_usd_per_mtok), output=from_usd(output_usd_per_mtok))
    return Price(standard=Tariff(rates=rates))
