from headgate.state.redis.breaker import Breaker


def failed_times(count: int) -> Breaker:
    breaker = Breaker(threshold=3, open_s=1)
    for _ in range(count):
        breaker.failed(10.0)
    return breaker


def test_it_stays_closed_below_the_threshold() -> None:
    assert not failed_times(2).is_open(10.0)


def test_it_opens_for_a_while_at_the_threshold() -> None:
    breaker = failed_times(3)
    assert breaker.is_open(10.9)
    assert not breaker.is_open(11.0)


def test_one_more_failure_opens_it_again() -> None:
    breaker = failed_times(3)
    breaker.failed(11.0)
    assert breaker.is_open(11.9)


def test_a_success_starts_the_count_anew() -> None:
    breaker = failed_times(3)
    breaker.succeeded()
    breaker.failed(12.0)
    assert not breaker.is_open(12.0)
