"""Rate limits under every order of draws and corrections, against a model of plain fractions.

In Redis real time passes: there the limits are so slow that a run refills less than one whole unit.
"""

import asyncio
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis

from headgate.core.limits.token_bucket import MAX_DEBT_MINUTES, RateCharge
from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.settings import LimitsSettings, RedisSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import RateExceeded, RateGranted, SharedState
from headgate.state.redis import open_redis_state

LIMITS = {"key:9:rpm": 3, "user:3:rpm": 7, "group:2:tpm": 10}

some_charges = st.dictionaries(st.sampled_from(list(LIMITS)), st.integers(0, 15), min_size=1)
some_corrections = st.dictionaries(st.sampled_from(list(LIMITS)), st.integers(-15, 15))


def charges_of(amounts: dict[str, int]) -> list[RateCharge]:
    return [RateCharge(bucket=name, limit=LIMITS[name], amount=each) for name, each in amounts.items()]


class RateMachine(RuleBasedStateMachine):
    """`left` is what each bucket holds; negative in debt."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.has_own_clock = bool(url)
        self.state = self.runner.run(self._open(url))
        self.left = {name: Fraction(limit) for name, limit in LIMITS.items()}

    async def _open(self, url: str) -> SharedState:
        if not url:
            return open_memory_state(self.clock, LimitsSettings())
        async with Redis.from_url(url) as admin:
            await admin.flushall()
        return open_redis_state(RedisSettings(url=Secret(url), deadline_s=5), LimitsSettings())

    def teardown(self) -> None:
        async def close() -> None:
            await self.state.close()

        self.runner.run(close())
        self.runner.close()

    def move(self, amounts: dict[str, int]) -> None:
        for name, amount in amounts.items():
            limit = LIMITS[name]
            self.left[name] = max(
                Fraction(-MAX_DEBT_MINUTES * limit), min(Fraction(limit), self.left[name] - amount)
            )

    def can_give(self, name: str, amount: int) -> bool:
        return amount == 0 or self.left[name] >= min(amount, LIMITS[name])

    @rule(amounts=some_charges)
    def a_request_draws(self, amounts: dict[str, int]) -> None:
        answer = self.runner.run(self.state.rates.draw(charges_of(amounts)))
        match answer:
            case RateGranted():
                assert all(self.can_give(*draw) for draw in amounts.items())
                self.move(amounts)
            case RateExceeded():
                assert not self.can_give(answer.bucket, amounts[answer.bucket])
                self.check_wait(answer, amounts)
        assert {name: level.remaining for name, level in answer.levels.items()} == {
            name: max(0, self.left[name] // 1) for name in amounts
        }

    def check_wait(self, answer: RateExceeded, amounts: dict[str, int]) -> None:
        missing = min(amounts[answer.bucket], LIMITS[answer.bucket]) - self.left[answer.bucket]
        exact = missing * 60_000 / LIMITS[answer.bucket]
        assert exact - (5_000 if self.has_own_clock else 0) <= answer.retry_after_ms < exact + 1

    @rule(amounts=some_corrections)
    def a_settlement_corrects(self, amounts: dict[str, int]) -> None:
        self.runner.run(self.state.rates.correct(charges_of(amounts)))
        self.move(amounts)

    @precondition(lambda self: not self.has_own_clock)
    @rule(ms=st.integers(0, 90_000))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms / 1000)
        for name, limit in LIMITS.items():
            self.left[name] = min(Fraction(limit), self.left[name] + Fraction(ms * limit, 60_000))


def machine(url: str) -> type[RuleBasedStateMachine]:
    """Hypothesis calls a class without arguments."""

    class Machine(RateMachine):
        def __init__(self) -> None:
            super().__init__(url)

    return Machine


def test_rates_follow_the_arithmetic_in_process() -> None:
    run_state_machine_as_test(machine(""), settings=settings(max_examples=150))


@pytest.mark.redis
def test_rates_follow_the_arithmetic_in_redis(redis_url: str) -> None:
    run_state_machine_as_test(machine(redis_url), settings=settings(max_examples=25, stateful_step_count=30))
