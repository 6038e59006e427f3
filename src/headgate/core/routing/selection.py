"""Selection: which account serves the next attempt, and why no other (spec 3.4, 3.6; DESIGN 6).

Knows: candidates with their live counters, the one order of preference. Refuses to know: stores, slots taken
for real, clocks. Invariants: pure, so the same inputs give the same answer (`headgate simulate` replays it);
every candidate that was not chosen has exactly one rejection (made when it is read first: `justification`);
an account that is full is never chosen, and nobody overtakes those who wait for it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from msgspec import structs

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import (
    DEFAULT_WAIT_LIMITS,
    Candidate,
    WaitLimits,
    Wanted,
)
from headgate.core.routing.eligibility import Demand, judge, served_model, usual_provider
from headgate.core.routing.health import SOFT_CAUSES
from headgate.core.routing.justification import (
    ScoresWhenRead,
    WhenRead,
    left_home,
    lost_in_layers,
    lost_in_scores,
    lost_to_home,
    rejections_of,
    unable,
)
from headgate.core.routing.scoring import Score, ScoreWeights, best_of, draw, scores_of, totals_of
from headgate.core.routing.stickiness import Stake, Stickiness, weigh
from headgate.core.routing.verdicts import (
    NO_SCORES,
    NoneEligible,
    Rejection,
    Rejections,
    Scores,
    Selected,
    Selection,
    WaitFor,
)

_Found = tuple[Selected | WaitFor, Candidate]


class _Why(NamedTuple):
    """What the reasons of all others will be made from."""

    candidates: Sequence[Candidate]
    demand: Demand
    is_routed: bool

    def __call__(self, chosen: Candidate, lost: Callable[[Candidate], Rejection]) -> Rejections:
        """`lost`: why one that could have served was not chosen."""
        make = partial(rejections_of, self.candidates, self.demand, chosen, lost, is_routed=self.is_routed)
        return WhenRead(make)


class _WhyNotHome(NamedTuple):
    """The same after the conversation has left its account."""

    why: _Why
    home: Candidate

    def __call__(self, chosen: Candidate, lost: Callable[[Candidate], Rejection]) -> Rejections:
        return self.why(chosen, left_home(self.home, lost))


def select_account(
    candidates: Sequence[Candidate],
    *,
    wanted: Wanted,
    sticky_to: AccountId | None,
    excluded: frozenset[AccountId],
    now_ms: int,
    seed: int,
    limits: WaitLimits = DEFAULT_WAIT_LIMITS,
    scoring: ScoreWeights | None = None,
    stake: Stake | None = None,
) -> Selection:
    """Pick the account for the next attempt: the sticky one (with
    `stake`: while it is worth it), else by priority, load, least recent use, seeded
    draw; with `scoring` by a seeded draw among the best scores instead. Accounts that cool down after an
    overload are tried when there is no other (spec 3.10 would leave a group of one account without service
    for ten minutes after a single 529)."""
    demand = Demand(wanted, excluded, now_ms, seed, sticky_to, limits, scoring, stake)
    selection = _select(candidates, demand)
    if isinstance(selection, NoneEligible) and any(
        rejection.detail in SOFT_CAUSES for rejection in selection.rejections.values()
    ):
        last = _select(candidates, demand._replace(is_last_resort=True))
        return structs.replace(last, is_last_resort=True) if isinstance(last, Selected) else last
    return selection


def _select(candidates: Sequence[Candidate], demand: Demand) -> Selection:
    """Only the accounts that model routing names, with their short queues; everybody when none of those can
    serve or has room in its queue (spec 3.4)."""
    routed_to, limits = demand.wanted.routed_to, demand.limits
    if routed_to:
        own = [candidate for candidate in candidates if candidate.account.id in routed_to]
        short = demand._replace(limits=_short(limits))
        found = _among(own, short, _Why(candidates, demand, is_routed=True))
        if found is not None:
            selection, chosen = found
            if isinstance(selection, Selected) or chosen.waiting < limits.sticky_max_waiting:
                return selection
    found = _among(candidates, demand, _Why(candidates, demand, is_routed=False))
    return NoneEligible(rejections=unable(candidates, demand)) if found is None else found[0]


def _among(candidates: Sequence[Candidate], demand: Demand, why: _Why) -> _Found | None:
    """The choice among these; None: none of them can serve."""
    if demand.sticky_to is not None:
        at_home = _at_home(candidates, demand, demand.sticky_to, why)
        if at_home is not None:
            return at_home
    return _by_policy(candidates, demand, why)


def _by_policy(candidates: Sequence[Candidate], demand: Demand, why: _Why | _WhyNotHome) -> _Found | None:
    """Without regard to where the conversation lives."""
    able = _sort_out(candidates, demand)
    if not able.free and not able.full:
        return None
    if demand.scoring is not None:
        return _scored(able, demand, demand.scoring, why)
    return _layered(able, demand, why)


def _at_home(candidates: Sequence[Candidate], demand: Demand, home: AccountId, why: _Why) -> _Found | None:
    """The conversation's own account: its free slot, or a place in its short queue; another one when staying
    costs more than the cache is worth; None: neither slot nor place is to be had."""
    for candidate in candidates:
        if candidate.account.id == home:
            break
    else:
        return None
    if isinstance(judge(candidate, demand), Rejection):
        return None
    if candidate.is_full and candidate.waiting >= demand.limits.sticky_max_waiting:
        return None
    balance = None
    if demand.stake is not None:
        balance, elsewhere = _balance(candidates, demand, candidate, demand.stake, why)
        if elsewhere is not None:
            selection, chosen = elsewhere
            return structs.replace(selection, stickiness=balance), chosen
    if candidate.is_full:
        demand = demand._replace(limits=_short(demand.limits))
        selection, chosen = _queued(candidate, demand, why(candidate, lost_to_home), is_sticky=True)
    else:
        selection, chosen = _taken(candidate, demand, why(candidate, lost_to_home), is_sticky=True)
    return (selection if balance is None else structs.replace(selection, stickiness=balance)), chosen


def _balance(
    candidates: Sequence[Candidate], demand: Demand, home: Candidate, stake: Stake, why: _Why
) -> tuple[Stickiness, _Found | None]:
    """Is the warm cache worth staying for, and if not: where to? Whoever would be chosen otherwise is only
    looked for when a perfect account would be worth leaving for."""
    balance = weigh(home, None, stake)
    if balance.decision == "stay":
        return balance, None
    others = [candidate for candidate in candidates if candidate is not home]
    found = _by_policy(others, demand, _WhyNotHome(why, home))
    if found is None:
        return balance._replace(decision="stay", cause=""), None
    balance = weigh(home, found[1], stake)
    return balance, found if balance.decision == "leave" else None


class _Sorted(NamedTuple):
    """Accounts that could serve, with their load rates."""

    free: list[Candidate]
    free_loads: list[int]
    full: list[Candidate]
    full_loads: list[int]


def _sort_out(candidates: Sequence[Candidate], demand: Demand) -> _Sorted:
    """Who has a free slot, and who is full. The one loop over everybody: what most accounts pass is asked in
    place, and under the layered policy nobody is asked whose priority is lower than that of one who is
    free."""
    wanted, now_ms = demand.wanted, demand.now_ms
    model = wanted.model
    if demand.excluded:
        candidates = [candidate for candidate in candidates if candidate.account.id not in demand.excluded]
    usual = usual_provider(wanted)
    is_layered = demand.scoring is None
    enough: int | None = None
    free: list[Candidate] = []
    free_loads: list[int] = []
    full: list[Candidate] = []
    full_loads: list[int] = []
    for candidate in candidates:
        account = candidate.account
        if enough is not None and account.priority > enough:
            continue
        rules = account.model_rules
        if rules is not None and rules.upstream_model(model) is None:
            continue
        if account.plain_for is not usual or candidate.cooldowns:
            # The first condition is what `judge` says in the commonest case.
            if account.cooldown_until_ms > now_ms or isinstance(judge(candidate, demand), Rejection):
                continue
        in_use, waiting, load = candidate.in_use, candidate.waiting, 0
        if in_use or waiting:  # `Candidate.load_rate`, `Candidate.is_full`
            load = (in_use + waiting) * 100 // account.load_base
            if (waiting or in_use >= account.concurrency) and account.concurrency > 0:
                full.append(candidate)
                full_loads.append(load)
                continue
        free.append(candidate)
        free_loads.append(load)
        if is_layered and (load < 100 or account.concurrency <= 0):
            enough = account.priority
    return _Sorted(free, free_loads, full, full_loads)


def _layered(able: _Sorted, demand: Demand, why: _Why | _WhyNotHome) -> _Found:
    """First in the order of preference; when nobody is free, the queue of the best that has room (when none
    has, the best one's queue will say so)."""
    if able.free:
        chosen = _first(able.free, able.free_loads, demand.seed)
        return _taken(chosen, demand, why(chosen, lost_in_layers(chosen)))
    most = demand.limits.fallback_max_waiting
    room = [at for at, candidate in enumerate(able.full) if candidate.waiting < most]
    pool, loads = able.full, able.full_loads
    if room:
        pool, loads = [pool[at] for at in room], [loads[at] for at in room]
    chosen = _first(pool, loads, demand.seed)
    return _queued(chosen, demand, why(chosen, lost_in_layers(chosen)))


def _scored(able: _Sorted, demand: Demand, weights: ScoreWeights, why: _Why | _WhyNotHome) -> _Found:
    """Draw among the best that are free; when nobody is, wait for the best whose queue has room."""
    pool, loads = able.free + able.full, able.free_loads + able.full_loads
    totals = totals_of(pool, loads, weights)
    scores = ScoresWhenRead(
        partial(_scores_by_account, pool, loads, weights, totals),
        partial(_scores_of_some, pool, loads, weights, totals),
    )
    if able.free:
        free_totals = totals[: len(able.free)]
        best = best_of(able.free, able.free_loads, free_totals, weights.top_k)
        chosen = pool[best[draw([totals[index] for index in best], demand.seed)]]
        lost = lost_in_scores(frozenset([pool[index].account.id for index in best]))
        return _taken(chosen, demand, why(chosen, lost), scores)
    most = demand.limits.fallback_max_waiting
    room = [at for at, candidate in enumerate(pool) if candidate.waiting < most] or range(len(pool))
    (at,) = best_of([pool[at] for at in room], [loads[at] for at in room], [totals[at] for at in room], 1)
    chosen = pool[room[at]]
    return _queued(chosen, demand, why(chosen, lost_in_scores(frozenset())), scores)


def _scores_by_account(
    pool: Sequence[Candidate], loads: Sequence[int], weights: ScoreWeights, totals: Sequence[float]
) -> dict[AccountId, Score]:
    scores = scores_of(pool, loads, weights, totals)
    return {candidate.account.id: score for candidate, score in zip(pool, scores, strict=True)}


def _scores_of_some(
    pool: Sequence[Candidate],
    loads: Sequence[int],
    weights: ScoreWeights,
    totals: Sequence[float],
    accounts: Collection[AccountId],
) -> dict[AccountId, Score]:
    wanted = frozenset(accounts)
    only = [at for at, candidate in enumerate(pool) if candidate.account.id in wanted]
    scores = scores_of(pool, loads, weights, totals, only)
    return {pool[at].account.id: score for at, score in zip(only, scores, strict=True)}


def _first(pool: Sequence[Candidate], loads: Sequence[int], seed: int) -> Candidate:
    """First in the order of preference: not overloaded, priority, load rate, last use (never comes first);
    equals are drawn by the seed."""
    orders = [
        (
            load >= 100 and candidate.account.concurrency > 0,
            candidate.account.priority,
            load,
            -1 if candidate.last_used_ms is None else candidate.last_used_ms,
        )
        for candidate, load in zip(pool, loads, strict=True)
    ]
    best = min(orders)
    tied = [candidate for candidate, order in zip(pool, orders, strict=True) if order == best]
    return tied[0] if len(tied) == 1 else min(tied, key=_draw(seed))


def _draw(seed: int) -> Callable[[Candidate], int]:
    """Rank equals by a multiplicative hash of seed and account, so that the draw is even and repeatable."""

    def place(candidate: Candidate) -> int:
        mixed = (seed ^ (candidate.account.id * 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9 & _MASK_64
        return (mixed ^ (mixed >> 31)) * 0x94D049BB133111EB & _MASK_64

    return place


_MASK_64 = (1 << 64) - 1


def _short(limits: WaitLimits) -> WaitLimits:
    """A conversation's own account, or its model's, is waited for longer, in a shorter queue."""
    return replace(
        limits, fallback_timeout_s=limits.sticky_timeout_s, fallback_max_waiting=limits.sticky_max_waiting
    )


def _taken(
    candidate: Candidate,
    demand: Demand,
    rejections: Rejections,
    scores: Scores = NO_SCORES,
    *,
    is_sticky: bool = False,
) -> _Found:
    selected = Selected(
        account=candidate.account,
        upstream_model=served_model(candidate.account, demand.wanted.model) or demand.wanted.model,
        is_sticky=is_sticky,
        rejections=rejections,
        scores=scores,
    )
    return selected, candidate


def _queued(
    candidate: Candidate,
    demand: Demand,
    rejections: Rejections,
    scores: Scores = NO_SCORES,
    *,
    is_sticky: bool = False,
) -> _Found:
    wait = WaitFor(
        account=candidate.account,
        upstream_model=served_model(candidate.account, demand.wanted.model) or demand.wanted.model,
        is_sticky=is_sticky,
        timeout_s=demand.limits.fallback_timeout_s,
        max_waiting=demand.limits.fallback_max_waiting,
        rejections=rejections,
        scores=scores,
    )
    return wait, candidate
