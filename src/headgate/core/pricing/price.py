"""Price: what a model costs, in nano-USD per million tokens by bucket.

Knows: rates per bucket, long-context rates, service-tier tariffs, pictures, web searches (spec 4.2), and
which of these exclude each other. Refuses to know: where a price came from (book.py), usage arithmetic
(cost.py). Invariants: integers only; every bucket has a rate, so that nothing is free by omission; a
long-context rate is never multiplied by a tier that its vendor does not sell for long context (PAINS 8).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from headgate.core.money import from_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Nano-USD per million tokens of each bucket of `TokenUsage`."""

    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    audio_input: int
    audio_output: int
    output_with_images: int | None = None
    """Replaces `output` when the answer holds generated pictures (their tokens are dearer than text)."""

    def __post_init__(self) -> None:
        writes = min(self.cache_write_5m, self.cache_write_1h)
        if min(self.input, self.output, self.cache_read, writes, self.audio_input, self.audio_output) < 0:
            raise ValueError(f"a price is never negative: {self}")


def rates_of(
    *,
    input: int,
    output: int,
    cache_read: int | None = None,
    cache_write_5m: int | None = None,
    cache_write_1h: int | None = None,
    audio_input: int | None = None,
    audio_output: int | None = None,
    output_with_images: int | None = None,
) -> Rates:
    """Rates with the gaps filled as providers bill them: a cache or audio bucket without its own price is
    plain input or output."""
    write_5m = input if cache_write_5m is None else cache_write_5m
    return Rates(
        input=input,
        output=output,
        cache_read=input if cache_read is None else cache_read,
        cache_write_5m=write_5m,
        cache_write_1h=write_5m if cache_write_1h is None else cache_write_1h,
        audio_input=input if audio_input is None else audio_input,
        audio_output=output if audio_output is None else audio_output,
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
class TierFactor:
    """A tier that its vendor prices as a fraction of the standard tariff."""

    times: int
    over: int
    with_long_context: bool = True
    """The vendor sells the tier for long context too; else long context is charged at the standard
    tariff."""


_TWICE_SHORT = TierFactor(times=2, over=1, with_long_context=False)
_HALF = TierFactor(times=1, over=2)
OPENAI_TIERS: Mapping[str, TierFactor] = {
    "priority": _TWICE_SHORT, "fast": _TWICE_SHORT, "flex": _HALF, "batch": _HALF,
}  # fmt: skip
"""For models without a tariff of their own: OpenAI pricing, "Priority", "Flex", "Batch"; spec 4.2."""
ANTHROPIC_TIERS: Mapping[str, TierFactor] = {"batch": _HALF}
"""Anthropic pricing, "Batch processing": 50 % on input and output. `priority` is bought capacity at the
standard rates."""
GOOGLE_TIERS: Mapping[str, TierFactor] = {
    "flex": _HALF, "batch": _HALF, "priority": TierFactor(times=9, over=5),
}  # fmt: skip
"""Gemini API, "Optimization" (flex and batch half) and "Pricing" (priority 1.8 times, long prompts too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Everything one model costs."""

    standard: Tariff
    service_tiers: Mapping[str, Tariff] = field(default_factory=dict)
    tier_factors: Mapping[str, TierFactor] = field(default_factory=dict)
    """Tiers without a tariff in `service_tiers`. Any other tier is charged as standard."""
    image: int | None = None
    """Nano-USD per generated picture (1K, or of a size that was not told), instead of the answer's output
    tokens."""
    image_2k: int | None = None
    image_4k: int | None = None
    web_search: int | None = None
    """Nano-USD per web search; None: the vendor's price is not known."""
    is_search_flat: bool = False
    """A request that searches pays once, however often it searches (Gemini before 3)."""
    max_input: int | None = None
    """Context window in tokens, for plausibility; None: not known. The same for output."""
    max_output: int | None = None

    @property
    def draws(self) -> bool:
        """It is the price of a model that generates pictures."""
        return self.image is not None or self.standard.rates.output_with_images is not None

    def rates_for(self, service_tier: str | None, context_tokens: int) -> tuple[Rates, TierFactor | None]:
        """The rates of a request, and the factor on them if there is one.

        Long context and a service tier exclude each other unless the vendor publishes the combination: then
        the tier's tariff has long-context rates of its own, or its factor says so. Otherwise a long request
        is charged at the standard long-context rates, without the tier."""
        standard = self.standard
        rates = standard.rates_for(context_tokens) if standard.long_context else standard.rates
        if service_tier is None:
            return rates, None
        is_long = rates is not standard.rates
        tariff = self.service_tiers.get(service_tier)
        if tariff is not None:
            if is_long and not tariff.long_context:
                return rates, None
            return tariff.rates_for(context_tokens), None
        factor = self.tier_factors.get(service_tier)
        if factor is None or (is_long and not factor.with_long_context):
            return rates, None
        return rates, factor

    def image_price(self, size: str | None) -> int | None:
        """Nano-USD of a picture; sizes without a price of their own as spec 4.2 scales them."""
        if self.image is None:
            return None
        match size:
            case "2K":
                return scaled_image(self.image, size) if self.image_2k is None else self.image_2k
            case "4K":
                return scaled_image(self.image, size) if self.image_4k is None else self.image_4k
            case _:
                return self.image


def scaled_image(base: int, size: str | None) -> int:
    """2K costs one and a half times the 1K picture, 4K twice as much (spec 4.2)."""
    return base * 3 // 2 if size == "2K" else base * 2 if size == "4K" else base


def flat_price(
    *, input_usd_per_mtok: Decimal | float | str, output_usd_per_mtok: Decimal | float | str
) -> Price:
    """A price without cache discounts, such as the operator's default for unknown models."""
    rates = rates_of(input=from_usd(input_usd_per_mtok), output=from_usd(output_usd_per_mtok))
    return Price(standard=Tariff(rates=rates))
