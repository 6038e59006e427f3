"""The LiteLLM-format price file, which operators may drop in to correct or extend the bundled prices (spec
4.4).

Knows: that format's fields. Refuses to know: files (bytes come in). Invariants: USD per token become nano-USD
per million tokens without floating-point error; a broken entry is named, never skipped or read as zero.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from headgate.core.money import TOKENS_PER_PRICE_UNIT, from_usd
from headgate.core.pricing.price import (
    ANTHROPIC_TIERS,
    GOOGLE_TIERS,
    OPENAI_TIERS,
    LongContext,
    Price,
    Rates,
    Tariff,
    TierFactor,
    rates_of,
)
from headgate.kit import json

_LONG_CONTEXT = re.compile(r"^(?:input|output)_cost_per_token_above_(\d{1,6})k_tokens(\w*)$")
_TIERS = {"priority": "_priority", "flex": "_flex", "batch": "_batches", "ultrafast": "_ultrafast"}
"""Service tier -> how the names of its fields end."""
_TIER_FACTORS: Mapping[str, Mapping[str, TierFactor]] = {
    "openai": OPENAI_TIERS,
    "text-completion-openai": OPENAI_TIERS,
    "anthropic": ANTHROPIC_TIERS,
    "gemini": GOOGLE_TIERS,
}
"""By `litellm_provider`. Clouds that resell have tariffs of their own."""
_FIELDS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "audio_input": "input_cost_per_audio_token",
    "audio_output": "output_cost_per_audio_token",
    "output_with_images": "output_cost_per_image_token",
}
_PICTURES = ("output_cost_per_image", "output_cost_per_image_2K", "output_cost_per_image_4K")
_SEARCH = "search_context_cost_per_query"
_FLAT_SEARCH = re.compile(r"(?:.*/)?gemini-(?:flash-|pro-)?[12]\.")
"""Google bills grounding per prompt before Gemini 3; the format has no word for that."""
_MAX_TOKENS = 10**9
_MAX_USD = 1_000
"""For a token, picture or search: far beyond any price, far inside 64 bits."""
_EXAMPLE = "sample_spec"


class PriceFileInvalid(ValueError):
    """The price file cannot be used; the message names the entry and the field."""


def parse_price_file(data: bytes) -> dict[str, Price]:
    """Lower-case model name -> price. Entries that price no tokens, or only one side, are left out."""
    try:
        entries = json.loads(data)
    except json.JSONDecodeError as error:
        raise PriceFileInvalid(f"not JSON: {error}") from None
    if not isinstance(entries, dict):
        raise PriceFileInvalid("the top level must be an object: model name -> prices")
    prices: dict[str, Price] = {}
    for model, entry in entries.items():
        if model == _EXAMPLE:
            continue
        if not isinstance(entry, dict):
            raise PriceFileInvalid(f"{model}: must be an object of prices")
        price = _price(model, entry)
        if price is not None:
            prices[model.lower()] = price
    return prices


def _price(model: str, entry: Mapping[str, Any]) -> Price | None:
    found = _found(model, entry, "")
    image, *larger = (_amount(model, entry, name, per_token=False) for name in _PICTURES)
    image = _amount(model, entry, "output_cost_per_image_1K", per_token=False) if image is None else image
    if image is not None and entry.get("mode") == "image_generation":
        found = {"input": 0} | found
    sells_no_output = image is not None or entry.get("mode") == "embedding"
    if "input" not in found or ("output" not in found and not sells_no_output):
        return None  # half a price would make the other half free
    standard = rates_of(**({"output": 0} | found))
    provider = entry.get("litellm_provider")
    return Price(
        standard=Tariff(rates=standard, long_context=_long_context(model, entry, standard, "")),
        service_tiers=_tiers(model, entry, standard),
        tier_factors=_TIER_FACTORS.get(provider, {}) if isinstance(provider, str) else {},
        image=image,
        image_2k=larger[0],
        image_4k=larger[1],
        web_search=_search(model, entry),
        is_search_flat=_FLAT_SEARCH.match(model) is not None,
        max_input=_limit(entry, "max_input_tokens"),
        max_output=_limit(entry, "max_output_tokens"),
    )


def _tiers(model: str, entry: Mapping[str, Any], standard: Rates) -> dict[str, Tariff]:
    """Tariffs of the tiers that have any price of their own; what they leave out is the standard price."""
    tiers = {}
    for tier, suffix in _TIERS.items():
        if changes := _found(model, entry, suffix):
            rates = replace(standard, **changes)
            tiers[tier] = Tariff(rates=rates, long_context=_long_context(model, entry, rates, suffix))
    return tiers


def _long_context(model: str, entry: Mapping[str, Any], base: Rates, suffix: str) -> tuple[LongContext, ...]:
    """Steps of the fields that end in `_above_<n>k_tokens` and the tier's suffix. Standard ones do not pass
    to a tier: the vendor must publish the combination."""
    thresholds = sorted(
        {int(found[1]) for name in entry if (found := _LONG_CONTEXT.match(name)) and found[2] == suffix}
    )
    steps: list[LongContext] = []
    rates = base
    for thousands in thresholds:
        rates = replace(rates, **_found(model, entry, f"_above_{thousands}k_tokens{suffix}"))
        steps.append(LongContext(above_tokens=thousands * 1000, rates=rates))
    return tuple(steps)


def _search(model: str, entry: Mapping[str, Any]) -> int | None:
    """Per web search; of several prices by context size the dearest: which one was used is not told."""
    prices = entry.get(_SEARCH)
    if prices is None:
        return None
    if not isinstance(prices, dict):
        raise PriceFileInvalid(f"{model}: {_SEARCH} must be an object of prices")
    amounts = (_amount(f"{model}: {_SEARCH}", prices, name, per_token=False) for name in prices)
    return max((amount for amount in amounts if amount is not None), default=None)


def _limit(entry: Mapping[str, Any], name: str) -> int | None:
    """A hint only: other types, which the format's authors use too, are as good as absent."""
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= _MAX_TOKENS else None


def _found(model: str, entry: Mapping[str, Any], suffix: str) -> dict[str, int]:
    """The rates whose fields carry `suffix`, by bucket."""
    return {
        bucket: amount
        for bucket, name in _FIELDS.items()
        if (amount := _amount(model, entry, name + suffix, per_token=True)) is not None
    }


def _amount(model: str, entry: Mapping[str, Any], name: str, *, per_token: bool) -> int | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_USD:
        raise PriceFileInvalid(f"{model}: {name} must be a number of USD from 0 to {_MAX_USD}")
    return from_usd(Decimal(str(value)) * (TOKENS_PER_PRICE_UNIT if per_token else 1))
