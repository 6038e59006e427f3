"""Affinity, cooldowns, counters and locks behave the same in process and in Redis."""

from collections.abc import Callable
from dataclasses import replace

from headgate.core.ids import AccountId, SessionKey
from headgate.core.routing.health import MAX_EVENTS, HealthEvent, HealthState
from headgate.core.routing.stickiness import Home
from headgate.state.protocols import Cooldown, SharedState
from tests.state.conftest import Elapse

SESSION = SessionKey("key:9:session é:1")
ACCOUNT, OTHER = AccountId(7), AccountId(8)


def cooldown(
    until_ms: int, *, account: AccountId = ACCOUNT, model: str = "", reason: str = "rate_limit"
) -> Cooldown:
    return Cooldown(
        account_id=account, model=model, until_ms=until_ms, reason=reason, evidence='429 "reset": 5\nüber'
    )


async def test_a_conversation_sticks_to_its_account(state: SharedState) -> None:
    assert await state.affinity.get(SESSION) is None
    await state.affinity.bind(SESSION, Home(ACCOUNT), ttl_s=60)
    assert await state.affinity.get(SESSION) == Home(ACCOUNT)
    warm = Home(OTHER, 120_000, 1_750_000_000_000, "claude-é")
    await state.affinity.bind(SESSION, warm, ttl_s=60)
    assert await state.affinity.get(SESSION) == warm


async def test_a_dropped_conversation_is_free(state: SharedState) -> None:
    await state.affinity.bind(SESSION, Home(ACCOUNT), ttl_s=60)
    await state.affinity.drop(SESSION)
    await state.affinity.drop(SESSION)
    assert await state.affinity.get(SESSION) is None


async def test_a_binding_ends_unless_bound_again(state: SharedState, elapse: Elapse) -> None:
    await state.affinity.bind(SESSION, Home(ACCOUNT), ttl_s=1)
    await elapse(0.6)
    await state.affinity.bind(SESSION, Home(ACCOUNT), ttl_s=1)
    await elapse(0.6)
    assert await state.affinity.get(SESSION) == Home(ACCOUNT)
    await elapse(0.6)
    assert await state.affinity.get(SESSION) is None


async def test_cooldowns_in_force_are_found_with_their_cause(
    state: SharedState, now_ms: Callable[[], int]
) -> None:
    wide, narrow = cooldown(now_ms() + 60_000), cooldown(now_ms() + 30_000, model="claude-x")
    await state.cooldowns.set(wide)
    await state.cooldowns.set(narrow)
    found = await state.cooldowns.active([ACCOUNT, OTHER])
    assert sorted(found, key=lambda each: each.model) == [wide, narrow]
    assert list(await state.cooldowns.active([])) == []


async def test_a_cooldown_is_only_ever_extended(state: SharedState, now_ms: Callable[[], int]) -> None:
    long, longer = cooldown(now_ms() + 60_000, reason="long"), cooldown(now_ms() + 90_000, reason="longer")
    await state.cooldowns.set(long)
    await state.cooldowns.set(cooldown(now_ms() + 30_000, reason="short"))
    assert list(await state.cooldowns.active([ACCOUNT])) == [long]
    await state.cooldowns.set(longer)
    assert list(await state.cooldowns.active([ACCOUNT])) == [longer]


async def test_a_cooldown_that_is_over_stays_known_until_its_end_is_proven(
    state: SharedState, now_ms: Callable[[], int], elapse: Elapse
) -> None:
    over = replace(cooldown(now_ms() + 100), strikes=2, began_ms=now_ms())
    await state.cooldowns.set(over)
    await state.cooldowns.set(cooldown(now_ms() + 60_000, model="claude-x"))
    await elapse(0.15)
    assert over in await state.cooldowns.active([ACCOUNT])
    assert await state.cooldowns.forget(ACCOUNT, "", until_ms=over.until_ms)
    assert not await state.cooldowns.forget(ACCOUNT, "", until_ms=over.until_ms)
    assert [each.model for each in await state.cooldowns.active([ACCOUNT])] == ["claude-x"]


