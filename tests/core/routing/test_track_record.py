"""Moving averages of errors and speed, and forgiveness (spec 3.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.routing.track_record import ERROR_HALF_LIFE_MS, NO_RECORD, TTFT_KEPT_MS

NOW = 1_750_000_000_000


def test_a_failure_counts_a_fifth_and_the_first_speed_counts_whole() -> None:
    once = NO_RECORD.after(has_failed=True, ttft_ms=None, now_ms=NOW)
    assert once.error_rate == pytest.approx(0.2)
    assert once.ttft_ms is None
    then = once.after(has_failed=False, ttft_ms=100, now_ms=NOW).after(
        has_failed=True, ttft_ms=200, now_ms=NOW
    )
    assert then.error_rate == pytest.approx(0.328)
    assert then.ttft_ms == pytest.approx(120)


def test_errors_are_forgiven_by_half_every_ten_minutes() -> None:
    bad = NO_RECORD.after(has_failed=True, ttft_ms=50, now_ms=NOW)
    later = bad.at(NOW + ERROR_HALF_LIFE_MS)
    assert later.error_rate == pytest.approx(0.1)
    assert later.ttft_ms == 50


def test_an_old_speed_is_unknown() -> None:
    known = NO_RECORD.after(has_failed=False, ttft_ms=50, now_ms=NOW)
    assert known.at(NOW + TTFT_KEPT_MS).ttft_ms is None


def test_a_clock_that_goes_back_changes_nothing() -> None:
    bad = NO_RECORD.after(has_failed=True, ttft_ms=50, now_ms=NOW)
    assert bad.at(NOW - 99) == bad


@given(
    attempts=st.lists(
        st.tuples(st.booleans(), st.none() | st.integers(0, 10**7), st.integers(-(10**12), 10**12)),
        max_size=30,
    )
)
def test_averages_stay_in_their_bounds_whatever_the_clock_does(
    attempts: list[tuple[bool, int | None, int]],
) -> None:
    record = NO_RECORD
    for has_failed, ttft_ms, moved in attempts:
        record = record.after(has_failed=has_failed, ttft_ms=ttft_ms, now_ms=NOW + moved)
        assert 0 <= record.error_rate <= 1
        assert record.ttft_ms is None or 0 <= record.ttft_ms <= 10**7
