"""Sums of attempts cost what the attempts cost one by one."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from headgate.core.pricing.comparison import UsageSum, list_cost, thresholds_of
from headgate.core.pricing.cost import Quote, price_usage
from headgate.core.pricing.price import OPENAI_TIERS, LongContext, Price, Tariff, rates_of
from headgate.core.usage import TokenUsage

STANDARD = Tariff(
    rates=rates_of(input=1_000, output=5_000, cache_read=100, audio_input=40_000),
    long_context=(LongContext(above_tokens=1_000, rates=rates_of(input=2_000, output=7_000)),),
)
FLEX = Tariff(
    rates=STANDARD.rates,
    long_context=(LongContext(above_tokens=900, rates=rates_of(input=3, output=4)),),
)
COUNT = st.integers(0, 200)
USAGES = st.builds(
    TokenUsage, input=COUNT, output=COUNT, cache_read=COUNT, cache_write_5m=COUNT, audio_input=COUNT,
    web_search_calls=st.integers(0, 3),
)  # fmt: skip


def quote_of(price: Price) -> Quote:
    return Quote(price=price, version="v", source="file", entry="e")


def added(usages: list[TokenUsage]) -> TokenUsage:
    names = [f.name for f in fields(TokenUsage) if f.name != "image_size"]
    return TokenUsage(**{name: sum(getattr(usage, name) for usage in usages) for name in names})


def group_of(usages: list[TokenUsage], *, context: int, tier: str | None) -> UsageSum:
    return UsageSum(
        client_model="m", upstream_model="m", service_tier=tier, context_tokens=context,
        usage=added(usages), attempts=len(usages), booked=0,
        searching=sum(usage.web_search_calls > 0 for usage in usages),
    )  # fmt: skip


@given(
    st.lists(USAGES, min_size=1, max_size=8),
    st.sampled_from([None, "priority", "flex"]),
    st.booleans(),
    st.booleans(),
)
def test_a_group_costs_the_sum_of_its_attempts(
    usages: list[TokenUsage], tier: str | None, is_flat: bool, is_long: bool
) -> None:
    if is_long:  # everybody of a group is on the same side of every threshold
        usages = [replace(usage, input=usage.input + 1_001) for usage in usages]
    price = Price(standard=STANDARD, tier_factors=OPENAI_TIERS, web_search=14_000_000, is_search_flat=is_flat)
    one_by_one = sum(
        price_usage(price, usage, charge_multiplier=1, cost_multiplier=0, service_tier=tier).list_cost
        for usage in usages
    )
    group = group_of(usages, context=1_001 if is_long else 1, tier=tier)
    if not is_long and any(usage.total - usage.output > 1_000 for usage in usages):
        return
    assert abs(list_cost(quote_of(price), group) - one_by_one) <= 3 * len(usages)


def test_sums_may_be_larger_than_any_attempt() -> None:
    price = Price(standard=Tariff(rates=rates_of(input=10**12, output=0)))
    group = group_of([TokenUsage(input=10**10)], context=1, tier=None)
    assert list_cost(quote_of(price), group) == 10**16


def test_every_threshold_of_a_price_is_known() -> None:
    assert thresholds_of(Price(standard=STANDARD, service_tiers={"flex": FLEX})) == {1_000, 900}
