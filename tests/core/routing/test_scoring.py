"""Scores and the draw among the best (spec 3.5)."""

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.routing.candidates import Candidate
from headgate.core.routing.scoring import (
    Field,
    Score,
    ScoreWeights,
    best_of,
    bundle_of,
    draw,
    scales_of,
    scores_of,
)
from headgate.core.routing.selection import select_account
from headgate.core.routing.verdicts import Selected
from tests.core.routing.test_selection import NOW, WANTED, candidate

W = ScoreWeights()


def field_of(pool: Sequence[Candidate]) -> Field:
    bundles: dict[int, list[Candidate]] = {}
    for one in pool:
        bundles.setdefault(bundle_of(one.account.priority, one.load_rate), []).append(one)
    known = [one.ttft_ms for one in pool if one.ttft_ms is not None]
    longest = max((one.waiting for one in pool), default=0)
    return Field(bundles, {}, longest, min(known, default=math.inf), max(known, default=-math.inf))


def scored(pool: Sequence[Candidate]) -> list[Score]:
    scores = scores_of(field_of(pool), W)
    return [scores[one.account.id] for one in pool]


def best(pool: Sequence[Candidate], top_k: int) -> list[int]:
    """The indexes of the best."""
    field = field_of(pool)
    return [pool.index(place[-1]) for place in best_of(field.free, scales_of(field, W), W, top_k)]


def totals(*pool: Candidate) -> list[float]:
    return [round(score.total, 6) for score in scored(pool)]


def test_an_account_alone_has_the_full_score_but_for_its_unknown_speed() -> None:
    assert totals(candidate(1)) == [1.0 + 1.0 + 0.7 + 0.8 + 0.25]


def test_nobody_has_no_scores() -> None:
    assert scored([]) == []


@pytest.mark.parametrize(
    ("better", "worse", "difference"),
    [
        ({"priority": 1}, {"priority": 9}, 1.0),
        ({"live": {"in_use": 0}}, {"live": {"in_use": 1}}, 0.5),
        ({"concurrency": 1, "live": {"in_use": 1}}, {"concurrency": 1, "live": {"in_use": 9}}, 0),
        ({"concurrency": 0}, {"concurrency": 0, "live": {"waiting": 4}}, 1.7),
        ({"live": {"error_rate": 0.25}}, {"live": {"error_rate": 0.75}}, 0.4),
        ({"live": {"ttft_ms": 100.0}}, {"live": {"ttft_ms": 900.0}}, 0.5),
        ({"live": {"ttft_ms": 100.0}}, {}, 0.25),
    ],
)
def test_each_term_has_its_weight(better: Any, worse: Any, difference: float) -> None:
    good, bad = totals(candidate(1, **better), candidate(2, **worse))
    assert good - bad == pytest.approx(difference)


def test_ties_are_broken_by_id() -> None:
    pool = [candidate(3), candidate(1), candidate(2)]
    assert best(pool, 2) == [1, 2]


def test_the_draw_is_as_even_as_the_weights_say() -> None:
    counts = [0, 0]
    for seed in range(4000):
        counts[draw([3.0, 1.0], seed)] += 1
    assert 0.72 < counts[0] / 4000 < 0.78  # 3 to 1


LIVE = st.fixed_dictionaries({
    "in_use": st.integers(0, 9), "waiting": st.integers(0, 9), "error_rate": st.floats(0, 1),
    "ttft_ms": st.none() | st.floats(0, 1e7),
})  # fmt: skip
POOLS = st.lists(st.tuples(LIVE, st.integers(-5, 100), st.integers(0, 4)), min_size=1, max_size=12).map(
    lambda drawn: [
        candidate(n, live=live, priority=priority, concurrency=slots)
        for n, (live, priority, slots) in enumerate(drawn, 1)
    ]
)


@given(pool=POOLS)
def test_every_term_lies_between_nothing_and_its_weight(pool: list[Candidate]) -> None:
    for score in scored(pool):
        limits = (W.priority, W.load, W.queue, W.error_rate, W.ttft)
        assert all(-1e-9 <= term <= limit + 1e-9 for term, limit in zip(score[1:], limits, strict=True))
        assert score.total == pytest.approx(sum(score[1:]))


@given(pool=POOLS, seed=st.integers(0, 2**64 - 1), shuffle=st.randoms())
def test_the_order_of_the_accounts_does_not_matter(
    pool: list[Candidate], seed: int, shuffle: random.Random
) -> None:
    def pick(accounts: list[Candidate]) -> int:
        scores, top = scored(accounts), best(accounts, W.top_k)
        return accounts[top[draw([scores[i].total for i in top], seed)]].account.id

    first = pick(pool)
    again = list(pool)
    shuffle.shuffle(again)
    assert pick(again) == first


@given(weights=st.lists(st.floats(0, 4), min_size=1, max_size=7), seed=st.integers(0, 2**64 - 1))
def test_the_draw_always_falls_on_one_of_them(weights: list[float], seed: int) -> None:
    assert 0 <= draw(weights, seed) < len(weights)


@given(pool=POOLS, top_k=st.integers(1, 12))
def test_nobody_outside_the_best_has_a_better_score(pool: list[Candidate], top_k: int) -> None:
    scores, top = scored(pool), best(pool, top_k)
    assert len(top) == min(top_k, len(pool))
    others = [score.total for index, score in enumerate(scores) if index not in top]
    assert max(others, default=-1.0) <= min(scores[index].total for index in top)


FEW_VALUES = st.tuples(
    st.integers(1, 3), st.integers(0, 4), st.sampled_from([0.0, 0.5]), st.sampled_from([None, 200.0, 900.0])
)


@given(drawn=st.lists(FEW_VALUES, min_size=30, max_size=90), top_k=st.integers(1, 8), shuffle=st.randoms())
def test_the_best_of_many_are_those_that_sorting_everybody_would_find(
    drawn: list[tuple[int, int, float, float | None]], top_k: int, shuffle: random.Random
) -> None:
    """With many equals, so that places are cut off and whole bundles passed over."""
    pool = [
        candidate(
            n, priority=priority, concurrency=4, live={"in_use": used, "error_rate": bad, "ttft_ms": ms}
        )
        for n, (priority, used, bad, ms) in enumerate(drawn, 1)
    ]
    shuffle.shuffle(pool)
    field = field_of(pool)
    every = best_of(field.free, scales_of(field, W), W, len(pool))
    assert [place[-1].account.id for place in every] == [place[-1].account.id for place in sorted(every)]
    assert len(every) == len(pool)
    assert best_of(field.free, scales_of(field, W), W, top_k) == every[:top_k]
    totals_by_id = {account_id: score.total for account_id, score in scores_of(field, W).items()}
    assert all(totals_by_id[place[-1].account.id] == -place[0] for place in every)


@pytest.mark.parametrize("in_use", [3, 15, 16, 39, 45])
def test_the_load_of_many_requests_is_what_that_of_few_is(in_use: int) -> None:
    """Also beyond the table of loads that accounts have at hand."""
    busy = candidate(1, concurrency=0, load_factor=40, live={"in_use": in_use})
    selection = select_account(
        [busy, candidate(2, concurrency=9)], wanted=WANTED, sticky_to=None,
        excluded=frozenset(), now_ms=NOW, seed=1, scoring=W,
    )  # fmt: skip
    assert isinstance(selection, Selected)
    assert selection.scores[busy.account.id].load == 1 - min(in_use * 100 // 40, 100) / 100
