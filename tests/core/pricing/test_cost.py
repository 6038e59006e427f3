"""Cost is exact, additive and never negative (spec 4.2, 4.3)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.pricing.cost import CostLines, Quote, estimate_charge, price_usage
from headgate.core.pricing.price import LongContext, Price, Rates, Tariff, flat_price, rates_of
from headgate.core.usage import TokenUsage

ONE = 10_000
MTOK = 1_000_000
SONNET = Rates(
    input=3_000_000_000, output=15_000_000_000, cache_read=300_000_000, cache_write_5m=3_750_000_000,
    cache_write_1h=6_000_000_000,
)  # fmt: skip
PRICE = Price(standard=Tariff(rates=SONNET))


def cost(
    usage: TokenUsage, price: Price = PRICE, *, charge: int = ONE, account: int = ONE, tier: str | None = None
) -> CostLines:
    return price_usage(
        price, usage, charge_multiplier=charge, cost_multiplier=account, service_tier=tier, price_version="v1"
    )


def test_every_bucket_has_its_rate() -> None:
    usage = TokenUsage(input=MTOK, output=MTOK, cache_read=MTOK, cache_write_5m=MTOK, cache_write_1h=MTOK)
    assert cost(usage) == CostLines(
        input=3_000_000_000, output=15_000_000_000, cache_read=300_000_000, cache_write=9_750_000_000,
        list_cost=28_050_000_000, charge=28_050_000_000, account_cost=28_050_000_000, price_version="v1",
        is_default=False,
    )  # fmt: skip


def test_reasoning_is_a_part_of_output_and_not_priced_twice() -> None:
    assert cost(TokenUsage(output=500, reasoning=400)) == cost(TokenUsage(output=500))


def test_the_user_pays_list_cost_times_the_charge_multiplier() -> None:
    lines = cost(TokenUsage(output=MTOK), charge=15_000, account=2_500)
    assert (lines.list_cost, lines.charge, lines.account_cost) == (
        15_000_000_000,
        22_500_000_000,
        3_750_000_000,
    )


def test_a_multiplier_of_zero_is_free() -> None:
    assert cost(TokenUsage(input=MTOK, output=MTOK), charge=0).charge == 0


def test_a_default_price_is_flagged() -> None:
    lines = price_usage(PRICE, TokenUsage(), charge_multiplier=ONE, cost_multiplier=ONE, is_default=True)
    assert lines.is_default
    assert Quote(price=PRICE, version="v", source="default", entry="").is_default
    assert not Quote(price=PRICE, version="v", source="file", entry="").is_default


OPENAI = Price(
    standard=Tariff(rates=SONNET),
    service_tiers={"priority": Tariff(rates=rates_of(input=7_000_000_000, output=40_000_000_000))},
    has_tier_factors=True,
)


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("priority", 7_000_000_000),  # its own tariff
        ("fast", 6_000_000_000),  # twice
        ("flex", 1_500_000_000),  # half
        ("default", 3_000_000_000),
        ("auto", 3_000_000_000),
        (None, 3_000_000_000),
    ],
)
def test_service_tiers_have_their_tariff_or_factor(tier: str | None, expected: int) -> None:
    assert cost(TokenUsage(input=MTOK), OPENAI, tier=tier).list_cost == expected


def test_a_provider_without_tier_factors_ignores_the_tier() -> None:
    assert cost(TokenUsage(input=MTOK), tier="priority") == cost(TokenUsage(input=MTOK))


LONG = Price(
    standard=Tariff(
        rates=rates_of(input=1_000, output=1_000),
        long_context=(
            LongContext(above_tokens=200, rates=rates_of(input=2_000, output=3_000)),
            LongContext(above_tokens=400, rates=rates_of(input=5_000, output=5_000)),
        ),
    )
)


@pytest.mark.parametrize(
    ("usage", "rate"),
    [
        (TokenUsage(input=200), 1_000),
        (TokenUsage(input=201), 2_000),
        (TokenUsage(cache_read=100, cache_write_5m=50, cache_write_1h=51), 2_000),
        (TokenUsage(input=400), 2_000),
        (TokenUsage(input=401), 5_000),
    ],
)
def test_long_context_rates_apply_to_the_whole_request(usage: TokenUsage, rate: int) -> None:
    context = usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    assert LONG.standard.rates_for(context).input == rate


def test_long_context_raises_the_output_too() -> None:
    assert cost(TokenUsage(input=201, output=MTOK), LONG).output == 3_000


def test_pictures_are_priced_apiece_instead_of_their_tokens() -> None:
    price = Price(standard=Tariff(rates=SONNET), image=39_000_000)
    assert cost(TokenUsage(output=1290, images=2), price).output == 78_000_000


def test_tokens_of_pictures_can_be_dearer_than_text() -> None:
    price = Price(
        standard=Tariff(rates=rates_of(input=0, output=2_500_000_000, output_with_images=30_000_000_000))
    )
    assert cost(TokenUsage(output=MTOK, images=1), price).output == 30_000_000_000
    assert cost(TokenUsage(output=MTOK), price).output == 2_500_000_000


def test_pictures_without_a_price_of_their_own_cost_their_tokens() -> None:
    assert cost(TokenUsage(output=MTOK, images=1)).output == 15_000_000_000


def test_the_reservation_counts_input_at_the_uncached_rate_and_the_multiplier() -> None:
    assert (
        estimate_charge(PRICE, input_tokens=MTOK, output_tokens=MTOK, charge_multiplier=20_000)
        == 36_000_000_000
    )


def test_a_negative_price_is_refused() -> None:
    with pytest.raises(ValueError, match="never negative"):
        rates_of(input=-1, output=0)


def test_cache_buckets_without_a_price_cost_plain_input() -> None:
    price = flat_price(input_usd_per_mtok=10, output_usd_per_mtok="50")
    lines = cost(TokenUsage(cache_read=MTOK, cache_write_5m=MTOK, cache_write_1h=MTOK), price)
    assert lines.list_cost == 30_000_000_000


TOKENS = st.integers(0, 2_000_000)
USAGES = st.builds(
    TokenUsage, input=TOKENS, output=TOKENS, cache_read=TOKENS, cache_write_5m=TOKENS, cache_write_1h=TOKENS
)
RATE = st.integers(0, 10**12)
PRICES = st.builds(
    Price,
    standard=st.builds(
        Tariff,
        rates=st.builds(
            Rates, input=RATE, output=RATE, cache_read=RATE, cache_write_5m=RATE, cache_write_1h=RATE
        ),
    ),
    has_tier_factors=st.booleans(),
)


@given(usage=USAGES, price=PRICES, tier=st.sampled_from([None, "flex", "priority"]))
def test_every_line_is_within_half_a_nano_of_the_true_product(
    usage: TokenUsage, price: Price, tier: str
) -> None:
    lines = cost(usage, price, tier=tier)
    rates = price.standard.rates
    factor = {"flex": Fraction(1, 2), "priority": Fraction(2)}.get(tier, Fraction(1))
    factor = factor if price.has_tier_factors else Fraction(1)
    for line, true in (
        (lines.input, usage.input * rates.input),
        (lines.output, usage.output * rates.output),
        (lines.cache_read, usage.cache_read * rates.cache_read),
        (
            lines.cache_write,
            usage.cache_write_5m * rates.cache_write_5m + usage.cache_write_1h * rates.cache_write_1h,
        ),
    ):
        assert line >= 0
        assert abs(line - true * factor / MTOK) <= Fraction(1, 2)
    assert lines.list_cost == lines.input + lines.output + lines.cache_read + lines.cache_write


@given(first=USAGES, second=USAGES, price=PRICES)
def test_cost_is_additive_up_to_rounding(first: TokenUsage, second: TokenUsage, price: Price) -> None:
    both = TokenUsage(
        input=first.input + second.input,
        output=first.output + second.output,
        cache_read=first.cache_read + second.cache_read,
        cache_write_5m=first.cache_write_5m + second.cache_write_5m,
        cache_write_1h=first.cache_write_1h + second.cache_write_1h,
    )
    apart = cost(first, price).list_cost + cost(second, price).list_cost
    assert abs(cost(both, price).list_cost - apart) <= 6


@given(usage=USAGES, more=TOKENS, price=PRICES)
def test_more_tokens_never_cost_less(usage: TokenUsage, more: int, price: Price) -> None:
    larger = TokenUsage(input=usage.input, output=usage.output + more, cache_read=usage.cache_read + more)
    smaller = TokenUsage(input=usage.input, output=usage.output, cache_read=usage.cache_read)
    assert cost(larger, price).charge >= cost(smaller, price).charge
