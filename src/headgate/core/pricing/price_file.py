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
from headgate.core.pricing.price import LongContext, Price, Rates, Tariff, rates_of
from headgate.kit import json

_LONG_CONTEXT = re.compile(r"^(?:input|output)_cost_per_token_above_(\d+)k_tokens$")
_TIERS = ("priority", "flex")
_FIELDS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "output_with_images": "output_cost_per_image_token",
}
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
    image = _amount(model, entry, "output_cost_per_image", per_token=False)
    sells_no_output = image is not None or entry.get("mode") == "embedding"
    if "input" not in found or ("output" not in found and not sells_no_output):
        return None  # half a price would make the other half free
    standard = rates_of(**({"output": 0} | found))
    tiers = {
        tier: Tariff(rates=replace(standard, **changes))
        for tier in _TIERS
        if (changes := _found(model, entry, f"_{tier}"))
    }
    return Price(
        standard=Tariff(rates=standard, long_context=_long_context(model, entry, standard)),
        service_tiers=tiers,
        has_tier_factors=entry.get("litellm_provider") == "openai",
        image=image,
    )


def _long_context(model: str, entry: Mapping[str, Any], standard: Rates) -> tuple[LongContext, ...]:
    thresholds = sorted({int(found[1]) for name in entry if (found := _LONG_CONTEXT.match(name))})
    steps: list[LongContext] = []
    rates = standard
    for thousands in thresholds:
        rates = replace(rates, **_found(model, entry, f"_above_{thousands}k_tokens"))
        steps.append(LongContext(above_tokens=thousands * 1000, rates=rates))
    return tuple(steps)


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
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise PriceFileInvalid(f"{model}: {name} must be a number of USD, 0 or more")
    return from_usd(Decimal(str(value)) * (TOKENS_PER_PRICE_UNIT if per_token else 1))
