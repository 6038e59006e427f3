"""Limits of single accounts: how they are stored, and what they allow."""

from typing import Any

import pytest

from headgate.core.ids import AccountId
from headgate.core.limits.account_limits import (
    AccountLimits,
    Pacing,
    corrections,
    limits_from,
    pause_ms,
    rate_charges,
    requests_allowed,
    window_admits,
    window_start_ms,
)
from headgate.core.limits.quota_windows import QuotaReading
from headgate.core.limits.token_bucket import RateCharge

ONE = AccountId(1)
HOUR = 3_600_000
NOW = 1_800_000_000_000 + 30 * 60_000


def limits(**extra: Any) -> AccountLimits:
    found = limits_from(extra)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"base_rpm": 0, "max_sessions": 0, "window_cost_limit": 0},
        {"base_rpm": "15", "max_sessions": -1, "window_cost_limit": True, "model_limits": []},
        {"base_rpm": None, "rpm_limit": 1e300, "model_limits": {"m": 5, "n": {"rpm_limit": "x"}}},
        {"window_cost_sticky_reserve": 5, "rpm_sticky_buffer": 3},
    ],
)
def test_what_is_no_limit_or_cannot_be_understood_is_none(extra: dict[str, Any]) -> None:
    assert limits_from(extra) is None


def test_requests_are_limited_in_tiers() -> None:
    tiered = limits(base_rpm=15)
    assert requests_allowed(tiered, is_home=False) == 15
    assert requests_allowed(tiered, is_home=True) == 18
    assert requests_allowed(limits(base_rpm=3), is_home=True) == 4
    assert requests_allowed(limits(base_rpm=15, rpm_sticky_buffer=7), is_home=True) == 22
    exempt = limits(base_rpm=15, rpm_strategy="sticky_exempt")
    assert requests_allowed(exempt, is_home=True) is None
    assert requests_allowed(exempt, is_home=False) == 15
    assert requests_allowed(limits(max_sessions=1), is_home=False) is None


def test_the_reserve_of_a_window_is_for_conversations_that_live_there() -> None:
    window = limits(window_cost_limit=50)
    dollar = 1_000_000_000
    seen = [
        (spent, *(window_admits(window, spent * dollar, is_home=is_home) for is_home in (False, True)))
        for spent in (49, 50, 59, 60)
    ]
    assert seen == [(49, True, True), (50, False, True), (59, False, True), (60, False, False)]
    assert not window_admits(
        limits(window_cost_limit=5, window_cost_sticky_reserve=0), 5 * dollar, is_home=True
    )


def test_cost_counts_since_the_open_window_else_since_the_hour() -> None:
    reading = QuotaReading(window="5h", at_ms=NOW, used_ppm=1, resets_at_ms=NOW + HOUR, length_ms=5 * HOUR)
    assert window_start_ms([reading], NOW) == NOW - 4 * HOUR
    assert window_start_ms([reading], NOW + 2 * HOUR) == NOW + 2 * HOUR - 30 * 60_000
    assert window_start_ms([], NOW) == NOW - 30 * 60_000


def test_an_attempt_draws_from_the_account_and_from_the_closest_model() -> None:
    found = limits(
        rpm_limit=60,
        model_limits={"claude-*": {"tpm_limit": 9}, "claude-opus-*": {"rpm_limit": 5, "tpm_limit": 1000}},
    )
    charges = rate_charges(ONE, found, "claude-opus-4", 30)
    assert charges == [
        RateCharge(bucket="account:1:rpm", limit=60, amount=1),
        RateCharge(bucket="account:1:claude-opus-*:rpm", limit=5, amount=1),
        RateCharge(bucket="account:1:claude-opus-*:tpm", limit=1000, amount=30),
    ]
    assert [c.bucket for c in rate_charges(ONE, found, "gpt-5", 30)] == ["account:1:rpm"]
    assert [c.amount for c in corrections(charges, 30, 45)] == [15]
    assert [c.amount for c in corrections(charges, 30, None)] == [-1, -1, -30]
    assert corrections(charges, 30, 30) == []


def test_pauses_grow_from_half_to_four_fifths_of_the_requests_a_minute() -> None:
    assert [pause_ms(n, 10, dice=0.5) for n in (0, 5, 8, 20)] == [200, 200, 2000, 2000]
    assert 200 < pause_ms(65, 100, dice=0.5) < 2000
    assert (pause_ms(3, 0, dice=0), pause_ms(3, 0, dice=1)) == (170, 230)


def test_messages_are_paced_as_stored_in_either_form() -> None:
    assert limits(user_msg_queue_mode="throttle").pacing is Pacing.THROTTLE
    assert limits(user_msg_queue_enabled=True).pacing is Pacing.SERIALIZE
    assert limits_from({"user_msg_queue_mode": "often"}) is None
