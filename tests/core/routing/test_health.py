import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.contract import CooldownHint
from headgate.core.ids import AccountId
from headgate.core.routing.cooldown import after_strikes, concerns_model_alone
from headgate.core.routing.health import (
    LONGEST_BACKOFF_MS,
    HealthState,
    lengthened,
    state_of,
    strikes_of,
    worst,
)
from headgate.state.protocols import Cooldown

NOW = 1_750_000_000_000


def cooldown(until_ms: int, reason: str = "rate_limited", *, model: str = "", strikes: int = 0) -> Cooldown:
    return Cooldown(
        account_id=AccountId(1), model=model, until_ms=until_ms, reason=reason, evidence="e", strikes=strikes
    )


@pytest.mark.parametrize(
    ("until", "reason", "state"),
    [
        (NOW + 1, "rate_limited", HealthState.COOLING),
        (NOW, "rate_limited", HealthState.HALF_OPEN),
        (NOW + 1, "overloaded", HealthState.DEGRADED),
        (NOW + 1, "failing", HealthState.DEGRADED),
        (NOW, "overloaded", HealthState.HALF_OPEN),
    ],
)
def test_a_cooldown_is_one_state_at_every_instant(until: int, reason: str, state: HealthState) -> None:
    assert state_of(cooldown(until, reason), NOW) is state


def test_an_account_is_called_by_its_worst_state() -> None:
    assert worst([]) is HealthState.HEALTHY
    assert worst([HealthState.DEGRADED, HealthState.HALF_OPEN]) is HealthState.HALF_OPEN
    assert worst(list(HealthState)) is HealthState.DOWN


def test_failed_trials_are_counted_for_the_model_that_they_tried() -> None:
    known = [cooldown(NOW, strikes=2), cooldown(NOW, model="m", strikes=5)]
    assert (strikes_of(known, ""), strikes_of(known, "m"), strikes_of(known, "other")) == (3, 6, 0)


@given(st.integers(1, 10**9), st.integers(0, 10**6))
def test_a_longer_cooldown_is_bounded_and_never_shorter(duration_ms: int, strikes: int) -> None:
    longer = lengthened(duration_ms, strikes)
    assert duration_ms <= longer <= max(duration_ms, LONGEST_BACKOFF_MS)


@pytest.mark.parametrize(
    ("reason", "evidence", "seconds"),
    [
        ("unreachable", "default", 40),
        ("rate_limited", "no reset information", 40),
        ("rate_limited", "retry-after", 10),
        ("overloaded", "default", 10),
    ],
)
def test_only_what_we_chose_ourselves_and_what_shuts_out_grows(
    reason: str, evidence: str, seconds: int
) -> None:
    hint = CooldownHint(until_ms=NOW + 10_000, reason=reason, evidence=evidence)
    assert after_strikes(hint, 0, NOW) == hint
    assert after_strikes(hint, 2, NOW).until_ms - NOW == seconds * 1000


@pytest.mark.parametrize(
    ("evidence", "alone"),
    [
        ("x-ratelimit-reset-tokens", True),
        ("anthropic-ratelimit-input-tokens-reset", True),
        ("error.details.retryDelay", True),
        ("anthropic-ratelimit-unified-5h-reset", False),
        ("x-codex-primary-reset-at", False),
        ("retry-after", False),
        ("default", False),
    ],
)
def test_buckets_per_model_cool_the_model_alone(evidence: str, alone: bool) -> None:
    hint = CooldownHint(until_ms=NOW + 1, reason="rate_limited", evidence=evidence)
    assert concerns_model_alone(hint) is alone
