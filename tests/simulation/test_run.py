"""Two configurations under the same traffic, in virtual time (issue 4, item 11)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from headgate.core.faults import FaultKind
from headgate.prices import price_book_builder
from headgate.settings import Settings
from headgate.simulation.outcome import Figures, Served, figures
from headgate.simulation.people import KeyLimits, People, Person
from headgate.simulation.provider import Behaviour, Behaviours
from headgate.simulation.run import Limits, NoSuchGroup, simulate
from headgate.simulation.traffic import Profile, SimulatedRequest, generate
from headgate.simulation.world import World, world_of

SETTINGS = Settings()
USUAL = Behaviour()
BUSY = Profile(group="pool", users=12, sessions_per_user=3, turns=5, minutes=4, think_s=10)


def document(accounts: int, **group: Any) -> dict[str, Any]:
    account = {"platform": "anthropic", "secret": "stored", "groups": ["pool"], "concurrency": 2}
    return {
        "version": 1,
        "groups": {"pool": {"platform": "anthropic", **group}},
        "accounts": {f"a{number}": account for number in range(accounts)},
    }


@pytest.fixture(scope="module")
def world() -> Callable[..., World]:
    """Built once per configuration: each is a database."""
    known: dict[str, World] = {}

    def made(accounts: int, **group: Any) -> World:
        name = f"{accounts} {group}"
        if name not in known:
            known[name] = asyncio.run(world_of(document(accounts, **group), SETTINGS))
        return known[name]

    return made


def run(
    world: World,
    requests: list[SimulatedRequest],
    behaviour: Behaviour | Behaviours = USUAL,
    **limits: Any,
) -> list[Served]:
    behaviours = behaviour if isinstance(behaviour, Behaviours) else Behaviours(default=behaviour)
    return simulate(
        world, requests, behaviours, seed=3, build_prices=price_book_builder(SETTINGS.pricing),
        limits=Limits(**limits),
    )  # fmt: skip


def told(served: list[Served]) -> list[tuple[int, int | None, int, int]]:
    return [(one.status, one.account_id, one.waited_ms, one.took_ms) for one in served]


def request(at_s: float, **fields: Any) -> SimulatedRequest:
    values: dict[str, Any] = {
        "user": "u", "group": "pool", "model": "claude-sonnet-4-5", "input_tokens": 1000, "output_tokens": 70,
    }  # fmt: skip
    return SimulatedRequest(at_ms=round(at_s * 1000), **values | fields)


def test_the_same_seed_gives_the_same_result(world: Any) -> None:
    traffic = generate(BUSY, 7)
    assert traffic == generate(BUSY, 7) != generate(BUSY, 8)
    shaky = Behaviour(error_rate=0.1, overload_rate=0.05, requests_per_minute=40)
    first, second = run(world(4), traffic, shaky), run(world(4), traffic, shaky)
    assert told(first) == told(second)
    assert figures(first) == figures(second)


def test_half_the_accounts_make_more_429s_and_longer_waits(world: Any) -> None:
    traffic = generate(BUSY, 7)
    behaviour = Behaviour(requests_per_minute=12, output_tokens_per_s=30)
    many, few = (figures(run(world(n), traffic, behaviour)) for n in (8, 4))
    assert few.refused_429 > many.refused_429
    assert few.waited > many.waited  # the longest wait says nothing: who would wait longest is refused
    assert few.ttft_p50_ms > many.ttft_p50_ms
    assert few.answered < many.answered


def test_time_is_virtual_and_exact(world: Any) -> None:
    """1,000 tokens read at 8,000 a second and 70 written at 70 a second: 125 ms beside the 700, then 1 s."""
    (one,) = run(world(1), [request(3600)])
    assert (one.took_ms, one.settled[0].first_byte_ms) == (1825, 825)


def test_conversations_keep_their_cache_until_they_are_moved(world: Any) -> None:
    turns = [request(n * 30, session="s", input_tokens=10_000, cacheable_tokens=10_000) for n in range(5)]
    served = run(world(4), turns)
    assert len({one.account_id for one in served}) == 1
    assert [one.settled[0].usage.cache_read for one in served] == [0, 10_000, 10_000, 10_000, 10_000]
    assert figures(served).cache_hit_percent == 80
    home = next(f"a{n}" for n in range(4) if n + 1 == served[0].account_id)
    outage = Behaviours(accounts={home: Behaviour(down=((55, 100),))})
    moved = run(world(4), turns, outage)
    assert moved[2].account_id != served[0].account_id
    assert moved[2].settled[-1].usage.cache_read == 0
    assert all(one.fault is None for one in moved)
    assert figures(moved).list_cost_usd > figures(served).list_cost_usd


def test_limits_of_a_group_refuse_as_the_gateway_does(world: Any) -> None:
    served = run(world(4, rpm_limit=10), [request(n * 0.1, user=f"u{n}") for n in range(30)])
    refused = [one for one in served if one.fault is FaultKind.RATE_LIMITED]
    assert len(refused) == 20
    assert all((one.status, one.attempts) == (429, 0) for one in refused)


def test_a_user_s_slots_are_waited_for(world: Any) -> None:
    served = run(world(4), [request(0, user="u") for _ in range(3)], concurrency=1)
    assert [one.waited_ms for one in served] == [0, 1825, 3650]
    assert figures(served).wait_max_ms == 3650


def test_a_bad_credential_switches_the_account_off_and_another_one_answers(world: Any) -> None:
    broken = Behaviours(accounts={"a0": Behaviour(bad_credential=((0, 9999),))})
    served = run(world(2), [request(n * 5, user=f"u{n}") for n in range(6)], broken)
    assert all((one.fault, one.account_id) == (None, 2) for one in served)
    assert sum(one.attempts for one in served) == 7


def test_recorded_times_are_used_as_they_were(world: Any) -> None:
    (one,) = run(world(1), [request(0, ttft_ms=40, duration_ms=90)])
    assert (one.took_ms, one.settled[0].first_byte_ms) == (90, 40)


def test_multipliers_show_in_what_is_charged(world: Any) -> None:
    plain, double = (figures(run(world(1, **group), [request(0)])) for group in ({}, {"rate_multiplier": 2}))
    assert double.list_cost_usd == plain.list_cost_usd
    assert double.charge_usd == pytest.approx(2 * plain.charge_usd, abs=1e-9)
    assert plain.charge_usd == pytest.approx(1000 * 3e-6 + 70 * 15e-6)


def test_traffic_to_a_group_that_is_not_there_is_refused(world: Any) -> None:
    with pytest.raises(NoSuchGroup, match="'elsewhere'"):
        run(world(1), [request(0, group="elsewhere")])


def test_nothing_gives_figures_of_nothing() -> None:
    assert set(figures([]).values()) == set(Figures.__dataclass_fields__)


def paying(world: World, **users: Person) -> World:
    return replace(world, people=People(users=users))


def test_a_balance_ends_and_what_was_spent_stays_spent(world: Any) -> None:
    """Twenty requests of three cents; there is money for about ten. An account is marked meanwhile, so that
    the snapshot is read anew."""
    traffic = [request(at_s, input_tokens=10_000, output_tokens=10) for at_s in range(0, 200, 10)]
    free = run(world(2), traffic)
    cost = figures(free).charge_usd
    assert figures(free).answered == 20
    poor = paying(world(2), u=Person(balance_usd=cost / 2))
    broken = Behaviours(accounts={"a0": Behaviour(bad_credential=((50, 60),))})
    served = run(poor, traffic, broken)
    seen = figures(served)
    assert 7 <= seen.answered <= 10
    assert seen.refused_money == 20 - seen.answered
    assert seen.charge_usd <= cost / 2 + cost / 20
    assert {one.fault for one in served} <= {None, FaultKind.BALANCE_INSUFFICIENT}


def test_others_are_not_concerned_by_somebodys_empty_purse(world: Any) -> None:
    traffic = [request(at_s, user=user) for at_s in (0, 1) for user in ("poor", "rich")]
    served = run(paying(world(1), poor=Person(balance_usd=0)), traffic)
    assert [(one.user, one.fault is None) for one in served].count(("rich", True)) == 2
    assert figures(served).refused_money == 2


def test_a_sold_group_serves_subscribers_within_their_windows(world: Any) -> None:
    sold = world(1, subscription_type="subscription", daily_limit_usd=0.05)
    traffic = [
        request(at_s, user=user, input_tokens=10_000, output_tokens=10)
        for at_s in (0, 60, 120, 90_000)
        for user in ("subscriber", "stranger")
    ]
    served = run(paying(sold, subscriber=Person(subscriptions=("pool",))), traffic)
    faults = [one.fault for one in served if one.user == "subscriber"]
    assert faults == [None, FaultKind.SUBSCRIPTION_LIMIT, FaultKind.SUBSCRIPTION_LIMIT, None]
    assert {one.fault for one in served if one.user == "stranger"} == {FaultKind.SUBSCRIPTION_REQUIRED}
    assert figures(run(sold, traffic)).answered == 8, "without people everybody can pay"


def test_a_subscription_to_nothing_is_named(world: Any) -> None:
    wrong = paying(world(1), u=Person(subscriptions=("gone",)))
    with pytest.raises(NoSuchGroup, match="'gone'"):
        run(wrong, [request(0)])


def test_a_window_cost_limit_of_an_account_is_kept(world: Any) -> None:
    traffic = [request(at_s, input_tokens=10_000, output_tokens=10) for at_s in range(0, 100, 10)]
    wanted = document(1)
    wanted["accounts"]["a0"] = {**wanted["accounts"]["a0"], "extra": {"window_cost_limit": 0.1}}
    limited = asyncio.run(world_of(wanted, SETTINGS))
    seen = figures(run(limited, traffic))
    assert seen.refused_429 > 0
    assert 0.1 <= seen.list_cost_usd < 0.2


def test_limits_of_a_key_end_and_begin_anew_as_its_windows_do(world: Any) -> None:
    """Requests of three cents; after five hours the window has begun anew, the quota has not."""
    traffic = [
        request(at_s, user=user, input_tokens=10_000, output_tokens=10)
        for at_s in (0, 60, 120, 18_120, 18_180, 18_240)
        for user in ("window", "quota", "free")
    ]
    window, quota = KeyLimits(limit_5h_usd=0.05), KeyLimits(quota_usd=0.1)
    served = run(paying(world(1), window=Person(key=window), quota=Person(key=quota)), traffic)
    faults = {user: [one.fault for one in served if one.user == user] for user in ("window", "quota", "free")}
    late, empty = FaultKind.KEY_WINDOW_EXHAUSTED, FaultKind.KEY_QUOTA_EXHAUSTED
    assert faults["window"] == [None, late, late, None, late, late]
    assert faults["quota"] == [None, None, None, empty, empty, empty]
    assert faults["free"] == [None] * 6
    assert figures(served).refused_429 == 7


def test_a_personal_multiplier_takes_the_place_of_the_group_s(world: Any) -> None:
    dear = world(1, rate_multiplier=3)
    (plain,) = [figures(run(dear, [request(0)]))]
    own = figures(run(paying(dear, u=Person(multipliers={"pool": 0.5})), [request(0)]))
    assert own.list_cost_usd == plain.list_cost_usd
    assert own.charge_usd == pytest.approx(plain.charge_usd / 6, abs=1e-9)


def test_a_multiplier_for_a_group_that_is_not_there_is_named(world: Any) -> None:
    with pytest.raises(NoSuchGroup, match="'gone'"):
        run(paying(world(1), u=Person(multipliers={"gone": 2})), [request(0)])
