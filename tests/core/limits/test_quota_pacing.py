"""Pacing by priority class: what can wait uses no window faster than it lasts."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.quota_pacing import held_back, safe_for_background, worst_of
from headgate.core.limits.quota_windows import Answer, QuotaReading, forecast

HOUR = 3_600_000
START = 1_800_000_000_000
RESET = START + 5 * HOUR
TENTH = 100_000


def at(minutes: float, percent: float, *, length_ms: int = 5 * HOUR, window: str = "5h") -> QuotaReading:
    return QuotaReading(
        window=window, at_ms=START + round(minutes * 60_000), used_ppm=round(percent * 10_000),
        resets_at_ms=START + length_ms, length_ms=length_ms,
    )  # fmt: skip


def test_use_above_the_line_waits_until_the_line_has_caught_up() -> None:
    reading = at(60, 36)  # a fifth of the time: 18 % are allowed beside the reserve
    held = held_back(reading, reading.at_ms, reserve_ppm=TENTH)
    assert held is not None
    assert held.until_ms == START + 2 * HOUR
    assert held_back(reading, held.until_ms - 1, reserve_ppm=TENTH) is not None
    assert held_back(reading, held.until_ms, reserve_ppm=TENTH) is None
    assert held_back(at(60, 18), START + HOUR, reserve_ppm=TENTH) is None


def test_without_a_reserve_the_line_is_what_lasts_until_the_reset() -> None:
    assert held_back(at(150, 50), START + 150 * 60_000, reserve_ppm=0) is None
    assert held_back(at(150, 51), START + 150 * 60_000, reserve_ppm=0) is not None


def test_the_last_tenth_is_never_for_background_work() -> None:
    held = held_back(at(290, 91), START + 290 * 60_000, reserve_ppm=TENTH)
    assert held is not None
    assert held.until_ms == RESET


def test_windows_that_are_young_short_or_over_hold_nobody_back() -> None:
    assert held_back(at(4, 50), START + 4 * 60_000, reserve_ppm=TENTH) is None
    assert held_back(at(60, 9), START + HOUR, reserve_ppm=TENTH) is None
    assert held_back(at(0.5, 99, length_ms=60_000), START + 30_000, reserve_ppm=TENTH) is None
    assert held_back(at(60, 90), RESET, reserve_ppm=TENTH) is None
    assert held_back(at(60, 90), START - 1, reserve_ppm=TENTH) is None, "the clock was set back"


def test_of_several_windows_the_longest_wait_counts() -> None:
    week = at(60, 40, length_ms=7 * 24 * HOUR, window="7d")
    held = worst_of([at(60, 36), week], START + HOUR, reserve_ppm=TENTH)
    assert held is not None
    assert held.window == "7d"


def test_a_long_background_job_is_not_safe_where_its_class_is_held_back() -> None:
    readings = [at(minute, int(minute / 4)) for minute in range(121)]  # 15 % an hour
    now = readings[-1].at_ms
    seen = [forecast(readings, now)]
    told = safe_for_background(seen, job_ms=HOUR // 2, now_ms=now, reserve_ppm=300_000)
    assert (told.answer, "background work waits another" in told.reason) == (Answer.NO, True)
    free = safe_for_background(seen, job_ms=HOUR // 2, now_ms=now, reserve_ppm=TENTH)
    assert free.answer is Answer.YES


@given(
    minutes=st.floats(0, 400), percent=st.floats(0, 150), later=st.integers(-HOUR, 6 * HOUR),
    reserve=st.integers(0, 1_000_000),
)  # fmt: skip
def test_who_is_held_back_is_told_an_instant_until_the_reset_and_then_is_free(
    minutes: float, percent: float, later: int, reserve: int
) -> None:
    reading = at(minutes, percent)
    now = reading.at_ms + later
    held = held_back(reading, now, reserve_ppm=reserve)
    if held is not None:
        assert now < held.until_ms <= RESET
        assert held_back(reading, held.until_ms, reserve_ppm=reserve) is None
