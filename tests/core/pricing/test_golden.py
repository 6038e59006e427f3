"""Every bucket and tier of today's models costs what the vendor's own table says (issue 3)."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest

from headgate.core.money import from_usd
from headgate.core.pricing.book import PriceBook
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.cost import CostLines, Quote, price_usage
from headgate.core.pricing.price import flat_price
from headgate.core.usage import TokenUsage
from tests.core.pricing.golden import ROWS, Row
from tools.price_table import DOCUMENT, MODELS, NOW_MS, section, table

BOOK = PriceBook(
    catalogue=bundled_catalogue(), default=flat_price(input_usd_per_mtok=1, output_usd_per_mtok=1)
)
MTOK = Decimal(1_000_000)


def cost(model: str, usage: TokenUsage, *, tier: str | None = None, at_ms: int = NOW_MS) -> CostLines:
    quote = BOOK.quote(model, at_ms=at_ms)
    assert isinstance(quote, Quote)
    assert quote.source == "bundled", model
    return price_usage(
        quote.price, usage, charge_multiplier=10_000, cost_multiplier=10_000, service_tier=tier
    )


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_request_costs_what_the_vendors_table_says(row: Row) -> None:
    n = row.tokens
    usage = TokenUsage(
        input=n, cache_read=n, cache_write_5m=n, cache_write_1h=n, output=n, audio_input=n, audio_output=n
    )
    lines = cost(row.model, usage, tier=row.tier)
    amounts = {
        "input": row.input,
        "output": row.output,
        "cache_read": row.cache_read,
        "cache_write": row.cache_write_5m + row.cache_write_1h,
        "other": row.audio_input + row.audio_output,
    }
    expected = {line: from_usd(usd * n / MTOK) for line, usd in amounts.items()}
    assert {line: getattr(lines, line) for line in expected} == expected
    assert lines.list_cost == sum(expected.values())


def test_enough_models_of_every_vendor_are_covered() -> None:
    models = {row.model for row in ROWS}
    assert len(models) >= 40
    assert {row.tier for row in ROWS} >= {None, "priority", "flex", "batch", "fast"}


@pytest.mark.parametrize(
    ("model", "searches", "usd"),
    [
        ("claude-opus-4-8", 1_000, "10"),  # Anthropic: $10 per 1,000 searches
        ("gpt-5.4", 1_000, "10"),  # OpenAI: $10 per 1,000 calls
        ("gemini-3.1-pro-preview", 1_000, "14"),  # Google: $14 per 1,000 queries from Gemini 3 on
        ("gemini-2.5-flash", 1_000, "0.035"),  # $35 per 1,000 grounded prompts: this is one prompt
        ("deepseek-flash", 1_000, "10"),  # not in its price data: the default, never free
    ],
)
def test_web_searches_cost_what_the_vendors_say(model: str, searches: int, usd: str) -> None:
    assert cost(model, TokenUsage(web_search_calls=searches)).list_cost == from_usd(usd)


@pytest.mark.parametrize(
    ("model", "tokens", "usd"),
    [
        ("gemini-2.5-flash-image", 1290, "0.0387"),  # Google: $0.039 per picture, $30 per million tokens
        ("gemini-3-pro-image-preview", 1120, "0.1344"),  # $0.134 per 1K or 2K picture, $120 per million
        ("gpt-image-1", 1056, "0.04224"),  # OpenAI: $40 per million image tokens, medium quality 1,056
        ("gpt-image-1.5", 1000, "0.032"),  # $32 per million image tokens
    ],
)
def test_pictures_cost_their_tokens_at_the_price_of_pictures(model: str, tokens: int, usd: str) -> None:
    assert cost(model, TokenUsage(output=tokens, images=1)).output == from_usd(usd)


MARCH_12_2026, MARCH_13_2026 = 1_773_273_600_000, 1_773_360_000_000


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-sonnet-4-6"])
def test_long_context_of_claude_4_6_cost_more_until_its_price_changed(model: str) -> None:
    usage = TokenUsage(input=300_000, output=1_000)
    before, after = cost(model, usage, at_ms=MARCH_12_2026), cost(model, usage, at_ms=MARCH_13_2026)
    assert (before.input, before.output) == (2 * after.input, after.output * 3 // 2)


@pytest.mark.parametrize("context", [271_999, 272_000, 272_001])
def test_the_threshold_of_gpt_5_4_is_crossed_by_the_whole_request(context: int) -> None:
    usage = TokenUsage(input=context - 1_000, cache_read=1_000, output=1_000)
    lines = cost("gpt-5.4", usage)
    is_long = context > 272_000
    assert lines.input == (context - 1_000) * (5_000 if is_long else 2_500)
    assert lines.output == (22_500_000 if is_long else 15_000_000)


def test_the_table_in_the_docs_is_the_prices_that_are_charged() -> None:
    """When this fails: `python -m tools.price_table`."""
    assert section(DOCUMENT.read_text(encoding="utf-8")) == table(BOOK)


def test_the_docs_say_where_every_golden_row_is_from() -> None:
    """When this fails: write the printed lines into docs/prices.md."""
    counts = Counter(row.source for row in ROWS)
    lines = [f"| {one.page} | {one.seen} | {one.as_of} | {n} |" for one, n in counts.items()]
    missing = [line for line in lines if line not in DOCUMENT.read_text(encoding="utf-8")]
    assert not missing, "\n".join(missing)


def test_every_golden_model_stands_in_the_docs() -> None:
    assert {row.model for row in ROWS} <= set(MODELS)


def test_a_changed_price_would_be_noticed() -> None:
    row = ROWS[0]
    wrong = replace(row, input=row.input + Decimal("0.01"))
    with pytest.raises(AssertionError):
        test_a_request_costs_what_the_vendors_table_says(wrong)
