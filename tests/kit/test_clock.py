from headgate.kit.clock import FakeClock, SystemClock


def test_the_system_clock_tells_the_time_in_milliseconds() -> None:
    clock = SystemClock()
    assert clock.now_ms() > 1_700_000_000_000


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


def test_a_fake_clock_moves_only_when_told(clock: FakeClock) -> None:
    before = (clock.now_ms(), clock.monotonic())
    assert (clock.now_ms(), clock.monotonic()) == before
    clock.advance(1.5)
    assert clock.now_ms() == before[0] + 1500
    assert clock.monotonic() == before[1] + 1.5
