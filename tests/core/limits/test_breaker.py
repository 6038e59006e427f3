"""A breaker opens after failures in a row, lets a few try later, and never stays shut (spec 4.6)."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.limits.breaker import Breaker, BreakerState

THRESHOLD, OPEN_S, TRIALS = 3, 10.0, 2


def failed_times(count: int, *, trials: int | None = TRIALS) -> Breaker:
    breaker = Breaker(threshold=THRESHOLD, open_s=OPEN_S, trials=trials)
    for _ in range(count):
        breaker.failed(100.0)
    return breaker


def admitted(breaker: Breaker, now: float, *, tries: int = 10) -> int:
    return sum(breaker.admits(now) for _ in range(tries))


def test_it_stays_closed_below_the_threshold() -> None:
    breaker = failed_times(THRESHOLD - 1)
    assert breaker.state(100.0) is BreakerState.CLOSED
    assert admitted(breaker, 100.0) == 10


def test_it_opens_for_a_while_at_the_threshold() -> None:
    breaker = failed_times(THRESHOLD)
    assert breaker.state(109.9) is BreakerState.OPEN
    assert admitted(breaker, 109.9) == 0
    assert breaker.opens_in_s(104.0) == 6.0
    assert breaker.state(110.0) is BreakerState.HALF_OPEN
    assert breaker.opens_in_s(110.0) == 0.0


def test_then_a_few_may_try() -> None:
    breaker = failed_times(THRESHOLD)
    assert admitted(breaker, 110.0) == TRIALS
    assert breaker.state(110.0) is BreakerState.OPEN


def test_without_a_number_of_trials_everybody_may_try() -> None:
    breaker = failed_times(THRESHOLD, trials=None)
    assert admitted(breaker, 109.9) == 0
    assert admitted(breaker, 110.0) == 10


def test_the_first_success_lets_everybody_in() -> None:
    breaker = failed_times(THRESHOLD)
    breaker.admits(110.0)
    assert breaker.succeeded()
    assert admitted(breaker, 110.0) == 10
    assert not breaker.succeeded(), "it was closed already"


def test_the_first_failure_of_a_trial_shuts_it_again() -> None:
    breaker = failed_times(THRESHOLD)
    breaker.admits(112.0)
    assert breaker.failed(113.0)
    assert admitted(breaker, 122.9) == 0
    assert admitted(breaker, 123.0) == TRIALS


def test_trials_that_never_come_back_do_not_keep_it_shut() -> None:
    breaker = failed_times(THRESHOLD)
    assert admitted(breaker, 110.0) == TRIALS
    assert admitted(breaker, 119.9) == 0
    assert admitted(breaker, 120.0) == TRIALS


def test_a_success_starts_the_count_anew() -> None:
    breaker = failed_times(THRESHOLD - 1)
    breaker.succeeded()
    assert not breaker.failed(101.0)
    assert breaker.state(101.0) is BreakerState.CLOSED


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ask", "fail", "succeed"]), st.floats(0, 15, allow_nan=False)), max_size=80
)
SHAPES = st.tuples(st.integers(1, 6), st.floats(0.1, 40), st.integers(1, 4))


@given(SHAPES, EVENTS)
def test_whatever_happens_its_promises_hold(
    shape: tuple[int, float, int], events: list[tuple[str, float]]
) -> None:
    threshold, open_s, trials = shape
    breaker = Breaker(threshold=threshold, open_s=open_s, trials=trials)
    now, in_a_row, shut_since, passed = 0.0, 0, None, 0
    for what, wait in events:
        now += wait
        match what:
            case "fail":
                in_a_row += 1
                breaker.failed(now)
                if in_a_row >= threshold:
                    shut_since, passed = now, 0
            case "succeed":
                breaker.succeeded()
                in_a_row, shut_since = 0, None
            case _ if shut_since is None:
                assert breaker.admits(now), "closed: everybody passes"
            case _:
                went_in = breaker.admits(now)
                if now < shut_since + open_s:
                    assert not went_in, "open: nobody passes"
                elif went_in:
                    passed += 1
                    if passed == trials:
                        shut_since, passed = now, 0
                else:
                    raise AssertionError("half open: a trial was left")
    assert breaker.admits(now + open_s), "never shut for ever"
