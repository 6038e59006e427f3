"""Convert the bundled data of the installed genai-prices package into `core/pricing/catalogue.json`.

Run after raising genai-prices in the lock file: `python -m tools.refresh_prices`. A test compares the two and
fails when this was forgotten.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from genai_prices import types
from genai_prices.data import providers

from headgate.core.money import from_usd
from headgate.core.pricing.catalogue import Dated, Entry, Match
from headgate.core.pricing.price import (
    ANTHROPIC_TIERS,
    GOOGLE_TIERS,
    OPENAI_TIERS,
    LongContext,
    Price,
    Rates,
    Tariff,
    rates_of,
)

CATALOGUE = Path(__file__).parents[1] / "src/headgate/core/pricing/catalogue.json"
FIRST_PARTY = (
    "anthropic", "openai", "google", "deepseek", "x-ai", "mistral", "moonshotai", "zai", "minimax", "cohere",
    "perplexity", "meta",
)  # fmt: skip
"""Companies that sell their own models; resellers' prices differ and belong into an operator's price file."""
SERVICE_TIERS = {
    "priority": {"service_tier": "priority"},
    "flex": {"service_tier": "flex"},
    "fast": {"service_tier": "fast", "speed": "fast"},
    "batch": {"processing": "batch"},
}
"""Our name of a tier -> how genai-prices names it (OpenAI's fast tier, Anthropic's fast mode)."""
TIER_FACTORS = {"openai": OPENAI_TIERS, "anthropic": ANTHROPIC_TIERS, "google": GOOGLE_TIERS}
BUCKETS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "output_with_images": "output_image_mtok",
}
PICTURE_MODELS = ("gpt-image", "chatgpt-image", "gpt-5-image", "gpt-5.4-image")
"""OpenAI's; where genai-prices has one output price for them, it is that of pictures."""
AUDIO_USD = {
    "gpt-4o-audio-preview": (40, 80),
    "gpt-4o-mini-audio-preview": (10, 20),
}
"""Input and output per million audio tokens that genai-prices lacks: OpenAI, model pages "GPT-4o Audio"."""
FLAT_SEARCH = ("gemini-2.", "gemini-1.")
"""Google bills grounding per prompt before Gemini 3, per query from then on (Gemini API pricing)."""


def build() -> bytes:
    """The catalogue file, one entry a line, so that a diff shows what changed."""
    by_id = {provider.id: provider for provider in providers}
    entries = [entry for name in FIRST_PARTY for entry in _entries(by_id[name])]
    lines = b",\n".join(msgspec.json.encode(_said(entry), order="deterministic") for entry in entries)
    head = msgspec.json.encode(f"genai-prices-{version('genai-prices')}")
    return b'{"version":' + head + b',"entries":[\n' + lines + b"\n]}\n"


def _said(value: Any) -> Any:
    """Plain values without what is absent: a third of the size."""
    plain = msgspec.to_builtins(value, order="deterministic")
    return _without_absent(plain)


def _without_absent(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_absent(inner) for name, inner in value.items()}
        return {name: inner for name, inner in kept.items() if inner is not None and inner not in ({}, [])}
    return [_without_absent(inner) for inner in value] if isinstance(value, list | tuple) else value


def _entries(provider: types.Provider) -> Iterator[Entry]:
    for model in provider.models:
        dated: list[Dated] = []
        for at in _changes(model):
            found = _dated(provider.id, model, at)
            if found is not None and (not dated or found.price != dated[-1].price):
                dated.append(found)
        if dated:
            yield Entry(provider=provider.id, model=model.id, match=_match(model.match), prices=tuple(dated))


def _changes(model: types.ModelInfo) -> list[datetime]:
    """Instants at which the price changes, starting with the beginning of time."""
    constraints = [variant.constraint for variant in model.price_variants or ()]
    if isinstance(model.prices, list):
        constraints += [conditional.constraint for conditional in model.prices]
    starts = {c.start_date for c in constraints if isinstance(c, types.StartDateConstraint)}
    return [datetime.fromtimestamp(0, UTC), *(datetime.combine(day, time(), UTC) for day in sorted(starts))]


