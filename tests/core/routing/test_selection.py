"""Selection picks one account and says why not the others (spec 3.4, DESIGN 6)."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate, WaitLimits, Wanted
from headgate.core.routing.explanation import explain
from headgate.core.routing.justification import WhenRead
from headgate.core.routing.scoring import ScoreWeights
from headgate.core.routing.selection import select_account
from headgate.core.routing.verdicts import (
    NoneEligible,
    Reason,
    Rejection,
    Selected,
    Selection,
    WaitFor,
)
from headgate.core.world import Account, CredentialKind, Dialect, Provider
from headgate.kit.secret import Secret

NOW = 1_750_000_000_000
WANTED = Wanted(dialect=Dialect.ANTHROPIC_MESSAGES, provider=Provider.ANTHROPIC, model="claude-sonnet-4-5")
LIMITS = WaitLimits(
    sticky_timeout_s=120, sticky_max_waiting=3, fallback_timeout_s=30, fallback_max_waiting=100
)


@dataclass(frozen=True)
class Cooling:
    until_ms: int
    model: str = ""
    reason: str = "rate_limited"


def account(number: int, **changes: Any) -> Account:
    plain = Account(
        id=AccountId(number),
        name=f"account {number}",
        provider=Provider.ANTHROPIC,
        credential_kind=CredentialKind.API_KEY,
        secret=Secret("x"),
        base_url="https://api.example",
        concurrency=2,
    )
    return replace(plain, **changes)


def candidate(number: int, *, live: dict[str, Any] | None = None, **changes: Any) -> Candidate:
    return Candidate(account=account(number, **changes), **(live or {}))


def select(*pool: Candidate, **changes: Any) -> Selection:
    options: dict[str, Any] = {
        "wanted": WANTED, "sticky_to": None, "excluded": frozenset(), "now_ms": NOW, "seed": 1,
        "limits": LIMITS,
    }  # fmt: skip
    return select_account(pool, **(options | changes))


def chosen(selection: Selection) -> int:
    assert isinstance(selection, Selected | WaitFor)
    return selection.account.id


def test_the_lower_priority_number_wins() -> None:
    result = select(candidate(1, priority=60), candidate(2, priority=10))
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.LOWER_PRIORITY, 60)}


def test_within_a_priority_the_lower_load_rate_wins() -> None:
    result = select(candidate(1, live={"in_use": 1}), candidate(2, concurrency=10, live={"in_use": 2}))
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.HIGHER_LOAD, 50)}


def test_among_equal_loads_the_least_recently_used_wins() -> None:
    result = select(candidate(1, live={"last_used_ms": 9}), candidate(2, live={"last_used_ms": 5}))
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.USED_MORE_RECENTLY, 9)}


def test_many_that_lost_alike_are_told_so_each() -> None:
    busy = [candidate(n, live={"in_use": 1}) for n in (2, 3)]
    result = select(candidate(1), *busy, candidate(4, priority=60), candidate(5, priority=60))
    load, priority = Rejection(Reason.HIGHER_LOAD, 50), Rejection(Reason.LOWER_PRIORITY, 60)
    assert result.rejections == {2: load, 3: load, 4: priority, 5: priority}


def test_never_used_comes_before_used() -> None:
    assert chosen(select(candidate(1, live={"last_used_ms": 0}), candidate(2))) == 2


def test_equals_are_drawn_by_the_seed_and_the_draw_is_repeatable() -> None:
    pool = [candidate(number) for number in range(1, 6)]
    draws = [chosen(select(*pool, seed=seed)) for seed in range(500)]
    assert draws == [chosen(select(*pool, seed=seed)) for seed in range(500)]
    assert all(60 < draws.count(number) < 140 for number in range(1, 6))


def test_the_losers_of_a_draw_are_told_so() -> None:
    result = select(candidate(1), candidate(2))
    assert list(result.rejections.values()) == [Rejection(Reason.LOST_TIE)]


def test_load_rate_uses_the_load_factor_when_there_is_one() -> None:
    assert candidate(1, load_factor=4, live={"in_use": 1, "waiting": 2}).load_rate == 75


def test_load_rate_of_an_unlimited_account_counts_against_one() -> None:
    assert candidate(1, concurrency=0, live={"in_use": 3}).load_rate == 300


def test_a_load_factor_of_zero_means_none() -> None:
    assert candidate(1, load_factor=0, concurrency=4, live={"in_use": 1}).load_rate == 25


def test_an_account_at_its_load_factor_yields_to_a_lower_priority() -> None:
    crowded = candidate(1, priority=1, concurrency=10, load_factor=2, live={"in_use": 2})
    result = select(crowded, candidate(2, priority=90))
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.HIGHER_LOAD, 100)}


def test_an_unlimited_account_is_never_full() -> None:
    result = select(candidate(1, concurrency=0, live={"in_use": 500}))
    assert isinstance(result, Selected)


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        (candidate(1, is_schedulable=False), Rejection(Reason.DISABLED)),
        (candidate(1, expires_at_ms=NOW), Rejection(Reason.EXPIRED, NOW)),
        (candidate(1, provider=Provider.OPENAI), Rejection(Reason.WRONG_PROVIDER)),
        (candidate(1, model_mapping={"gpt-*": "gpt-5"}), Rejection(Reason.MODEL_UNSUPPORTED)),
        (candidate(1, cooldown_until_ms=NOW + 5), Rejection(Reason.COOLING_DOWN, NOW + 5, "stored")),
        (
            candidate(1, live={"cooldowns": (Cooling(NOW + 9), Cooling(NOW + 3, reason="x"))}),
            Rejection(Reason.COOLING_DOWN, NOW + 9, "rate_limited"),
        ),
        (
            candidate(1, live={"cooldowns": (Cooling(NOW + 9, model="claude-sonnet-4-5"),)}),
            Rejection(Reason.COOLING_DOWN, NOW + 9, "rate_limited"),
        ),
    ],
)
def test_an_account_that_cannot_serve_is_named_with_its_reason(pool: Candidate, why: Rejection) -> None:
    assert select(pool) == NoneEligible(rejections={AccountId(1): why})


def test_an_account_that_failed_in_this_exchange_is_excluded() -> None:
    result = select(candidate(1), excluded=frozenset({AccountId(1)}))
    assert result.rejections == {1: Rejection(Reason.EXCLUDED)}


def test_a_dialect_that_the_provider_does_not_speak_needs_translation() -> None:
    result = select(candidate(1), wanted=structs.replace(WANTED, dialect=Dialect.OPENAI_CHAT))
    assert result.rejections == {1: Rejection(Reason.NO_SUCH_DIALECT)}


@pytest.mark.parametrize("cooling", [Cooling(NOW), Cooling(NOW + 9, model="another-model")])
def test_cooldowns_that_ended_or_concern_another_model_do_not_matter(cooling: Cooling) -> None:
    assert isinstance(select(candidate(1, live={"cooldowns": (cooling,)})), Selected)


def test_a_cooldown_of_the_upstream_model_counts() -> None:
    mapped = candidate(
        1,
        model_mapping={"claude-*": "vendor-model"},
        live={"cooldowns": (Cooling(NOW + 9, model="vendor-model"),)},
    )
    assert isinstance(select(mapped), NoneEligible)


def test_the_choice_carries_the_upstream_model() -> None:
    result = select(candidate(1, model_mapping={"claude-*": "vendor-model"}))
    assert isinstance(result, Selected)
    assert result.upstream_model == "vendor-model"


def test_the_sticky_account_is_taken_although_another_is_preferred() -> None:
    result = select(candidate(1, priority=90), candidate(2, priority=1), sticky_to=AccountId(1))
    assert isinstance(result, Selected)
    assert result.is_sticky
    assert chosen(result) == 1
    assert result.rejections == {2: Rejection(Reason.NOT_STICKY)}


def test_a_full_sticky_account_is_waited_for() -> None:
    result = select(candidate(1, live={"in_use": 2, "waiting": 2}), candidate(2), sticky_to=AccountId(1))
    assert isinstance(result, WaitFor)
    assert (result.is_sticky, result.timeout_s, result.max_waiting) == (True, 120, 3)
    assert chosen(result) == 1


def test_a_sticky_account_with_a_long_queue_is_given_up() -> None:
    result = select(candidate(1, live={"in_use": 2, "waiting": 3}), candidate(2), sticky_to=AccountId(1))
    assert isinstance(result, Selected)
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.FULL, 3)}


def test_a_sticky_account_that_cannot_serve_is_given_up() -> None:
    result = select(candidate(1, is_schedulable=False), candidate(2), sticky_to=AccountId(1))
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.DISABLED)}


def routed(*pool: Candidate, to: set[int], **changes: Any) -> Selection:
    accounts = frozenset(AccountId(number) for number in to)
    return select(*pool, wanted=structs.replace(WANTED, routed_to=accounts), **changes)


def test_model_routing_comes_before_priority() -> None:
    result = routed(candidate(1, priority=1), candidate(2, priority=90), candidate(3, priority=95), to={2, 3})
    assert chosen(result) == 2
    assert result.rejections == {
        1: Rejection(Reason.NOT_ROUTED),
        3: Rejection(Reason.LOWER_PRIORITY, 95),
    }


def test_a_conversation_elsewhere_follows_the_model_routing() -> None:
    result = routed(candidate(1), candidate(2), to={2}, sticky_to=AccountId(1))
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.NOT_ROUTED)}


def test_a_conversation_on_a_routed_account_stays_there() -> None:
    result = routed(candidate(1), candidate(2, priority=90), to={1, 2}, sticky_to=AccountId(2))
    assert isinstance(result, Selected)
    assert (chosen(result), result.is_sticky) == (2, True)


def test_full_routed_accounts_are_waited_for_a_little() -> None:
    result = routed(candidate(1), candidate(2, live={"in_use": 2, "waiting": 2}), to={2})
    assert isinstance(result, WaitFor)
    assert (chosen(result), result.timeout_s, result.max_waiting) == (2, 120, 3)
    assert result.rejections == {1: Rejection(Reason.NOT_ROUTED)}


@pytest.mark.parametrize(
    ("closed", "why"),
    [
        ({"live": {"in_use": 2, "waiting": 3}}, Rejection(Reason.FULL, 3)),
        ({"is_schedulable": False}, Rejection(Reason.DISABLED)),
    ],
)
def test_without_a_routed_account_that_can_serve_all_others_do(
    closed: dict[str, Any], why: Rejection
) -> None:
    result = routed(candidate(1), candidate(2, **closed), to={2})
    assert chosen(result) == 1
    assert result.rejections == {2: why}


def test_a_route_to_an_account_that_is_gone_is_ignored_and_shown() -> None:
    result = routed(candidate(1), to={77})
    assert chosen(result) == 1
    assert {"account_id": 77, "outcome": "rejected", "reason": "gone"} in explain(result)
    assert routed(to={77}) == NoneEligible(rejections={AccountId(77): Rejection(Reason.GONE)})


def test_nobody_overtakes_a_queue() -> None:
    """A slot that is free while somebody waits is already promised."""
    result = select(candidate(1, priority=1, live={"in_use": 1, "waiting": 1}), candidate(2, priority=90))
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.FULL, 1)}


def test_when_all_are_full_the_best_is_waited_for() -> None:
    result = select(
        candidate(1, live={"in_use": 2, "waiting": 4}), candidate(2, live={"in_use": 2, "waiting": 1})
    )
    assert isinstance(result, WaitFor)
    assert (result.is_sticky, result.timeout_s, result.max_waiting) == (False, 30, 100)
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.FULL, 4)}


def test_a_queue_with_room_is_preferred_to_a_better_account_without() -> None:
    result = select(
        candidate(1, priority=1, live={"in_use": 2, "waiting": 100}),
        candidate(2, live={"in_use": 2, "waiting": 1}),
    )
    assert chosen(result) == 2


def test_when_no_queue_has_room_the_best_queue_refuses() -> None:
    result = select(candidate(1, live={"in_use": 2, "waiting": 100}))
    assert isinstance(result, WaitFor)


def test_an_empty_pool_has_nobody() -> None:
    assert select() == NoneEligible(rejections={})


def test_nobody_eligible_says_when_the_first_cooldown_ends() -> None:
    result = select(
        candidate(1, cooldown_until_ms=NOW + 900),
        candidate(2, cooldown_until_ms=NOW + 400),
        candidate(3, expires_at_ms=1),
    )
    assert isinstance(result, NoneEligible)
    assert result.retry_at_ms == NOW + 400


def test_an_overloaded_account_is_avoided_while_there_is_another() -> None:
    result = select(
        candidate(1, priority=1, live={"cooldowns": (Cooling(NOW + 900, reason="overloaded"),)}), candidate(2)
    )
    assert chosen(result) == 2


@pytest.mark.parametrize("is_stored", [True, False])
def test_an_overloaded_account_is_the_last_resort(*, is_stored: bool) -> None:
    live = {} if is_stored else {"cooldowns": (Cooling(NOW + 900, reason="overloaded"),)}
    overloaded = candidate(1, overloaded_until_ms=NOW + 900 if is_stored else 0, live=live)
    result = select(overloaded, candidate(2, cooldown_until_ms=NOW + 5))
    assert isinstance(result, Selected)
    assert (result.account.id, result.is_last_resort) == (1, True)
    assert explain(result)[0]["last_resort"] is True


def test_a_rate_limit_beside_an_overload_is_respected() -> None:
    both = (Cooling(NOW + 900, reason="overloaded"), Cooling(NOW + 5))
    assert isinstance(select(candidate(1, live={"cooldowns": both})), NoneEligible)


def test_without_cooldowns_there_is_no_time_to_retry() -> None:
    assert NoneEligible(rejections={AccountId(1): Rejection(Reason.DISABLED)}).retry_at_ms is None


def test_the_trace_shows_the_choice_and_every_reason() -> None:
    lines = explain(
        select(
            candidate(1),
            candidate(2, priority=77),
            candidate(3, cooldown_until_ms=NOW + 1),
            candidate(4, is_schedulable=False),
        )
    )
    assert lines == [
        {"account_id": 1, "outcome": "selected", "sticky": False, "upstream_model": "claude-sonnet-4-5"},
        {
            "account_id": 3,
            "outcome": "rejected",
            "reason": "cooling_down",
            "until_ms": NOW + 1,
            "detail": "stored",
        },
        {"account_id": 4, "outcome": "rejected", "reason": "disabled"},
        {"account_id": 2, "outcome": "rejected", "reason": "lower_priority", "priority": 77},
    ]


def test_the_trace_of_a_wait_shows_its_limits() -> None:
    lines = explain(select(candidate(1, live={"in_use": 2})))
    assert lines == [
        {
            "account_id": 1, "outcome": "wait", "sticky": False, "upstream_model": "claude-sonnet-4-5",
            "timeout_s": 30, "max_waiting": 100,
        }
    ]  # fmt: skip


def test_the_trace_of_nobody_lists_only_reasons() -> None:
    assert [line["reason"] for line in explain(select(candidate(1, expires_at_ms=5)))] == ["expired"]


WEIGHTS = ScoreWeights()


def scored(*pool: Candidate, **changes: Any) -> Selection:
    return select(*pool, **({"scoring": WEIGHTS} | changes))


def test_the_scored_policy_draws_among_the_best_and_the_draw_is_repeatable() -> None:
    pool = [candidate(number, priority=number) for number in range(1, 11)]
    draws = [chosen(scored(*pool, seed=seed)) for seed in range(700)]
    assert draws == [chosen(scored(*pool, seed=seed)) for seed in range(700)]
    counts = [draws.count(number) for number in range(1, 11)]
    assert counts[7:] == [0, 0, 0]
    assert counts[0] > counts[6] > 30


def test_whoever_is_not_drawn_or_not_among_the_best_is_told_so_with_every_term_of_its_score() -> None:
    pool = [candidate(n, priority=n, live={"error_rate": 0.5, "ttft_ms": n * 100}) for n in (1, 2, 3)]
    result = scored(*pool, scoring=ScoreWeights(top_k=2), seed=5)
    lines = explain(result)
    assert sorted(str(line.get("reason")) for line in lines) == ["None", "lower_score", "not_drawn"]
    by_account = {line["account_id"]: line["score"] for line in lines}
    assert by_account[1] == {
        "total": 3.6, "priority": 1.0, "load": 1.0, "queue": 0.7, "error_rate": 0.4, "ttft": 0.5,
    }  # fmt: skip
    assert by_account[3]["total"] == pytest.approx(2.1)


def test_a_conversation_stays_under_the_scored_policy_too() -> None:
    result = scored(candidate(1), candidate(2, priority=90), sticky_to=AccountId(2))
    assert isinstance(result, Selected)
    assert (chosen(result), result.is_sticky) == (2, True)


def test_under_the_scored_policy_a_free_account_comes_before_a_better_full_one() -> None:
    full = candidate(1, priority=1, live={"in_use": 2})
    result = scored(full, candidate(2, priority=90))
    assert isinstance(result, Selected)
    assert chosen(result) == 2
    assert result.rejections == {1: Rejection(Reason.FULL, 0)}
    assert set(result.scores) == {1, 2}


def test_under_the_scored_policy_the_best_queue_with_room_is_waited_for() -> None:
    long = candidate(1, priority=1, live={"in_use": 2, "waiting": 100})
    short = candidate(2, priority=90, live={"in_use": 2, "waiting": 1})
    result = scored(long, short, candidate(3, is_schedulable=False))
    assert isinstance(result, WaitFor)
    assert (chosen(result), result.timeout_s, result.max_waiting) == (2, 30, 100)
    assert result.rejections == {1: Rejection(Reason.FULL, 100), 3: Rejection(Reason.DISABLED)}
    assert chosen(scored(long)) == 1
    assert scored(candidate(3, is_schedulable=False)) == NoneEligible(
        rejections={AccountId(3): Rejection(Reason.DISABLED)}
    )


LIVE = st.fixed_dictionaries({
    "in_use": st.integers(0, 4), "waiting": st.integers(0, 3), "last_used_ms": st.none() | st.integers(0, 9),
})  # fmt: skip
CHANGES = st.fixed_dictionaries({
    "priority": st.integers(1, 3), "concurrency": st.integers(0, 4), "is_schedulable": st.booleans(),
    "cooldown_until_ms": st.sampled_from([0, NOW + 1]), "load_factor": st.none() | st.integers(0, 5),
})  # fmt: skip
POOLS = st.lists(st.tuples(LIVE, CHANGES), max_size=8).map(
    lambda drawn: [candidate(n, live=live, **changes) for n, (live, changes) in enumerate(drawn, 1)]
)


SCORING = st.sampled_from([None, WEIGHTS, ScoreWeights(top_k=1)])
ROUTED = st.frozensets(st.integers(1, 9).map(AccountId), max_size=3)
SEEDS = st.integers(0, 2**64)


@given(pool=POOLS, sticky=st.none() | st.integers(1, 8), seed=SEEDS, scoring=SCORING, to=ROUTED)
def test_everybody_is_either_chosen_or_rejected(
    pool: list[Candidate],
    sticky: int | None,
    seed: int,
    scoring: ScoreWeights | None,
    to: frozenset[AccountId],
) -> None:
    wanted = structs.replace(WANTED, routed_to=to)
    result = select(*pool, wanted=wanted, sticky_to=sticky, seed=seed, scoring=scoring)
    named = set(result.rejections) | (set() if isinstance(result, NoneEligible) else {result.account.id})
    assert named == {c.account.id for c in pool} | to
    assert isinstance(result, NoneEligible) or result.account.id not in result.rejections
    assert [line["account_id"] for line in explain(result)].count(1) <= 1


@given(pool=POOLS, seed=SEEDS, scoring=SCORING, to=ROUTED)
def test_a_selected_account_is_never_full(
    pool: list[Candidate], seed: int, scoring: ScoreWeights | None, to: frozenset[AccountId]
) -> None:
    result = select(*pool, wanted=structs.replace(WANTED, routed_to=to), seed=seed, scoring=scoring)
    if isinstance(result, Selected):
        assert not next(c for c in pool if c.account is result.account).is_full


@given(pool=POOLS, seed=SEEDS, sticky=st.none() | st.integers(1, 8))
def test_who_lost_by_its_load_had_the_load_of_the_candidate_and_whoever_is_full_was_full(
    pool: list[Candidate], seed: int, sticky: int | None
) -> None:
    """The loop over everybody asks load and slots in place; it must not part from the candidates' own
    words."""
    for account_id, rejection in select(*pool, seed=seed, sticky_to=sticky).rejections.items():
        loser = pool[account_id - 1]
        if rejection.reason is Reason.HIGHER_LOAD:
            assert rejection.value == loser.load_rate
        assert not (rejection.reason is Reason.FULL and not loser.is_full)


@given(pool=POOLS, seed=SEEDS)
def test_nobody_that_is_free_comes_before_the_chosen_one(pool: list[Candidate], seed: int) -> None:
    """The loop passes over whole priorities; it must not pass over the best."""

    def order(one: Candidate) -> tuple[bool, int, int, int]:
        used = -1 if one.last_used_ms is None else one.last_used_ms
        return one.is_overloaded, one.account.priority, one.load_rate, used

    free = [c for c in pool if c.account.is_schedulable and not c.account.cooldown_until_ms and not c.is_full]
    result = select(*pool, seed=seed)
    assert isinstance(result, Selected) == bool(free)
    if isinstance(result, Selected):
        chosen_one = next(c for c in pool if c.account is result.account)
        assert order(chosen_one) == min(map(order, free))


def test_reasons_are_a_mapping_like_any_other_and_made_once() -> None:
    made = []

    def make() -> dict[AccountId, int]:
        made.append(1)
        return {AccountId(1): 5}

    late = WhenRead(make)
    assert made == []
    assert late == {1: 5}
    assert (late[AccountId(1)], len(late), list(late), list(late.values())) == (5, 1, [1], [5])
    assert repr(late) == "{1: 5}"
    assert made == [1]


@given(pool=POOLS, seed=SEEDS, scoring=SCORING)
def test_the_order_of_the_candidates_does_not_matter(
    pool: list[Candidate], seed: int, scoring: ScoreWeights | None
) -> None:
    assert select(*pool, seed=seed, scoring=scoring) == select(*reversed(pool), seed=seed, scoring=scoring)


@given(pool=POOLS.filter(bool), seed=SEEDS, scoring=SCORING)
def test_whoever_is_excluded_counts_as_if_it_were_not_there(
    pool: list[Candidate], seed: int, scoring: ScoreWeights | None
) -> None:
    """The loops ask about the commonest accounts in place; exclusions must not slip through."""
    out = frozenset(one.account.id for one in pool[::2])
    result = select(*pool, excluded=out, seed=seed, scoring=scoring)
    alone = select(*pool[1::2], seed=seed, scoring=scoring)
    assert type(result) is type(alone)
    assert isinstance(result, NoneEligible) or chosen(result) == chosen(alone)
    assert all(result.rejections[account_id].reason is Reason.EXCLUDED for account_id in out)
