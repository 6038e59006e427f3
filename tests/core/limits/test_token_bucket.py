"""The arithmetic of rate limits."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.token_bucket import (
    MAX_DEBT_MINUTES,
    UNITS,
    RateCharge,
    drawn,
    level,
    refilled,
    rescaled,
    wait_ms,
)

limits = st.integers(1, 10**9)
amounts = st.integers(0, 2 * 10**9)


def charge(limit: int, amount: int) -> RateCharge:
    return RateCharge(bucket="key:9:tpm", limit=limit, amount=amount)


@given(limit=limits, amount=amounts, spent=st.integers(0, 10**15))
def test_after_the_announced_wait_the_draw_is_given_and_not_a_millisecond_before(
    limit: int, amount: int, spent: int
) -> None:
    wait = wait_ms(spent, charge(limit, amount))
    then = refilled(spent, limit=limit, elapsed_ms=wait)
    assert wait_ms(then, charge(limit, amount)) == 0
    if wait:
        before = refilled(spent, limit=limit, elapsed_ms=wait - 1)
        assert wait_ms(before, charge(limit, amount)) == 1


@given(limit=limits, spent=st.integers(0, 10**15), elapsed=st.lists(st.integers(0, 10**6), max_size=5))
def test_refilling_in_steps_is_refilling_at_once(limit: int, spent: int, elapsed: list[int]) -> None:
    stepwise = spent
    for ms in elapsed:
        stepwise = refilled(stepwise, limit=limit, elapsed_ms=ms)
    assert stepwise == refilled(spent, limit=limit, elapsed_ms=sum(elapsed))


@given(limit=limits, spent=st.integers(0, 10**15), amount=st.integers(-(2**62), 2**62))
def test_what_is_spent_stays_where_lua_is_exact(limit: int, spent: int, amount: int) -> None:
    after = drawn(spent, charge(limit, amount))
    assert 0 <= after <= limit * UNITS * (1 + MAX_DEBT_MINUTES) < 2**53


def test_a_minute_fills_the_bucket() -> None:
    spent = drawn(0, charge(7, 7))
    assert level(spent, 7).remaining == 0
    assert level(spent, 7).full_in_ms == 60_000
    assert refilled(spent, limit=7, elapsed_ms=59_999) > 0
    assert refilled(spent, limit=7, elapsed_ms=60_000) == 0


def test_a_clock_that_goes_back_refills_nothing() -> None:
    assert refilled(600, limit=60, elapsed_ms=-10_000) == 600


def test_a_begun_unit_is_not_remaining() -> None:
    assert level(1, 60).remaining == 59
    assert level(UNITS, 60).remaining == 59
    assert level(0, 60).remaining == 60


def test_a_changed_limit_keeps_the_proportion() -> None:
    assert rescaled(300, old_limit=60, limit=600) == 3_000
    assert rescaled(300, old_limit=60, limit=6) == 30
    assert rescaled(300, old_limit=60, limit=60) == 300
