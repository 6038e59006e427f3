"""Limits of single models: which entry counts, and what odd stored values mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.model_rates import NO_MODEL_RATES, ModelRate, entry_for, model_rates_from
from headgate.core.limits.rate_limit import RateLimit

STORED = {
    "claude-*": {"rpm_limit": 100},
    "claude-opus-*": {"rpm_limit": 5, "user_tpm_limit": 1000},
    "claude-opus-4-1": {"user_rpm_limit": 1},
}


@pytest.mark.parametrize(
    ("model", "entry"),
    [
        ("claude-opus-4-1", "claude-opus-4-1"),
        ("claude-opus-4-5", "claude-opus-*"),
        ("claude-sonnet-4-5", "claude-*"),
        ("gpt-5", None),
        ("", None),
    ],
)
def test_the_closest_entry_counts(model: str, entry: str | None) -> None:
    assert entry_for(model_rates_from(STORED), model) == entry


def test_what_all_share_and_what_each_may_are_told_apart() -> None:
    rate = model_rates_from(STORED)["claude-opus-*"]
    assert rate == ModelRate(together=RateLimit(requests=5), each=RateLimit(tokens=1000))


@pytest.mark.parametrize(
    "stored", [None, {}, [], "x", {"m": None}, {"m": {"rpm_limit": 0}}, {"m": {"rpm_limit": True}}]
)
def test_what_cannot_be_understood_is_no_limit_and_costs_nothing(stored: Any) -> None:
    assert model_rates_from(stored) is NO_MODEL_RATES


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=12), st.integers() | st.text())))
def test_whatever_is_stored_nothing_is_raised(stored: dict[str, Any]) -> None:
    for rate in model_rates_from(stored).values():
        assert rate != ModelRate()
