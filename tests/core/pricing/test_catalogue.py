"""The bundled list prices are the vendors' and are found under the names that clients use."""

import pytest

from headgate.core.pricing.book import PriceBook
from headgate.core.pricing.catalogue import Match, bundled_catalogue
from headgate.core.pricing.cost import Quote, price_usage
from headgate.core.pricing.price import flat_price
from headgate.core.usage import TokenUsage
from tools.refresh_prices import CATALOGUE, build

NOW = 1_795_000_000_000  # 2026-11-18
BOOK = PriceBook(
    catalogue=bundled_catalogue(), default=flat_price(input_usd_per_mtok=10, output_usd_per_mtok=50)
)
MTOK = 1_000_000


def quote(model: str) -> Quote:
    found = BOOK.quote(model, at_ms=NOW)
    assert isinstance(found, Quote)
    return found


def test_the_bundled_file_is_the_installed_genai_prices() -> None:
    """When this fails after raising genai-prices: run `python -m tools.refresh_prices`."""
    assert CATALOGUE.read_bytes() == build()


@pytest.mark.parametrize(
    ("model", "per_mtok"),
    [  # input, output, cache read, cache write 5m, cache write 1h: USD per million tokens
        ("claude-sonnet-4-5", ("3", "15", "0.3", "3.75", "6")),
        ("claude-opus-4-5", ("5", "25", "0.5", "6.25", "10")),
        ("claude-haiku-4-5", ("1", "5", "0.1", "1.25", "2")),
        ("gpt-5", ("1.25", "10", "0.125", "1.25", "1.25")),
        ("gpt-5-mini", ("0.25", "2", "0.025", "0.25", "0.25")),
        ("gpt-5-nano", ("0.05", "0.4", "0.005", "0.05", "0.05")),
        ("gemini-2.5-pro", ("1.25", "10", "0.125", "1.25", "1.25")),
        ("gemini-2.5-flash", ("0.3", "2.5", "0.03", "0.3", "0.3")),
        ("text-embedding-3-small", ("0.02", "0", "0.02", "0.02", "0.02")),
    ],
)
def test_list_prices_are_the_vendors(model: str, per_mtok: tuple[str, ...]) -> None:
    rates = quote(model).price.standard.rates
    nano = (rates.input, rates.output, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h)
    assert nano == tuple(int(float(usd) * 1_000_000) * 1_000 for usd in per_mtok)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "anthropic/claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic/claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4-5"),
        (
            "projects/p/locations/l/publishers/anthropic/models/claude-opus-4-5@20251101",
            "anthropic/claude-opus-4-5",
        ),
        ("gpt-5-2025-08-07", "openai/gpt-5"),
        ("gpt-5.4-20260305", "openai/gpt-5.4"),
        ("models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gemini-2.5-flash-latest", "google/gemini-2.5-flash"),
        ("GPT-5", "openai/gpt-5"),
    ],
)
def test_names_of_clouds_and_routers_are_understood(name: str, entry: str) -> None:
    assert quote(name).entry == entry


@pytest.mark.parametrize(
    "name",
    [
        "claude-opus-4-15", "claude-opus-4-10-20270101", "claude-opus-4-9", "claude-sonnet-5-9",
        "claude-haiku-4-5-mini", "gpt-5-turbo", "gpt-5.7", "gpt-4o-ultra", "o5", "gemini-2.5-pro-ultra",
        "gemini-3.7-flash-lite", "gemini-3.8-flash-image", "gemini-1.5-flash-8b", "gemini-9-pro", "grok-5",
        "claude", "opus", "gpt", "",
    ],
)  # fmt: skip
def test_a_neighbour_or_a_product_of_a_known_model_is_unknown_and_not_guessed(name: str) -> None:
    assert quote(name).is_default


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("claude-opus-4-1-20250805", "anthropic/claude-opus-4-1"),
        ("claude-sonnet-4-5-20250929-thinking", "anthropic/claude-sonnet-4-5"),
        ("claude-3-5-sonnet-v2@20241022", "anthropic/claude-3-5-sonnet"),
        ("gemini-2.0-flash-001", "google/gemini-2.0-flash"),
        ("gemini-2.0-flash-lite-001", "google/gemini-2.0-flash-lite"),
        ("gemini-2.5-pro-preview-06-05", "google/gemini-2.5-pro"),
        ("gpt-4o-realtime-preview-2024-12-17", "openai/gpt-4o-realtime-preview"),
        ("ft:gpt-4o-mini-2024-07-18:pro-team::id", "openai/ft:gpt-4o-mini"),
        ("gpt-oss-120b:free", "openai/gpt-oss-120b"),
    ],
)
def test_revisions_and_decorations_are_the_same_model(name: str, entry: str) -> None:
    assert quote(name).entry == entry


def test_gpt_5_4_has_its_long_context_price_for_the_whole_request() -> None:
    lines = price_usage(
        quote("gpt-5.4").price,
        TokenUsage(input=300_000, output=1_000),
        charge_multiplier=10_000,
        cost_multiplier=0,
    )
    assert (lines.input, lines.output) == (1_500_000_000, 22_500_000)


def test_gemini_2_5_pro_has_its_long_context_price_for_the_whole_request() -> None:
    rates = quote("gemini-2.5-pro").price.standard.rates_for(200_001)
    assert (rates.input, rates.output, rates.cache_read) == (2_500_000_000, 15_000_000_000, 250_000_000)


def test_gpt_5_has_flex_and_priority_tariffs() -> None:
    price = quote("gpt-5").price
    assert price.rates_for("flex", 0)[0].input == 625_000_000
    assert price.rates_for("priority", 0)[0].output == 20_000_000_000


def test_pictures_of_gemini_flash_image_are_dearer_than_its_text() -> None:
    assert quote("gemini-2.5-flash-image").price.standard.rates.output_with_images == 30_000_000_000


def test_where_the_hour_decides_the_dearest_hour_is_charged() -> None:
    rates = quote("deepseek-chat").price.standard.rates
    assert (rates.input, rates.output) == (270_000_000, 1_100_000_000)


def test_a_model_that_nobody_sells_is_unknown() -> None:
    assert quote("gpt-5-imaginary").is_default


def test_the_catalogue_says_what_it_is() -> None:
    assert repr(bundled_catalogue()).startswith("Catalogue(genai-prices-")


@pytest.mark.parametrize(
    ("clause", "hits", "misses"),
    [
        (("equals", "abc"), "abc", "abcd"),
        (("starts", "ab"), "abc", "xab"),
        (("ends", "bc"), "abc", "bcx"),
        (("contains", "b"), "abc", "acd"),
        (("regex", "^a.c$"), "abc", "abcd"),
        (("and", [("starts", "a"), ("ends", "c")]), "abc", "abx"),
        (("or", [("equals", "x"), ("equals", "y")]), "y", "z"),
    ],
)
def test_every_kind_of_clause_is_understood(clause: tuple[str, object], hits: str, misses: str) -> None:
    match = Match(others=(clause,))
    assert match.matches(hits)
    assert not match.matches(misses)
