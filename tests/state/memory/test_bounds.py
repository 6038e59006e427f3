"""What is kept in process is bounded."""

from headgate.core.ids import AccountId, SessionKey
from headgate.core.routing.stickiness import Home
from headgate.kit.clock import FakeClock
from headgate.state.memory.affinity import MemoryAffinity
from headgate.state.memory.cooldowns import MAX_MODELS, MemoryCooldowns
from headgate.state.memory.counters import MemoryCounters
from headgate.state.memory.reservations import MemoryReservations
from headgate.state.protocols import Claim, Cooldown, Reserved, UnknownBounds

NEVER = 4_000_000_000_000


async def test_the_conversation_idle_for_longest_loses_its_account(clock: FakeClock) -> None:
    affinity = MemoryAffinity(clock, max_sessions=2)
    await affinity.bind(SessionKey("a"), Home(AccountId(1)), ttl_s=60)
    await affinity.bind(SessionKey("b"), Home(AccountId(1)), ttl_s=60)
    await affinity.get(SessionKey("a"))
    await affinity.bind(SessionKey("c"), Home(AccountId(1)), ttl_s=60)
    found = [await affinity.get(SessionKey(name)) for name in "abc"]
    assert found == [Home(AccountId(1)), None, Home(AccountId(1))]


async def test_a_flood_of_names_does_not_push_out_a_counter_in_use(clock: FakeClock) -> None:
    counters = MemoryCounters(clock, max_counters=10)
    for number in range(100):
        await counters.add("login:victim", 1, window_s=60)
        await counters.add(f"login:{number}", 1, window_s=60)
    assert await counters.value("login:victim") == 100


async def test_cooldowns_of_one_account_are_bounded(clock: FakeClock) -> None:
    cooldowns = MemoryCooldowns(clock)
    for number in range(MAX_MODELS + 50):
        await cooldowns.set(
            Cooldown(
                account_id=AccountId(1),
                model=f"model-{number}",
                until_ms=clock.now_ms() + 1000 + number,
                reason="rate_limit",
                evidence="",
            )
        )
    active = await cooldowns.active([AccountId(1)])
    assert len(active) == MAX_MODELS
    assert min(each.until_ms for each in active) == clock.now_ms() + 1050


async def test_idle_bounds_are_read_again_and_held_ones_stay(clock: FakeClock) -> None:
    store = MemoryReservations(clock, max_bounds=10)
    await store.load({"held": 5, "first-idle": 5})
    await store.reserve("r", [Claim("held", 5)], expires_at_ms=NEVER)
    await store.load({f"bound-{number}": 5 for number in range(10)})
    assert await store.outstanding("held") == 5
    assert isinstance(await store.reserve("s", [Claim("first-idle", 1)], expires_at_ms=NEVER), UnknownBounds)
    assert await store.reserve("s", [Claim("bound-9", 1)], expires_at_ms=NEVER) == Reserved()


async def test_a_value_read_before_its_bound_was_evicted_is_not_taken(clock: FakeClock) -> None:
    store = MemoryReservations(clock, max_bounds=10)
    asked = await store.reserve("r", [Claim("a", 1)], expires_at_ms=NEVER)
    assert isinstance(asked, UnknownBounds)
    await store.load({f"bound-{number}": 5 for number in range(20)})
    await store.load({"a": 5}, epoch=asked.epoch)
    assert isinstance(await store.reserve("r", [Claim("a", 1)], expires_at_ms=NEVER), UnknownBounds)


async def test_recent_settlements_are_remembered_and_old_ones_are_not_kept_for_ever(clock: FakeClock) -> None:
    store = MemoryReservations(clock, settled_ids=10)
    await store.load({"b": 1000})
    for number in range(15):
        await store.settle(f"r{number}", {"b": 1})
    for number in range(5, 15):
        await store.settle(f"r{number}", {"b": 1})
    await store.reserve("hold", [Claim("b", 985)], expires_at_ms=NEVER)
    assert await store.outstanding("b") == 985
    assert len(store._settled._young) + len(store._settled._old) <= 20
