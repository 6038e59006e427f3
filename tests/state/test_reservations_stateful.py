"""Reservations under every order of events, against a model of plain arithmetic, on both backends."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis

from headgate.kit.clock import FakeClock
from headgate.kit.secret import Secret
from headgate.settings import LimitsSettings, RedisSettings
from headgate.state.memory import open_memory_state
from headgate.state.protocols import Claim, Refused, Reserved, SharedState, UnknownBounds
from headgate.state.redis import open_redis_state

BOUNDS = ["user:3:balance", "key:9:quota", "plan:1:day"]
IDS = ["r1", "r2", "r3", "r4"]
FUTURE, PAST = 4_000_000_000_000, 1_000

bounds = st.sampled_from(BOUNDS)
claims = st.lists(st.builds(Claim, bounds, st.integers(0, 60)), max_size=4)


@contextmanager
def opened(backend: str, url: str, runner: asyncio.Runner) -> Iterator[SharedState]:
    if backend == "memory":
        yield open_memory_state(FakeClock(), LimitsSettings())
        return

    async def clean() -> None:
        async with Redis.from_url(url) as admin:
            await admin.flushall()

    runner.run(clean())
    state = open_redis_state(RedisSettings(url=Secret(url), deadline_s=5), LimitsSettings())
    try:
        yield state
    finally:
        runner.run(close(state))


async def close(state: SharedState) -> None:
    await state.close()


class ReservationMachine(RuleBasedStateMachine):
    """`settled` holds the known values, `claims` the outstanding claims by id, `booked` the settled ids."""

    def __init__(self, backend: str, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opening = opened(backend, url, self.runner)
        self.store = self.opening.__enter__().reservations
        self.settled: dict[str, int] = {}
        self.claims: dict[str, dict[str, int]] = {}
        self.expired: set[str] = set()
        self.booked: set[str] = set()

    def teardown(self) -> None:
        self.opening.__exit__(None, None, None)
        self.runner.close()

    def held(self, bound: str) -> int:
        return sum(claim.get(bound, 0) for claim in self.claims.values())

    @rule(values=st.dictionaries(bounds, st.integers(-20, 200)))
    def values_are_loaded(self, values: dict[str, int]) -> None:
        self.runner.run(self.store.load(values))
        self.settled = {**values, **self.settled}

    @rule(name=st.sampled_from(IDS), wanted=claims, is_short=st.booleans())
    def a_request_reserves(self, name: str, wanted: list[Claim], is_short: bool) -> None:
        expires_at_ms = PAST if is_short else FUTURE
        answer = self.runner.run(self.store.reserve(name, wanted, expires_at_ms=expires_at_ms))
        unknown = tuple(dict.fromkeys(claim.bound for claim in wanted if claim.bound not in self.settled))
        total = {bound: sum(claim.amount for claim in wanted if claim.bound == bound) for bound in BOUNDS}
        named = {claim.bound for claim in wanted}
        match answer:
            case UnknownBounds():
                assert answer.bounds == unknown
            case Refused(bound, available):
                assert not unknown
                assert available == self.settled[bound] - self.held(bound) < total[bound]
            case Reserved():
                assert not unknown
                assert all(self.settled[bound] - self.held(bound) >= total[bound] for bound in named)
                self.note_held(name, wanted, is_short=is_short)

    def note_held(self, name: str, wanted: list[Claim], *, is_short: bool) -> None:
        is_new = name not in self.claims
        mine = self.claims.setdefault(name, {})
        for claim in wanted:
            mine[claim.bound] = mine.get(claim.bound, 0) + claim.amount
        if not is_short:
            self.expired.discard(name)
        elif is_new:
            self.expired.add(name)

    @rule(name=st.sampled_from(IDS), spent=st.dictionaries(bounds, st.integers(-10, 80)))
    def a_request_settles(self, name: str, spent: dict[str, int]) -> None:
        self.runner.run(self.store.settle(name, spent))
        self.claims.pop(name, None)
        self.expired.discard(name)
        if name not in self.booked:
            self.booked.add(name)
            for bound, amount in spent.items():
                if bound in self.settled:
                    self.settled[bound] -= amount

    @rule(names=st.lists(bounds, unique=True))
    def values_are_forgotten(self, names: list[str]) -> None:
        self.runner.run(self.store.forget(names))
        for name in names:
            self.settled.pop(name, None)

    @rule()
    def the_sweeper_comes(self) -> None:
        assert self.runner.run(self.store.sweep()) == len(self.expired)
        for name in self.expired:
            self.note_abandoned(name)
        self.expired.clear()

    @rule()
    def the_process_says_that_it_lives(self) -> None:
        self.runner.run(self.store.renew(ttl_s=3600))
        self.expired.clear()

    @rule(names=st.lists(st.sampled_from(IDS), unique=True))
    def a_holder_died(self, names: list[str]) -> None:
        self.runner.run(self.store.abandon(names))
        for name in names:
            self.note_abandoned(name)
            self.expired.discard(name)

    def note_abandoned(self, name: str) -> None:
        for bound in self.claims.pop(name, {}):
            self.settled.pop(bound, None)

    @invariant()
    def outstanding_is_the_sum_of_live_claims(self) -> None:
        for bound in BOUNDS:
            assert self.runner.run(self.store.outstanding(bound)) == self.held(bound)


def machine(backend: str, url: str) -> type[RuleBasedStateMachine]:
    """Hypothesis calls a class without arguments."""

    class Machine(ReservationMachine):
        def __init__(self) -> None:
            super().__init__(backend, url)

    return Machine


def test_reservations_follow_the_arithmetic_in_process() -> None:
    run_state_machine_as_test(machine("memory", ""), settings=settings(max_examples=150))


@pytest.mark.redis
def test_reservations_follow_the_arithmetic_in_redis(redis_url: str) -> None:
    run_state_machine_as_test(
        machine("redis", redis_url), settings=settings(max_examples=25, stateful_step_count=30)
    )
