"""Rate limits of one process: what clock jumps do, and what is kept in memory."""

from headgate.core.limits.token_bucket import RateCharge
from headgate.kit.clock import FakeClock
from headgate.state.memory.rates import MemoryRates
from headgate.state.protocols import RateExceeded, RateGranted

HOUR_S = 3600


class JumpingClock(FakeClock):
    """The wall clock is set back and forth; monotonic time is not."""

    def monotonic(self) -> float:
        return 1.0


def charge(amount: int, bucket: str = "key:9:rpm") -> RateCharge:
    return RateCharge(bucket=bucket, limit=60, amount=amount)


async def test_the_wall_clock_does_not_matter() -> None:
    clock = JumpingClock()
    rates = MemoryRates(clock)
    await rates.draw([charge(60)])
    for jump_s in (HOUR_S, -2 * HOUR_S):
        clock.advance(jump_s)
        answer = await rates.draw([charge(1)])
        assert isinstance(answer, RateExceeded)
        assert answer.retry_after_ms == 1_000


async def test_a_clock_that_went_back_neither_floods_nor_locks(clock: FakeClock) -> None:
    rates = MemoryRates(clock)
    await rates.draw([charge(60)])
    clock.advance(-HOUR_S)
    assert isinstance(await rates.draw([charge(1)]), RateExceeded)
    clock.advance(1)
    assert isinstance(await rates.draw([charge(1)]), RateGranted)
    assert isinstance(await rates.draw([charge(1)]), RateExceeded)


async def test_a_bucket_that_was_given_everything_back_is_forgotten(clock: FakeClock) -> None:
    rates = MemoryRates(clock)
    await rates.draw([charge(5)])
    await rates.correct([charge(-5)])
    assert not rates._buckets


async def test_idle_buckets_are_forgotten_when_they_are_full_again(clock: FakeClock) -> None:
    rates = MemoryRates(clock)
    for number in range(10_000):
        await rates.draw([charge(1, f"key:{number}:rpm")])
        clock.advance(0.01)
    assert len(rates._buckets) <= 201  # each takes a second to fill: 100 are not full at any time


async def test_one_bucket_in_debt_does_not_keep_the_others_in_memory(clock: FakeClock) -> None:
    rates = MemoryRates(clock)
    await rates.correct([charge(1_000_000, "key:deep:tpm")])
    for number in range(1_000):
        await rates.draw([charge(1, f"key:{number}:rpm")])
        clock.advance(1)
    assert len(rates._buckets) <= 5
    assert isinstance(await rates.draw([charge(1, "key:deep:tpm")]), RateExceeded)