async def test_an_old_answer_does_not_end_a_newer_cooldown(
    state: SharedState, now_ms: Callable[[], int]
) -> None:
    newer = cooldown(now_ms() + 60_000)
    await state.cooldowns.set(newer)
    assert not await state.cooldowns.forget(ACCOUNT, "", until_ms=newer.until_ms - 1)
    assert list(await state.cooldowns.active([ACCOUNT])) == [newer]


async def test_a_timeline_keeps_the_newest_changes(state: SharedState, now_ms: Callable[[], int]) -> None:
    events = [
        HealthEvent(at_ms=n, state=HealthState.COOLING, cause="rate_limited", evidence='"ü"\n', status=429)
        for n in range(MAX_EVENTS + 5)
    ]
    for event in events:
        await state.health.note(ACCOUNT, event)
    assert list(await state.health.timeline(ACCOUNT)) == events[: -MAX_EVENTS - 1 : -1]
    assert list(await state.health.timeline(OTHER)) == []


async def test_recovering_an_account_forgets_all_its_cooldowns(
    state: SharedState, now_ms: Callable[[], int]
) -> None:
    await state.cooldowns.set(cooldown(now_ms() + 60_000))
    await state.cooldowns.set(cooldown(now_ms() + 60_000, model="claude-x"))
    await state.cooldowns.set(cooldown(now_ms() + 60_000, account=OTHER))
    await state.cooldowns.clear(ACCOUNT)
    assert [each.account_id for each in await state.cooldowns.active([ACCOUNT, OTHER])] == [OTHER]


async def test_a_counter_adds_up_within_its_window(state: SharedState) -> None:
    assert await state.counters.value("login:a") == 0
    assert await state.counters.add("login:a", 1, window_s=60) == 1
    assert await state.counters.add("login:a", 4, window_s=60) == 5
    assert await state.counters.value("login:a") == 5
    assert await state.counters.value("login:b") == 0
    assert await state.counters.add("login:a", -1, window_s=60) == 4, "given back, for everybody"
    assert await state.counters.value("login:a") == 4


async def test_a_window_starts_at_the_first_addition(state: SharedState, elapse: Elapse) -> None:
    await state.counters.add("login:a", 1, window_s=1)
    await elapse(0.6)
    await state.counters.add("login:a", 1, window_s=1)
    await elapse(0.5)
    assert await state.counters.value("login:a") == 0
    assert await state.counters.add("login:a", 1, window_s=1) == 1


async def test_a_counter_can_be_reset(state: SharedState) -> None:
    await state.counters.add("login:a", 3, window_s=60)
    await state.counters.reset("login:a")
    assert await state.counters.value("login:a") == 0


async def test_a_lock_has_one_holder(state: SharedState) -> None:
    token = await state.locks.acquire("rollup", ttl_s=60)
    assert token is not None
    assert await state.locks.acquire("rollup", ttl_s=60) is None
    assert await state.locks.acquire("cleanup", ttl_s=60) is not None
    await state.locks.release("rollup", token)
    assert await state.locks.acquire("rollup", ttl_s=60) is not None


async def test_a_lost_lock_is_fenced(state: SharedState, elapse: Elapse) -> None:
    old = await state.locks.acquire("rollup", ttl_s=0.1)
    await elapse(0.15)
    new = await state.locks.acquire("rollup", ttl_s=60)
    assert old is not None
    assert new is not None
    assert int(new) > int(old)
    await state.locks.release("rollup", old)
    assert await state.locks.acquire("rollup", ttl_s=60) is None


async def test_a_renewed_lock_outlives_its_first_term(state: SharedState, elapse: Elapse) -> None:
    token = await state.locks.acquire("rollup", ttl_s=0.2)
    assert token is not None
    assert await state.locks.renew("rollup", token, ttl_s=60)
    await elapse(0.3)
    assert await state.locks.acquire("rollup", ttl_s=60) is None


async def test_a_lost_lock_cannot_be_renewed(state: SharedState, elapse: Elapse) -> None:
    token = await state.locks.acquire("rollup", ttl_s=0.1)
    assert token is not None
    await elapse(0.15)
    assert not await state.locks.renew("rollup", token, ttl_s=60)