def _dated(provider: str, model: types.ModelInfo, at: datetime) -> Dated | None:
    """The price from `at` on. Where it depends on the time of day, the dearest of the day: never
    undercharge."""
    standard = max((_prices(model, at.replace(hour=hour), {}) for hour in range(24)), key=_weight)
    if "input_mtok" not in standard:
        return None
    tiers = {}
    for tier, context in SERVICE_TIERS.items():
        prices = _prices(model, at, context)
        if prices != _prices(model, at, {}):
            tiers[tier] = _tariff(provider, model.id, prices)
    search = standard.get("web_searches_kcount")
    return Dated(
        from_ms=int(at.timestamp() * 1000),
        price=Price(
            standard=_tariff(provider, model.id, standard),
            service_tiers=tiers,
            tier_factors=TIER_FACTORS.get(provider, {}),
            web_search=None if search is None else from_usd(search / 1000),
            is_search_flat=model.id.startswith(FLAT_SEARCH),
            max_input=model.context_window,
        ),
    )


def _prices(model: types.ModelInfo, at: datetime, context: Mapping[str, str]) -> dict[str, Any]:
    return {name: price for name, price in vars(model.get_prices(at, context)).items() if price is not None}


def _weight(prices: dict[str, Any]) -> Any:
    return _at(prices.get("input_mtok", 0), 0) + _at(prices.get("output_mtok", 0), 0)


def _tariff(provider: str, model: str, prices: dict[str, Any]) -> Tariff:
    tiered = [price for name, price in prices.items() if name in BUCKETS.values() and hasattr(price, "tiers")]
    starts = sorted({tier.start for price in tiered for tier in price.tiers})
    steps = (
        LongContext(above_tokens=start, rates=_rates(provider, model, prices, start + 1)) for start in starts
    )
    return Tariff(rates=_rates(provider, model, prices, 0), long_context=tuple(steps))


def _rates(provider: str, model: str, prices: dict[str, Any], context_tokens: int) -> Rates:
    found: dict[str, int] = {
        bucket: from_usd(_at(prices[name], context_tokens))
        for bucket, name in BUCKETS.items()
        if name in prices
    }
    if provider == "anthropic" and "cache_write_5m" in found:
        found.setdefault("cache_write_1h", 2 * found["input"])  # Anthropic: an hour costs twice the input
    if model.startswith(PICTURE_MODELS):
        found.setdefault("output_with_images", found["output"])
    if model in AUDIO_USD:
        heard, spoken = AUDIO_USD[model]
        found = {"audio_input": from_usd(heard), "audio_output": from_usd(spoken)} | found
    return rates_of(**({"output": 0} | found))


def _at(price: Any, context_tokens: int) -> Any:
    """A price at a context size; tiers start above their threshold."""
    if not hasattr(price, "tiers"):
        return price
    return next((t.price for t in reversed(price.tiers) if context_tokens > t.start), price.base)


def _match(clause: Any) -> Match:
    parts = clause.or_ if isinstance(clause, types.ClauseOr) else [clause]
    clauses = [_clause(part) for part in parts]
    return Match(
        equals=frozenset(text for operator, text in clauses if operator == "equals"),
        prefixes=tuple(text for operator, text in clauses if operator == "starts"),
        others=tuple(c for c in clauses if c[0] not in ("equals", "starts")),
    )


def _clause(clause: Any) -> tuple[str, Any]:
    match clause:
        case types.ClauseEquals():
            return "equals", clause.equals.lower()
        case types.ClauseStartsWith():
            return "starts", clause.starts_with.lower()
        case types.ClauseEndsWith():
            return "ends", clause.ends_with.lower()
        case types.ClauseContains():
            return "contains", clause.contains.lower()
        case types.ClauseRegex():
            return "regex", clause.regex
        case types.ClauseAnd():
            return "and", [_clause(inner) for inner in clause.and_]
        case _:
            return "or", [_clause(inner) for inner in clause.or_]


if __name__ == "__main__":
    CATALOGUE.write_bytes(build())
    print(f"wrote {CATALOGUE.name}")
