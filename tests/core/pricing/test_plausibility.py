"""What cannot be true is not billed, and kept word for word (PAINS 10)."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.pricing.plausibility import (
    DEFAULT_PRICE,
    ESTIMATED,
    IMPLAUSIBLE,
    MAX_INPUT,
    MAX_OUTPUT,
    Believed,
    Bounds,
    believe,
    bounds_of,
    review_of,
)
from headgate.core.pricing.price import flat_price
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource

PRICE = flat_price(input_usd_per_mtok=1, output_usd_per_mtok=2)
BOUNDS = Bounds(input=1_000, output=100)


def judged(usage: TokenUsage, *, source: UsageSource = UsageSource.REPORTED) -> Believed:
    return believe(usage, source, BOUNDS, input_estimate=40, output_estimate=7)


def test_what_can_be_true_is_not_touched() -> None:
    usage = TokenUsage(input=400, cache_read=600, output=100, reasoning=50, images=3, web_search_calls=9)
    assert judged(usage) == Believed(usage=usage, source=UsageSource.REPORTED)


def test_a_billion_input_tokens_are_replaced_by_the_estimate_and_kept_word_for_word() -> None:
    usage = TokenUsage(input=1, cache_read=1_000_000_000, output=50, reasoning=20)
    believed = judged(usage)
    assert believed.usage == TokenUsage(input=40, output=50, reasoning=20)
    assert believed.source is UsageSource.ESTIMATED
    assert believed.quarantined is not None
    assert msgspec.json.decode(believed.quarantined, type=TokenUsage) == usage


def test_only_the_side_that_cannot_be_true_is_replaced() -> None:
    believed = judged(TokenUsage(input=900, audio_input=100, output=90, audio_output=11))
    assert believed.usage == TokenUsage(input=900, audio_input=100, output=7)


def test_a_thousand_searches_or_pictures_are_the_most() -> None:
    believed = judged(TokenUsage(input=1, output=1, web_search_calls=10**9, images=1_001))
    assert (believed.usage.web_search_calls, believed.usage.images) == (1_000, 1_000)
    assert believed.quarantined is not None


def test_an_estimate_is_bounded_too() -> None:
    usage = TokenUsage(input=10**9, output=10**9)
    believed = believe(usage, UsageSource.REPORTED, BOUNDS, input_estimate=10**9, output_estimate=10**9)
    assert believed.usage == TokenUsage(input=1_000, output=100)


def test_bounds_are_generous_where_the_limits_of_a_model_are_unknown() -> None:
    assert bounds_of(PRICE, max_output_asked=None) == Bounds(input=MAX_INPUT, output=MAX_OUTPUT)


@pytest.mark.parametrize(
    ("window", "largest", "asked", "expected"),
    [
        (200_000, None, None, Bounds(input=2_000_000, output=MAX_OUTPUT)),
        (1_000_000, None, None, Bounds(input=10_000_000, output=MAX_OUTPUT)),
        (1_000, 1_000, None, Bounds(input=2_000_000, output=500_000)),
        (None, 128_000, None, Bounds(input=MAX_INPUT, output=1_024_000)),
        (None, None, 32_000, Bounds(input=MAX_INPUT, output=80_384)),
        (None, 128_000, 1, Bounds(input=MAX_INPUT, output=16_386)),
    ],
)
def test_bounds_follow_the_model_and_the_request(
    window: int | None, largest: int | None, asked: int | None, expected: Bounds
) -> None:
    price = replace(PRICE, max_input=window, max_output=largest)
    assert bounds_of(price, max_output_asked=asked) == expected


COUNT = st.integers(0, 10**15)


@given(st.builds(TokenUsage, input=COUNT, cache_read=COUNT, output=COUNT, audio_output=COUNT, images=COUNT))
def test_what_is_billed_is_always_within_the_bounds(usage: TokenUsage) -> None:
    believed = judged(usage)
    assert believed.usage.input + believed.usage.cache_read <= BOUNDS.input
    assert believed.usage.output + believed.usage.audio_output <= BOUNDS.output
    assert (believed.quarantined is None) == (believed.usage == usage)


@pytest.mark.parametrize(
    ("believed", "is_default", "reason"),
    [
        (Believed(usage=TokenUsage(input=1), source=UsageSource.REPORTED), False, None),
        (Believed(usage=TokenUsage(input=1), source=UsageSource.PARTIAL), False, None),
        (Believed(usage=TokenUsage(input=1), source=UsageSource.ESTIMATED), False, ESTIMATED),
        (Believed(usage=TokenUsage(input=1), source=UsageSource.ESTIMATED), True, DEFAULT_PRICE),
        (Believed(usage=TokenUsage(), source=UsageSource.ESTIMATED, quarantined=b"{}"), True, IMPLAUSIBLE),
        (Believed(usage=NO_USAGE, source=UsageSource.NONE), True, None),
    ],
)
def test_the_gravest_reason_for_a_review_is_given(
    believed: Believed, is_default: bool, reason: str | None
) -> None:
    assert review_of(believed, is_default=is_default) == reason
