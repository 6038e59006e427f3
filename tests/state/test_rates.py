"""Rate limits behave the same in process and in Redis."""

import asyncio

from headgate.core.limits.token_bucket import MAX_DEBT_MINUTES, RateCharge, RateLevel
from headgate.state.protocols import RateExceeded, RateGranted, SharedState
from tests.state.conftest import Elapse

MINUTE_MS = 60_000


def charge(amount: int = 1, *, limit: int = 60, bucket: str = "key:9:rpm") -> RateCharge:
    return RateCharge(bucket=bucket, limit=limit, amount=amount)


async def draw(state: SharedState, *charges: RateCharge) -> RateGranted | RateExceeded:
    return await state.rates.draw(charges)


async def remaining(state: SharedState, limit: int = 60, bucket: str = "key:9:rpm") -> int:
    answer = await draw(state, charge(0, limit=limit, bucket=bucket))
    assert isinstance(answer, RateGranted)
    return answer.levels[bucket].remaining


async def test_an_unknown_bucket_is_full(state: SharedState) -> None:
    answer = await draw(state, charge(20))
    assert isinstance(answer, RateGranted)
    level = answer.levels["key:9:rpm"]
    assert (level.limit, level.remaining) == (60, 40)
    assert 19_000 < level.full_in_ms <= 20_000


async def test_nothing_to_draw_is_granted(state: SharedState) -> None:
    assert await draw(state) == RateGranted(levels={})
    await state.rates.correct([])


async def test_an_empty_bucket_refuses_and_says_when_to_come_again(state: SharedState) -> None:
    await draw(state, charge(60))
    answer = await draw(state, charge(3))
    assert isinstance(answer, RateExceeded)
    assert answer.bucket == "key:9:rpm"
    assert answer.levels["key:9:rpm"].remaining == 0
    assert 2_000 < answer.retry_after_ms <= 3_000


async def test_a_bucket_refills_evenly_and_never_above_its_limit(state: SharedState, elapse: Elapse) -> None:
    await draw(state, charge(600, limit=600))
    await elapse(0.35)
    assert 3 <= await remaining(state, 600) <= 8
    await draw(state, charge(2, limit=600, bucket="other"))
    await elapse(0.25)
    assert await remaining(state, 600, "other") == 600


async def test_the_wait_that_was_announced_is_enough(state: SharedState, elapse: Elapse) -> None:
    await draw(state, charge(600, limit=600))
    refused = await draw(state, charge(3, limit=600))
    assert isinstance(refused, RateExceeded)
    await elapse(refused.retry_after_ms / 1000)
    assert isinstance(await draw(state, charge(3, limit=600)), RateGranted)


async def test_one_request_a_minute_works(state: SharedState, elapse: Elapse) -> None:
    assert isinstance(await draw(state, charge(limit=1)), RateGranted)
    await elapse(0.2)
    refused = await draw(state, charge(limit=1))
    assert isinstance(refused, RateExceeded)
    assert MINUTE_MS - 2_000 < refused.retry_after_ms <= MINUTE_MS - 200


async def test_all_buckets_are_drawn_from_or_none(state: SharedState) -> None:
    await draw(state, charge(5, limit=5, bucket="user:3:rpm"))
    refused = await draw(state, charge(), charge(limit=5, bucket="user:3:rpm"))
    assert isinstance(refused, RateExceeded)
    assert refused.bucket == "user:3:rpm"
    assert {name: level.remaining for name, level in refused.levels.items()} == {
        "key:9:rpm": 60,
        "user:3:rpm": 0,
    }
    assert await remaining(state) == 60


async def test_the_bucket_to_wait_for_longest_is_named(state: SharedState) -> None:
    fast, slow = charge(60, bucket="fast"), charge(2, limit=2, bucket="slow")
    await draw(state, fast, slow)
    refused = await draw(state, charge(bucket="fast"), charge(limit=2, bucket="slow"))
    assert isinstance(refused, RateExceeded)
    assert refused.bucket == "slow"
    assert refused.retry_after_ms > 25_000


async def test_more_than_the_limit_is_given_by_a_full_bucket_only(state: SharedState) -> None:
    assert isinstance(await draw(state, charge(90)), RateGranted)
    refused = await draw(state, charge(90))
    assert isinstance(refused, RateExceeded)
    assert refused.levels["key:9:rpm"].remaining == 0
    assert MINUTE_MS + 28_000 < refused.retry_after_ms <= MINUTE_MS + 30_000


async def test_a_draw_of_nothing_is_given_even_in_debt(state: SharedState) -> None:
    await draw(state, charge(90))
    assert await remaining(state) == 0


async def test_a_correction_draws_what_was_estimated_too_low(state: SharedState) -> None:
    await draw(state, charge(10))
    await state.rates.correct([charge(70)])
    refused = await draw(state, charge(1))
    assert isinstance(refused, RateExceeded)
    assert 20_000 < refused.retry_after_ms <= 21_000


async def test_a_correction_gives_back_what_was_estimated_too_high(state: SharedState) -> None:
    await draw(state, charge(50))
    await state.rates.correct([charge(-30), charge(-5, bucket="untouched")])
    assert await remaining(state) == 40
    assert await remaining(state, bucket="untouched") == 60


async def test_giving_back_never_fills_above_the_limit(state: SharedState) -> None:
    await draw(state, charge(10))
    await state.rates.correct([charge(-1_000_000)])
    assert await remaining(state) == 60


async def test_a_nonsensical_correction_does_not_lock_for_longer_than_an_hour(state: SharedState) -> None:
    await state.rates.correct([charge(2**62)])
    refused = await draw(state, charge())
    assert isinstance(refused, RateExceeded)
    assert refused.retry_after_ms <= MAX_DEBT_MINUTES * MINUTE_MS + 1_000


async def test_the_highest_limit_is_exact(state: SharedState) -> None:
    most = 10**9
    await draw(state, charge(most - 1, limit=most))
    answer = await draw(state, charge(most, limit=most))
    assert isinstance(answer, RateExceeded)
    await state.rates.correct([charge(2**62, limit=most)])
    assert await remaining(state, most) == 0
    await state.rates.correct([charge(-(2**62), limit=most)])
    assert await remaining(state, most) == most


async def test_a_changed_limit_keeps_the_bucket_as_full_as_it_was(state: SharedState) -> None:
    await draw(state, charge(30))
    assert 300 <= await remaining(state, 600) <= 310
    assert await remaining(state, 6) == 3


async def test_a_lowered_limit_locks_nobody_out_for_what_was_allowed_before(state: SharedState) -> None:
    await draw(state, charge(10**9, limit=10**9))
    refused = await draw(state, charge(limit=1))
    assert isinstance(refused, RateExceeded)
    assert refused.retry_after_ms <= MINUTE_MS


async def test_buckets_do_not_share(state: SharedState) -> None:
    await draw(state, charge(60))
    assert await remaining(state, bucket="key:9:tpm") == 60
    assert await remaining(state, bucket="key:99:rpm") == 60


async def test_a_crowd_gets_exactly_the_limit(state: SharedState) -> None:
    answers = await asyncio.gather(*(draw(state, charge()) for _ in range(100)))
    assert sum(isinstance(answer, RateGranted) for answer in answers) == 60


async def test_levels_are_told_for_refusals_too(state: SharedState) -> None:
    await draw(state, charge(60))
    refused = await draw(state, charge(), charge(limit=5, bucket="group:2:rpm"))
    assert isinstance(refused, RateExceeded)
    assert refused.levels["group:2:rpm"] == RateLevel(limit=5, remaining=5, full_in_ms=0)
