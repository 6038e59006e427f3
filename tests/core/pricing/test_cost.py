"""Cost is exact, additive and never negative (spec 4.2, 4.3)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.pricing.cost import MAX_AMOUNT, CostLines, Quote, estimate_charge, price_usage
from headgate.core.pricing.price import (
    GOOGLE_TIERS,
    OPENAI_TIERS,
    LongContext,
    Price,
    Rates,
    Tariff,
    flat_price,
    rates_of,
)
from headgate.core.usage import TokenUsage

ONE = 10_000
MTOK = 1_000_000
SONNET = Rates(
    input=3_000_000_000, output=15_000_000_000, cache_read=300_000_000, cache_write_5m=3_750_000_000,
    cache_write_1h=6_000_000_000, audio_input=40_000_000_000, audio_output=80_000_000_000,
)  # fmt: skip
PRICE = Price(standard=Tariff(rates=SONNET))


def cost(
    usage: TokenUsage,
    price: Price = PRICE,
    *,
    charge: int = ONE,
    account: int = ONE,
    tier: str | None = None,
    pictures: dict[str, int] | None = None,
    is_default: bool = False,
) -> CostLines:
    return price_usage(
        price,
        usage,
        charge_multiplier=charge,
        cost_multiplier=account,
        service_tier=tier,
        price_version="v1",
        image_prices=pictures,
        is_default=is_default,
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
    tier_factors=OPENAI_TIERS,
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


@pytest.mark.parametrize(
    ("tier", "context", "expected"),
    [
        ("standard", 201, 2_000),
        ("flex", 201, 1_000),  # half of the long rate: sold so
        ("priority", 200, 2_000),  # twice the short rate
        ("priority", 201, 2_000),  # not sold for long context: the long rate alone
        ("fast", 201, 2_000),
    ],
)
def test_long_context_and_a_tier_do_not_stack_unless_the_vendor_sells_both(
    tier: str, context: int, expected: int
) -> None:
    price = Price(standard=LONG.standard, tier_factors=OPENAI_TIERS)
    rates, factor = price.rates_for(tier, context)
    times, over = (factor.times, factor.over) if factor is not None else (1, 1)
    assert rates.input * times // over == expected


def test_a_published_combination_of_tier_and_long_context_is_charged() -> None:
    long_priority = LongContext(above_tokens=200, rates=rates_of(input=4_000, output=6_000))
    combined = Tariff(rates=rates_of(input=2_000, output=2_000), long_context=(long_priority,))
    price = Price(standard=LONG.standard, service_tiers={"priority": combined})
    assert price.rates_for("priority", 201)[0].input == 4_000
    flat = Price(standard=LONG.standard, service_tiers={"priority": Tariff(rates=combined.rates)})
    assert flat.rates_for("priority", 200)[0].input == 2_000
    assert flat.rates_for("priority", 201)[0].input == 2_000
    assert flat.rates_for("priority", 201)[0] is LONG.standard.long_context[0].rates


def test_google_sells_its_tiers_for_long_prompts_too() -> None:
    price = Price(standard=LONG.standard, tier_factors=GOOGLE_TIERS)
    assert cost(TokenUsage(input=MTOK), price, tier="priority").list_cost == 5_000 * 9 // 5


def test_pictures_of_an_image_model_are_priced_apiece_instead_of_their_tokens() -> None:
    price = Price(standard=Tariff(rates=SONNET), image=39_000_000)
    lines = cost(TokenUsage(input=1_000, output=1290, images=2), price)
    assert (lines.input, lines.output, lines.other, lines.list_cost) == (
        3_000_000, 0, 78_000_000, 81_000_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("size", "expected"), [(None, 40), ("1K", 40), ("2K", 60), ("4K", 80)]
)  # spec 4.2: one and a half times, twice
def test_larger_pictures_cost_more(size: str | None, expected: int) -> None:
    price = Price(standard=Tariff(rates=SONNET), image=40)
    assert cost(TokenUsage(images=1, image_size=size), price).other == expected
    told = Price(standard=Tariff(rates=SONNET), image=40, image_2k=41, image_4k=42)
    named = {"2K": 41, "4K": 42}.get(size or "1K", 40)
    assert cost(TokenUsage(images=1, image_size=size), told).other == named


def test_the_groups_price_of_a_picture_wins_and_is_the_whole_price() -> None:
    price = Price(standard=Tariff(rates=SONNET), image=39_000_000)
    usage = TokenUsage(input=MTOK, output=1290, images=2, image_size="2K")
    lines = cost(usage, price, pictures={"1K": 1, "2K": 10_000_000}, charge=20_000)
    assert (lines.input, lines.output, lines.other, lines.list_cost, lines.charge) == (
        0, 0, 20_000_000, 20_000_000, 40_000_000,
    )  # fmt: skip
    other_size = cost(usage, price, pictures={"4K": 1})
    assert other_size.other == 2 * 39_000_000 * 3 // 2


def test_pictures_that_a_text_model_drew_with_a_tool_come_on_top() -> None:
    usage = TokenUsage(input=MTOK, output=MTOK, images=1)
    assert cost(usage).list_cost == 18_000_000_000 + 134_000_000
    assert cost(usage, pictures={"1K": 5}).list_cost == 18_000_000_000 + 5


def test_pictures_that_nobody_priced_are_not_free() -> None:
    assert cost(TokenUsage(images=2, image_size="4K"), is_default=True).list_cost == 2 * 268_000_000
    with_tokens = cost(TokenUsage(output=MTOK, images=1), is_default=True)
    assert with_tokens.list_cost == 15_000_000_000


def test_tokens_of_pictures_can_be_dearer_than_text_and_thoughts() -> None:
    price = Price(
        standard=Tariff(rates=rates_of(input=0, output=2_500_000_000, output_with_images=30_000_000_000))
    )
    assert cost(TokenUsage(output=MTOK, images=1), price).output == 30_000_000_000
    assert cost(TokenUsage(output=MTOK), price).output == 2_500_000_000
    thought = cost(TokenUsage(output=2 * MTOK, reasoning=MTOK, images=1), price)
    assert thought.output == 32_500_000_000


def test_audio_has_its_own_rates() -> None:
    lines = cost(TokenUsage(audio_input=MTOK, audio_output=MTOK))
    assert (lines.other, lines.list_cost) == (120_000_000_000, 120_000_000_000)
    assert rates_of(input=3, output=4).audio_input == 3
    assert rates_of(input=3, output=4).audio_output == 4


def test_web_searches_cost_apiece() -> None:
    known = Price(standard=Tariff(rates=SONNET), web_search=14_000_000)
    flat = Price(standard=Tariff(rates=SONNET), web_search=35_000_000, is_search_flat=True)
    usage = TokenUsage(web_search_calls=3)
    assert cost(usage, known).other == 42_000_000
    assert cost(usage, flat).other == 35_000_000
    assert cost(usage).other == 30_000_000  # not known: 10 USD per 1,000, never free


def test_an_impossible_amount_is_capped_in_every_line() -> None:
    huge = TokenUsage(input=10**15, output=10**15, cache_read=10**15, audio_input=10**15)
    lines = cost(huge, charge=10**9, account=10**9)
    amounts = (lines.input, lines.output, lines.cache_read, lines.other, lines.list_cost, lines.charge)
    assert max(*amounts, lines.account_cost) == MAX_AMOUNT


@given(
    st.builds(
        TokenUsage,
        **{
            name: st.integers(0, 10**12)
            for name in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "audio_input")
        },
    ),
    st.sampled_from(["priority", "flex", None]),
)
def test_list_cost_is_the_sum_of_its_lines(usage: TokenUsage, tier: str | None) -> None:
    lines = cost(usage, Price(standard=LONG.standard, tier_factors=OPENAI_TIERS), tier=tier)
    assert lines.list_cost == (
        lines.input + lines.output + lines.cache_read + lines.cache_write + lines.other
    )


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
            rates_of, input=RATE, output=RATE, cache_read=RATE, cache_write_5m=RATE, cache_write_1h=RATE
        ),
    ),
    tier_factors=st.sampled_from([OPENAI_TIERS, {}]),
)


@given(usage=USAGES, price=PRICES, tier=st.sampled_from([None, "flex", "priority"]))
def test_every_line_is_within_half_a_nano_of_the_true_product(
    usage: TokenUsage, price: Price, tier: str
) -> None:
    lines = cost(usage, price, tier=tier)
    rates = price.standard.rates
    factor = {"flex": Fraction(1, 2), "priority": Fraction(2)}.get(tier, Fraction(1))
    factor = factor if price.tier_factors else Fraction(1)
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
