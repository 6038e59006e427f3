"""Reservations behave the same in process and in Redis."""

import asyncio
from collections.abc import Callable
from unittest.mock import ANY

import pytest

from headgate.state.protocols import Claim, Refused, Reserved, SharedState, UnknownBounds

BALANCE, QUOTA = "user:3:balance", "key:9:quota"
NEVER = 4_000_000_000_000


async def reserve(
    state: SharedState, name: str, *claims: tuple[str, int], expires_at_ms: int = NEVER
) -> Reserved | Refused | UnknownBounds:
    return await state.reservations.reserve(
        name, [Claim(bound, amount) for bound, amount in claims], expires_at_ms=expires_at_ms
    )


async def free(state: SharedState, bound: str = BALANCE) -> int:
    """What is left, as a refusal tells it."""
    answer = await reserve(state, "probe", (bound, 10**15))
    assert isinstance(answer, Refused)
    return answer.available


async def test_unknown_bounds_are_named_once_each(state: SharedState) -> None:
    await state.reservations.load({QUOTA: 5})
    answer = await reserve(state, "a", (BALANCE, 1), (QUOTA, 1), (BALANCE, 1), ("user:3:day", 1))
    assert isinstance(answer, UnknownBounds)
    assert answer.bounds == (BALANCE, "user:3:day")
    assert await state.reservations.outstanding(QUOTA) == 0


async def test_a_covered_claim_is_held(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    assert await reserve(state, "a", (BALANCE, 60)) == Reserved()
    assert await state.reservations.outstanding(BALANCE) == 60
    assert await free(state) == 40


async def test_all_bounds_are_held_or_none(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100, QUOTA: 10})
    assert await reserve(state, "a", (BALANCE, 60), (QUOTA, 11)) == Refused(QUOTA, 10)
    assert await state.reservations.outstanding(BALANCE) == 0
    assert await free(state) == 100


async def test_two_claims_on_one_bound_count_together(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    assert await reserve(state, "a", (BALANCE, 60), (BALANCE, 60)) == Refused(BALANCE, 100)
    assert await reserve(state, "a", (BALANCE, 50), (BALANCE, 50)) == Reserved()
    assert await state.reservations.outstanding(BALANCE) == 100


async def test_a_reservation_grows(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 40))
    assert await reserve(state, "a", (BALANCE, 40)) == Reserved()
    assert await state.reservations.outstanding(BALANCE) == 80
    assert await reserve(state, "a", (BALANCE, 40)) == Refused(BALANCE, 20, held=80)
    assert await state.reservations.outstanding(BALANCE) == 80


async def test_a_negative_claim_is_a_mistake_of_the_caller(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    with pytest.raises(ValueError, match="negative"):
        await reserve(state, "a", (BALANCE, -1))


async def test_no_claims_are_always_covered(state: SharedState) -> None:
    assert await reserve(state, "a") == Reserved()


async def test_settling_replaces_the_claim_by_what_was_spent(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60))
    await state.reservations.settle("a", {BALANCE: 25})
    assert await state.reservations.outstanding(BALANCE) == 0
    assert await free(state) == 75


async def test_settling_twice_counts_once(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60))
    await state.reservations.settle("a", {BALANCE: 25})
    await state.reservations.settle("a", {BALANCE: 25})
    assert await free(state) == 75


async def test_settling_an_unknown_reservation_counts_once(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await state.reservations.settle("ghost", {BALANCE: 25, "user:4:balance": 1})
    await state.reservations.settle("ghost", {BALANCE: 25, "user:4:balance": 1})
    assert await free(state) == 75


async def test_spending_more_than_there_is_leaves_a_debt(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60))
    await state.reservations.settle("a", {BALANCE: 130})
    assert await reserve(state, "b", (BALANCE, 0)) == Refused(BALANCE, -30)


async def test_a_refund_raises_what_is_free(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await state.reservations.settle("refund", {BALANCE: -50})
    assert await free(state) == 150


async def test_loading_keeps_a_known_value(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await state.reservations.load({BALANCE: 500})
    assert await free(state) == 100


async def test_forgetting_asks_for_the_value_again_and_keeps_the_claims(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60))
    await state.reservations.forget([BALANCE, QUOTA])
    assert isinstance(await reserve(state, "b", (BALANCE, 1)), UnknownBounds)
    await state.reservations.load({BALANCE: 200})
    assert await free(state) == 140
    await state.reservations.settle("a", {BALANCE: 10})
    assert await free(state) == 190


async def test_a_claim_dropped_while_its_bound_was_forgotten_does_not_come_back(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60))
    await state.reservations.forget([BALANCE])
    await state.reservations.settle("a", {BALANCE: 10})
    await state.reservations.load({BALANCE: 90})
    assert await free(state) == 90


