"""What the trace keeps of a choice: everything of a usual group, a bounded part of a large one, nobody
uncounted."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.selection import NOW_MS, WANTED, group
from headgate.core.routing.explanation import MOST_LINES, PER_REASON, explain
from headgate.core.routing.scoring import ScoreWeights
from headgate.core.routing.selection import select_account
from headgate.core.routing.verdicts import Selection


def choose(size: int, *, scoring: ScoreWeights | None = None, priorities: int = 3) -> Selection:
    return select_account(
        group(size, priorities), wanted=WANTED, sticky_to=None, excluded=frozenset(), now_ms=NOW_MS, seed=3,
        scoring=scoring,
    )  # fmt: skip


@pytest.mark.parametrize("scoring", [None, ScoreWeights()])
def test_a_usual_group_is_told_in_full(scoring: ScoreWeights | None) -> None:
    lines = explain(choose(MOST_LINES, scoring=scoring))
    assert {line["account_id"] for line in lines} == set(range(1, MOST_LINES + 1))


@given(size=st.integers(1, 400), priorities=st.integers(1, 4), is_scored=st.booleans())
def test_nobody_goes_uncounted_and_what_is_kept_is_bounded(
    size: int, priorities: int, is_scored: bool
) -> None:
    selection = choose(size, scoring=ScoreWeights() if is_scored else None, priorities=priorities)
    *told, last = explain(selection)
    more = last.get("more", {})
    kept = Counter(line["reason"].value for line in ([*told, last] if not more else told)[1:])
    everybody = Counter(rejection.reason.value for rejection in selection.rejections.values())
    assert kept + Counter(more) == everybody
    if size > MOST_LINES + 1:
        assert max(kept.values()) <= PER_REASON


def test_scores_of_those_who_are_kept_are_what_they_are_among_all() -> None:
    selection = choose(300, scoring=ScoreWeights())
    told = {line["account_id"]: line["score"] for line in explain(selection)[:-1] if "score" in line}
    all_scores = selection.scores  # type: ignore[union-attr]
    assert len(told) > 3
    for account_id, terms in told.items():
        for name, value in terms.items():
            assert value == pytest.approx(getattr(all_scores[account_id], name), abs=1e-4)
