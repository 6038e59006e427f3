"""Cost: token usage times price, in nano-USD.

Knows: the cost formula (spec 4.2, 4.3) with one half-even rounding per line. Refuses to know: which price
applies. Invariants: never negative, never above `MAX_AMOUNT`; below it `list_cost` is exactly the sum of its
lines; each line is within half a nano-USD of the true product; a multiplier of 0 means free (unlike the
origin of the contract).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from headgate.core.money import MULTIPLIER_ONE, TOKENS_PER_PRICE_UNIT, div_half_even
from headgate.core.pricing.price import Price, Rates, scaled_image
from headgate.core.usage import TokenUsage

MAX_AMOUNT = 10**15
"""A million USD: no attempt costs more, whatever a provider says; sums of such amounts stay far inside 64
bits."""
DEFAULT_WEB_SEARCH = 10_000_000
"""Nano-USD per web search where a price does not tell: 10 USD per 1,000, as Anthropic and OpenAI list it."""
DEFAULT_IMAGE = 134_000_000
"""Nano-USD per 1K picture where neither group, nor price, nor tokens tell (spec 4.2)."""


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
    image_prices: Mapping[str, int] | None = None,
    context_tokens: int | None = None,
    cap: int = MAX_AMOUNT,
) -> CostLines:
    """Price what one attempt consumed. Multipliers in ten-thousandths; version and flag as in the `Quote`;
    `image_prices` are the group's own, by size (nano-USD). For sums over many attempts `context_tokens` is
    that of each, and `cap` is higher."""
    writes_5m, writes_1h, heard = usage.cache_write_5m, usage.cache_write_1h, usage.audio_input
    if context_tokens is None:
        context_tokens = usage.input + usage.cache_read + writes_5m + writes_1h + heard
    rates, factor = price.rates_for(service_tier, context_tokens)
    times, unit = 1, TOKENS_PER_PRICE_UNIT
    if factor is not None:
        times, unit = factor.times, unit * factor.over
    plain = div_half_even(usage.input * rates.input * times, unit)
    output = div_half_even(usage.output * rates.output * times, unit)
    cache_read = div_half_even(usage.cache_read * rates.cache_read * times, unit)
    written = writes_5m * rates.cache_write_5m + writes_1h * rates.cache_write_1h
    cache_write = div_half_even(written * times, unit)
    other = _heard_and_spoken(usage, rates, times, unit) if heard or usage.audio_output else 0
    if usage.web_search_calls:
        other += _searches(price, usage.web_search_calls)
    if usage.images:
        drawn = _pictures(price, usage, image_prices or {}, is_default=is_default)
        other += drawn.cost
        if drawn.replaces_all:
            plain = cache_read = cache_write = 0
        output = div_half_even(_picture_output(drawn, usage, rates) * times, unit)
    list_cost = plain + output + cache_read + cache_write + other
    if list_cost > cap:
        list_cost = cap
        lines = (plain, output, cache_read, cache_write, other)
        plain, output, cache_read, cache_write, other = (min(line, cap) for line in lines)
    return CostLines(
        input=plain,
        output=output,
        cache_read=cache_read,
        cache_write=cache_write,
        other=other,
        list_cost=list_cost,
        charge=min(div_half_even(list_cost * charge_multiplier, MULTIPLIER_ONE), cap),
        account_cost=min(div_half_even(list_cost * cost_multiplier, MULTIPLIER_ONE), cap),
        price_version=price_version,
        is_default=is_default,
    )


def _heard_and_spoken(usage: TokenUsage, rates: Rates, times: int, unit: int) -> int:
    tokens = usage.audio_input * rates.audio_input + usage.audio_output * rates.audio_output
    return div_half_even(tokens * times, unit)


@dataclass(frozen=True, slots=True)
class _Pictures:
    """What generated pictures cost beside or instead of the tokens."""

    cost: int
    replaces_output: bool = False
    replaces_all: bool = False


def _pictures(
    price: Price, usage: TokenUsage, image_prices: Mapping[str, int], *, is_default: bool
) -> _Pictures:
    """The group's price per picture is the whole price of an image model's answer (spec 4.2); the model's own
    replaces its output tokens; without either the tokens carry it, where there are any. A text model that
    drew with a tool pays its tokens and the pictures on top."""
    of_group = image_prices.get(usage.image_size or "1K")
    has_tokens = usage.output > 0
    if not (price.draws or is_default) and has_tokens:
        unit = scaled_image(DEFAULT_IMAGE, usage.image_size) if of_group is None else of_group
        return _Pictures(unit * usage.images)
    if of_group is not None:
        return _Pictures(of_group * usage.images, replaces_all=True)
    apiece = price.image_price(usage.image_size)
    if apiece is not None:
        return _Pictures(apiece * usage.images, replaces_output=True)
    return _Pictures(0 if has_tokens else scaled_image(DEFAULT_IMAGE, usage.image_size) * usage.images)


def _picture_output(drawn: _Pictures, usage: TokenUsage, rates: Rates) -> int:
    """Output tokens times their rates: thoughts are text, the rest as dear as pictures where they have a
    rate."""
    if drawn.replaces_all or drawn.replaces_output:
        return 0
    if rates.output_with_images is None:
        return usage.output * rates.output
    return (usage.output - usage.reasoning) * rates.output_with_images + usage.reasoning * rates.output


def _searches(price: Price, calls: int) -> int:
    return search_price(price) * (1 if price.is_search_flat else calls)


def search_price(price: Price) -> int:
    """Nano-USD per web search, or per request that searched."""
    return DEFAULT_WEB_SEARCH if price.web_search is None else price.web_search


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