@pytest.mark.parametrize("how", ["settle", "forget"])
async def test_a_value_read_before_a_move_is_not_taken_for_fresh(state: SharedState, how: str) -> None:
    asked = await reserve(state, "a", (BALANCE, 1))
    assert isinstance(asked, UnknownBounds)
    if how == "settle":
        await state.reservations.settle("other", {BALANCE: 30})
    else:
        await state.reservations.forget([BALANCE])
    await state.reservations.load({BALANCE: 100}, epoch=asked.epoch)
    again = await reserve(state, "a", (BALANCE, 1))
    assert isinstance(again, UnknownBounds)
    await state.reservations.load({BALANCE: 70}, epoch=again.epoch)
    assert await reserve(state, "a", (BALANCE, 70)) == Reserved()


async def test_a_sweep_drops_what_has_expired(state: SharedState, now_ms: Callable[[], int]) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "old", (BALANCE, 60), expires_at_ms=now_ms() - 1)
    await reserve(state, "new", (BALANCE, 30), expires_at_ms=now_ms() + 60_000)
    assert await state.reservations.sweep() == 1
    assert await state.reservations.outstanding(BALANCE) == 30
    assert await state.reservations.sweep() == 0


async def test_growing_never_shortens_the_life_of_a_reservation(
    state: SharedState, now_ms: Callable[[], int]
) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60), expires_at_ms=now_ms() + 60_000)
    await reserve(state, "a", (BALANCE, 1), expires_at_ms=now_ms() - 1)
    assert await state.reservations.sweep() == 0


async def test_amounts_beyond_double_precision_are_exact(state: SharedState) -> None:
    large = 2**60 + 1
    await state.reservations.load({BALANCE: large})
    assert await reserve(state, "a", (BALANCE, 2**60)) == Reserved()
    assert await reserve(state, "b", (BALANCE, 2)) == Refused(BALANCE, 1, held=2**60)
    assert await reserve(state, "b", (BALANCE, 1)) == Reserved()


async def test_a_thousand_at_once_never_overshoot(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 1000, QUOTA: 700})
    answers = await asyncio.gather(
        *(reserve(state, f"r{number}", (BALANCE, 3), (QUOTA, 7)) for number in range(1000))
    )
    assert sum(answer == Reserved() for answer in answers) == 100
    assert await state.reservations.outstanding(BALANCE) == 300
    assert await state.reservations.outstanding(QUOTA) == 700


async def test_what_a_dead_holder_held_is_free_and_its_bounds_are_read_again(state: SharedState) -> None:
    """Only the database knows what it had spent."""
    await state.reservations.load({BALANCE: 100, QUOTA: 100})
    await reserve(state, "a", (BALANCE, 60))
    await reserve(state, "b", (QUOTA, 60))
    await state.reservations.abandon(["a", "nobody"])
    assert await state.reservations.outstanding(BALANCE) == 0
    assert await reserve(state, "c", (BALANCE, 1), (QUOTA, 1)) == UnknownBounds((BALANCE,), ANY)
    assert await state.reservations.outstanding(QUOTA) == 60


async def test_what_expires_is_as_good_as_abandoned(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60), expires_at_ms=1)
    assert await state.reservations.sweep() == 1
    assert isinstance(await reserve(state, "b", (BALANCE, 1)), UnknownBounds)


async def test_a_living_process_keeps_what_it_holds(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    await reserve(state, "a", (BALANCE, 60), expires_at_ms=1)
    await state.reservations.renew(ttl_s=60)
    assert await state.reservations.sweep() == 0
    assert await state.reservations.outstanding(BALANCE) == 60


async def test_what_is_settled_or_swept_is_not_renewed_into_life(state: SharedState) -> None:
    await state.reservations.load({BALANCE: 100})
    for name in ("settled", "swept"):
        await reserve(state, name, (BALANCE, 10), expires_at_ms=1)
    await state.reservations.settle("settled", {})
    await state.reservations.sweep()
    await state.reservations.renew(ttl_s=60)
    assert await state.reservations.outstanding(BALANCE) == 0
    assert await state.reservations.sweep() == 0
