"""LiteLLM-format price files are read exactly or refused with the entry named (spec 4.4)."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.pricing.price import ANTHROPIC_TIERS, GOOGLE_TIERS, OPENAI_TIERS, Price
from headgate.core.pricing.price_file import PriceFileInvalid, parse_price_file
from headgate.kit import json


def parse(**entry: Any) -> Price:
    return parse_price_file(json.dumps({"Model": entry}))["model"]


def test_per_token_floats_become_exact_integers() -> None:
    rates = parse(
        input_cost_per_token=3e-06, output_cost_per_token=1.5e-05, cache_read_input_token_cost=3e-07,
        cache_creation_input_token_cost=3.75e-06, cache_creation_input_token_cost_above_1hr=6e-06,
    ).standard.rates  # fmt: skip
    assert (rates.input, rates.output, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h) == (
        3_000_000_000, 15_000_000_000, 300_000_000, 3_750_000_000, 6_000_000_000,
    )  # fmt: skip


def test_missing_cache_prices_cost_input() -> None:
    assert (
        parse(input_cost_per_token=1e-06, output_cost_per_token=0).standard.rates.cache_read == 1_000_000_000
    )


def test_long_context_prices_are_read_with_their_threshold() -> None:
    steps = parse(
        input_cost_per_token=1.25e-06, output_cost_per_token=1e-05,
        input_cost_per_token_above_200k_tokens=2.5e-06, output_cost_per_token_above_200k_tokens=1.5e-05,
        cache_read_input_token_cost=1.25e-07, output_cost_per_token_above_400k_tokens=3e-05,
    ).standard.long_context  # fmt: skip
    assert [(s.above_tokens, s.rates.input, s.rates.output) for s in steps] == [
        (200_000, 2_500_000_000, 15_000_000_000),
        (400_000, 2_500_000_000, 30_000_000_000),
    ]
    assert steps[0].rates.cache_read == 125_000_000


def test_service_tiers_are_read_and_completed_from_the_standard_price() -> None:
    price = parse(
        input_cost_per_token=1e-06, output_cost_per_token=2e-06, input_cost_per_token_priority=3e-06,
        litellm_provider="openai",
    )  # fmt: skip
    rates = price.service_tiers["priority"].rates
    assert (rates.input, rates.output) == (3_000_000_000, 2_000_000_000)
    assert price.tier_factors == OPENAI_TIERS
    assert "flex" not in price.service_tiers


def test_tier_factors_are_those_of_the_provider() -> None:
    def factors(provider: Any) -> Any:
        price = parse(input_cost_per_token=1e-06, mode="embedding", litellm_provider=provider)
        return price.tier_factors

    assert factors("anthropic") == ANTHROPIC_TIERS
    assert factors("gemini") == GOOGLE_TIERS
    assert factors("bedrock") == {}
    assert factors(["odd"]) == {}


def test_a_tier_has_long_context_only_where_the_file_says_so() -> None:
    price = parse(
        input_cost_per_token=2.5e-06, output_cost_per_token=1.5e-05,
        input_cost_per_token_above_272k_tokens=5e-06, input_cost_per_token_priority=5e-06,
        input_cost_per_token_flex=1.25e-06, input_cost_per_token_above_272k_tokens_flex=2.5e-06,
        input_cost_per_token_batches=1e-06,
    )  # fmt: skip
    assert price.rates_for("priority", 300_000)[0].input == 5_000_000_000
    assert price.service_tiers["priority"].long_context == ()
    assert price.rates_for("flex", 300_000)[0].input == 2_500_000_000
    assert price.rates_for("batch", 1_000)[0].input == 1_000_000_000


def test_audio_searches_and_limits_are_read() -> None:
    price = parse(
        input_cost_per_token=1e-06, output_cost_per_token=2e-06, input_cost_per_audio_token=4e-05,
        output_cost_per_audio_token=8e-05, max_input_tokens=128_000, max_output_tokens="many",
        search_context_cost_per_query={
            "search_context_size_low": 0.025, "search_context_size_high": 0.035,
        },
    )  # fmt: skip
    rates = price.standard.rates
    assert (rates.audio_input, rates.audio_output) == (40_000_000_000, 80_000_000_000)
    assert (price.web_search, price.max_input, price.max_output) == (35_000_000, 128_000, None)


def test_pictures_may_have_a_price_per_size() -> None:
    sizes = {
        "output_cost_per_image_1K": 0.1,
        "output_cost_per_image_2K": 0.2,
        "output_cost_per_image_4K": 0.3,
    }
    price = parse(input_cost_per_token=1e-06, **sizes)
    assert [price.image_price(size) for size in (None, "1K", "2K", "4K")] == [
        100_000_000, 100_000_000, 200_000_000, 300_000_000,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "is_flat"),
    [("gemini-2.5-pro", True), ("gemini/gemini-2.0-flash", True), ("gemini-3-pro", False), ("gpt-5", False)],
)
def test_searches_of_gemini_before_3_cost_once_per_request(model: str, is_flat: bool) -> None:
    entry = {"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-06}
    assert parse_price_file(json.dumps({model: entry}))[model].is_search_flat == is_flat


def test_an_image_model_needs_no_token_price() -> None:
    price = parse(output_cost_per_image=0.04, mode="image_generation")
    assert (price.image, price.standard.rates.input, price.standard.rates.output) == (40_000_000, 0, 0)


def test_pictures_are_priced_in_usd_apiece() -> None:
    assert parse(input_cost_per_token=0, output_cost_per_image=0.039).image == 39_000_000


def test_the_example_and_entries_without_token_prices_are_left_out() -> None:
    data = {
        "sample_spec": {"input_cost_per_token": "example"},
        "audio": {"mode": "audio"},
        "half": {"input_cost_per_token": 1},
    }
    assert parse_price_file(json.dumps(data)) == {}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"{", "not JSON"),
        (b"[]", "top level"),
        (b'{"m": 5}', "m: must be an object"),
        (b'{"m": {"input_cost_per_token": -1}}', "m: input_cost_per_token"),
        (b'{"m": {"input_cost_per_token": "1e-6"}}', "m: input_cost_per_token"),
        (b'{"m": {"input_cost_per_token": true}}', "m: input_cost_per_token"),
        (
            b'{"m": {"input_cost_per_token": 1, "output_cost_per_token": 1,'
            b' "search_context_cost_per_query": 3}}',
            "m: search_context_cost_per_query",
        ),
        (b'{"m": {"input_cost_per_token": 1e300, "output_cost_per_token": 0}}', "m: input_cost_per_token"),
    ],
)
def test_a_broken_file_is_refused_with_the_place_named(data: bytes, complaint: str) -> None:
    with pytest.raises(PriceFileInvalid, match=complaint):
        parse_price_file(data)


@given(st.decimals(0, 1000, places=4, allow_nan=False, allow_infinity=False))
def test_usd_per_million_survives_the_detour_over_floats(usd_per_mtok: Decimal) -> None:
    price = parse(input_cost_per_token=float(usd_per_mtok / 1_000_000), mode="embedding")
    assert price.standard.rates.input == int(usd_per_mtok * 10**9)
