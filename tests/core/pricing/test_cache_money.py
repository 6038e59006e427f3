"""What a cache saved, and what leaving it lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.ids import AccountId
from headgate.core.pricing.cache_money import CacheMoney, cache_money
from headgate.core.pricing.price import ANTHROPIC_TIERS, Price, Tariff, rates_of
from headgate.core.routing.stickiness import Home
from headgate.core.usage import TokenUsage

NOW = 1_750_000_000_000
PRICE = Price(
    standard=Tariff(rates=rates_of(input=3_000, output=15_000, cache_read=300, cache_write_5m=3_750)),
    tier_factors=ANTHROPIC_TIERS,
)
"""Nano-USD per million tokens; used with millions of tokens, so that sums are easy to read."""
M = 1_000_000
HOME = Home(AccountId(1), 10 * M, NOW + 1, "m")


def money(usage: TokenUsage, home: Home | None = HOME, **changes: Any) -> CacheMoney:
    given: dict[str, Any] = {
        "service_tier": None, "account_id": AccountId(2), "model": "m", "started_at_ms": NOW,
    }  # fmt: skip
    return cache_money(PRICE, usage, home=home, **(given | changes))


def test_what_is_read_from_a_cache_saves_the_difference_to_plain_input() -> None:
    assert money(TokenUsage(cache_read=2 * M), home=None) == CacheMoney(2 * 2_700, 0)
    assert money(TokenUsage(cache_read=2 * M), home=None, service_tier="batch") == CacheMoney(2_700, 0)


def test_what_was_warm_at_home_and_is_written_again_elsewhere_is_lost() -> None:
    assert money(TokenUsage(cache_write_5m=12 * M)) == CacheMoney(0, 10 * 3_450)
    assert money(TokenUsage(input=12 * M)) == CacheMoney(0, 10 * 2_700)


def test_a_prompt_that_became_shorter_loses_no_more_than_itself() -> None:
    assert money(TokenUsage(input=M)).lost_nano == 2_700


def test_what_the_other_account_had_cached_is_not_lost() -> None:
    assert money(TokenUsage(input=M, cache_read=9 * M)) == CacheMoney(9 * 2_700, 2_700)


@pytest.mark.parametrize(
    "changes",
    [{"account_id": AccountId(1)}, {"model": "other"}, {"started_at_ms": NOW + 1}, {"home": None},
     {"home": Home(AccountId(1))}],
)  # fmt: skip
def test_nothing_is_lost_at_home_by_another_model_or_when_the_cache_was_cold(changes: dict[str, Any]) -> None:
    assert money(TokenUsage(input=12 * M), **changes).lost_nano == 0


TOKENS = st.integers(0, 10**7)


@given(read=TOKENS, plain=TOKENS, written=TOKENS, warm=st.none() | TOKENS)
def test_amounts_are_never_negative_and_no_token_counts_twice(
    read: int, plain: int, written: int, warm: int | None
) -> None:
    usage = TokenUsage(input=plain, cache_read=read, cache_write_5m=written)
    found = money(usage, home=Home(AccountId(1), warm, NOW + 1, "m"))
    assert min(found) >= 0
    assert found.saved_nano <= read * 2_700 // M + 1
    assert found.lost_nano <= min(warm or 0, plain + written) * 3_450 // M + 1
