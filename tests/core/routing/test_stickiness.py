"""Staying with a warm cache is weighed against what it costs (decision 30)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate
from headgate.core.routing.explanation import explain
from headgate.core.routing.scoring import ScoreWeights
from headgate.core.routing.stickiness import (
    WARM_1H_MS,
    WARM_MS,
    Home,
    Stake,
    Stickiness,
    StickinessPrices,
    cache_value_nano,
    home_after,
    weigh,
)
from headgate.core.routing.verdicts import Reason, Rejection, Selected, WaitFor
from headgate.core.usage import TokenUsage
from headgate.core.world import Provider
from tests.core.routing.test_selection import NOW, candidate, chosen, select

CENT = 10_000_000
PRICES = StickinessPrices(second_nano=CENT)
HOME, OTHER = AccountId(1), AccountId(2)


def stake(value_nano: int, request_nano: int = CENT) -> Stake:
    return Stake(value_nano, request_nano, PRICES)


def one(number: int = 1, **live: Any) -> Candidate:
    return candidate(number, live=live)


@pytest.mark.parametrize(
    ("home", "other", "cause", "cost_nano"),
    [
        (one(in_use=2, waiting=1, answer_ms=10_000.0), one(2), "queueing", 10 * CENT),
        (one(ttft_ms=14_000.0), one(2, ttft_ms=2_000.0), "slowness", 12 * CENT),
        (one(error_rate=0.4), one(2), "errors", 4 * CENT + 4 * CENT // 10),
        (one(quota_left_nano=0), one(2), "scarcity", CENT),
        (one(shortfall_ppm=900_000), one(2, shortfall_ppm=400_000), "scarcity", CENT // 2),
    ],
)
def test_each_term_alone_ends_a_stay_that_is_worth_less(
    home: Candidate, other: Candidate, cause: str, cost_nano: int
) -> None:
    left = weigh(home, other, stake(min(CENT, cost_nano) - 1))
    assert (left.decision, left.cause, left.other) == ("leave", cause, OTHER)
    if cause != "errors":  # there the value itself is at risk
        assert left.cost_nano == cost_nano
    kept = weigh(home, other, stake(20 * CENT))
    assert (kept.decision, kept.cause) == ("stay", "")


def test_thinking_that_home_has_signed_is_waited_for_a_little_longer() -> None:
    home, other = one(in_use=2, waiting=1), one(2)  # 15 seconds
    assert weigh(home, other, stake(0)).decision == "leave"
    kept = weigh(home, other, stake(0)._replace(has_minted=True))
    assert (kept.decision, kept.minted_nano) == ("stay", 30 * CENT)
    longer = structs.replace(home, waiting=5)  # 45 seconds
    assert weigh(longer, other, stake(0)._replace(has_minted=True)).decision == "leave"


def test_an_unhealthy_home_is_left_for_a_healthier_account_whatever_its_cache_is_worth() -> None:
    sick = one(error_rate=0.5)
    assert weigh(sick, one(2), stake(10**15)).cause == "unhealthy"
    assert weigh(sick, one(2, error_rate=0.5), stake(10**15)).decision == "stay"


def test_quota_for_many_requests_is_not_scarce() -> None:
    assert weigh(one(quota_left_nano=20 * CENT), one(2), stake(0)).scarcity_nano == 0
    assert weigh(one(quota_left_nano=10 * CENT), one(2), stake(0)).scarcity_nano == CENT // 2


@pytest.mark.parametrize("provider", list(Provider))
def test_a_cache_is_worth_the_difference_of_prices_while_it_is_warm(provider: Provider) -> None:
    usage = TokenUsage(input=2_000, cache_read=90_000, cache_write_5m=8_000)
    home = home_after(None, HOME, usage, provider=provider, model="m", now_ms=NOW)
    tokens = 98_000 if provider is Provider.ANTHROPIC else 100_000
    assert home == Home(HOME, tokens, NOW + WARM_MS[provider], "m")
    prices = {"fresh_nano": 3_750_000_000, "cached_nano": 300_000_000}
    assert cache_value_nano(home, now_ms=NOW, **prices) == tokens * 3_450_000_000 // 1_000_000
    assert cache_value_nano(home, now_ms=home.warm_until_ms, **prices) == 0
    assert cache_value_nano(home, now_ms=NOW, fresh_nano=1, cached_nano=2) == 0
    assert cache_value_nano(Home(HOME), now_ms=NOW, **prices) is None


def after(before: Home | None, account: AccountId = HOME, model: str = "big", **usage: Any) -> Home:
    told = TokenUsage(**usage) if usage else None
    return home_after(before, account, told, provider=Provider.ANTHROPIC, model=model, now_ms=NOW)


def test_a_cache_for_an_hour_stays_warm_for_an_hour_also_when_it_is_only_read() -> None:
    hour = after(None, cache_write_1h=9_000)
    assert hour.warm_until_ms == NOW + WARM_1H_MS
    assert after(hour, cache_read=9_000).warm_until_ms == NOW + WARM_1H_MS
    assert after(hour, cache_write_5m=9_000).warm_until_ms == NOW + WARM_MS[Provider.ANTHROPIC]


def test_a_small_request_beside_the_conversation_does_not_hide_its_cache() -> None:
    big = after(None, cache_write_5m=90_000)
    assert after(big, model="small", input=200) == big
    assert after(big, model="small", cache_write_5m=95_000).model == "small"
    cold = structs.replace(big, warm_until_ms=NOW)
    assert after(cold, model="small", input=200).warm_tokens == 0


def test_an_answer_without_usage_leaves_what_is_known_and_a_new_account_knows_nothing() -> None:
    big = after(None, cache_write_5m=90_000)
    assert after(big) == big
    assert after(big, OTHER) == Home(OTHER)
    assert after(None) == Home(HOME)


def test_a_prompt_that_is_too_short_is_not_cached_by_itself() -> None:
    small = home_after(None, HOME, TokenUsage(input=900), provider=Provider.OPENAI, model="m", now_ms=NOW)
    assert small.warm_tokens == 0


LIVE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({
    "in_use": st.integers(0, 3), "waiting": st.integers(0, 3), "error_rate": st.floats(0, 1),
    "ttft_ms": st.none() | st.floats(0, 60_000), "answer_ms": st.none() | st.floats(0, 600_000),
    "quota_left_nano": st.none() | st.integers(-CENT, 30 * CENT),
})  # fmt: skip
HOMES, OTHERS = LIVE.map(lambda live: one(**live)), LIVE.map(lambda live: one(2, **live))
MONEY = st.integers(0, 200 * CENT)


@given(home=HOMES, other=OTHERS, value=MONEY, more=MONEY)
def test_a_warmer_cache_never_turns_staying_into_leaving(
    home: Candidate, other: Candidate, value: int, more: int
) -> None:
    if weigh(home, other, stake(value)).decision == "stay":
        assert weigh(home, other, stake(value + more)).decision == "stay"


@given(home=HOMES, other=OTHERS, value=MONEY, data=st.data())
def test_a_worse_home_never_turns_leaving_into_staying(
    home: Candidate, other: Candidate, value: int, data: st.DataObject
) -> None:
    left = data.draw(st.none() | st.integers(-CENT, 30 * CENT)) if home.quota_left_nano is None else -CENT
    worse = structs.replace(
        home,
        in_use=3,
        waiting=home.waiting + data.draw(st.integers(0, 3)),
        error_rate=data.draw(st.floats(home.error_rate, 1)),
        ttft_ms=None if home.ttft_ms is None else home.ttft_ms + data.draw(st.floats(0, 60_000)),
        quota_left_nano=left,
    )
    if weigh(home, other, stake(value)).decision == "leave":
        assert weigh(worse, other, stake(value)).decision == "leave"


@given(live=LIVE, value=MONEY)
def test_between_equals_the_conversation_stays_if_errors_do_not_eat_the_cache(
    live: dict[str, Any], value: int
) -> None:
    assert weigh(one(**live), one(2, **live), stake(value)).decision == "stay"


@given(home=HOMES, other=OTHERS, value=MONEY)
def test_no_account_is_worth_more_than_a_perfect_one(home: Candidate, other: Candidate, value: int) -> None:
    bound = weigh(home, None, stake(value))
    assert weigh(home, other, stake(value)).cost_nano <= bound.cost_nano
    if bound.decision == "stay":
        assert weigh(home, other, stake(value)).decision == "stay"


def test_a_conversation_leaves_a_queue_that_costs_more_than_its_cache_and_says_so() -> None:
    home, other = one(in_use=2, waiting=1), candidate(2, priority=90)
    result = select(home, other, candidate(3, priority=95), sticky_to=HOME, stake=stake(CENT))
    assert isinstance(result, Selected)
    assert (chosen(result), result.is_sticky) == (2, False)
    assert result.rejections == {1: Rejection(Reason.LEFT_HOME), 3: Rejection(Reason.LOWER_PRIORITY, 95)}
    assert explain(result)[0]["stickiness"] == {
        "decision": "leave", "cause": "queueing", "compared_with": 2, "cache_value_nano": CENT,
        "minted_value_nano": 0,
        "queueing_nano": 15 * CENT, "errors_nano": 0, "slowness_nano": 0, "scarcity_nano": 0,
    }  # fmt: skip


def test_a_valuable_cache_is_queued_for() -> None:
    result = select(one(in_use=2, waiting=1), one(2), sticky_to=HOME, stake=stake(16 * CENT))
    assert isinstance(result, WaitFor)
    assert (chosen(result), result.is_sticky, result.max_waiting) == (1, True, 3)
    assert explain(result)[0]["stickiness"]["decision"] == "stay"


def test_without_a_known_value_the_conversation_stays_as_ever() -> None:
    result = select(one(in_use=2, waiting=1), one(2), sticky_to=HOME)
    assert isinstance(result, WaitFor)
    assert "stickiness" not in explain(result)[0]


def test_a_home_that_nobody_can_replace_is_kept() -> None:
    sick = one(error_rate=0.9)
    result = select(sick, candidate(2, is_schedulable=False), sticky_to=HOME, stake=stake(0))
    assert (chosen(result), explain(result)[0]["stickiness"]["decision"]) == (1, "stay")


POOLS = st.lists(LIVE, min_size=1, max_size=6).map(
    lambda drawn: [candidate(n, live=live, priority=n % 2) for n, live in enumerate(drawn, 1)]
)


@given(
    pool=POOLS, value=MONEY, seed=st.integers(0, 2**64), scoring=st.sampled_from([None, ScoreWeights()]),
    home=st.integers(1, 6).map(AccountId),
)  # fmt: skip
def test_whatever_is_weighed_everybody_else_has_a_reason_and_the_choice_is_the_same_again(
    pool: list[Candidate], value: int, seed: int, scoring: ScoreWeights | None, home: AccountId
) -> None:
    def choose(candidates: list[Candidate]) -> Selected | WaitFor:
        result = select(*candidates, sticky_to=home, seed=seed, scoring=scoring, stake=stake(value))
        assert isinstance(result, Selected | WaitFor)
        return result

    result = choose(pool)
    assert set(result.rejections) | {result.account.id} == {c.account.id for c in pool}
    assert result.account.id not in result.rejections
    assert choose(pool[::-1]) == result
    balance: Stickiness | None = result.stickiness
    if balance is not None:
        assert (balance.decision == "stay") == result.is_sticky
