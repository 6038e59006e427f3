"""Selection: which account serves the next attempt, and why no other (spec 3.4, 3.6; DESIGN 6).

Knows: candidates with their live counters, the one order of preference. Refuses to know: stores, slots taken
for real, clocks. Invariants: pure, so the same inputs give the same answer (`headgate simulate` replays it);
every candidate that was not chosen has exactly one rejection (made when it is read first: `justification`);
an account that is full is never chosen, and nobody overtakes those who wait for it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
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
from headgate.core.routing.eligibility import Demand, is_able, judge, served_model, usual_provider
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
from headgate.core.routing.model_mapping import ModelRules
from headgate.core.routing.scoring import (
    Field,
    ScoreWeights,
    best_of,
    bundle_of,
    draw,
    fraction,
    scales_of,
    scores_of,
)
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
    if demand.scoring is not None:
        return _scored(_field(candidates, demand), demand, demand.scoring, why)
    return _layered(candidates, demand, why)


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


def _layered(candidates: Sequence[Candidate], demand: Demand, why: _Why | _WhyNotHome) -> _Found | None:
    """First in the order of preference; when nobody is free, the queue of the best that has room (when none
    has, the best one's queue will say so)."""
    tied, full = _first_free(candidates, demand)
    if tied:
        chosen = _drawn(tied, demand.seed)
        return _taken(chosen, demand, why(chosen, lost_in_layers(chosen)))
    usual = usual_provider(demand.wanted)
    queues = [candidate for candidate in full if is_able(candidate, demand, usual)]
    if not queues:
        return None
    most = demand.limits.fallback_max_waiting
    chosen = _first_queue([one for one in queues if one.waiting < most] or queues, demand.seed)
    return _queued(chosen, demand, why(chosen, lost_in_layers(chosen)))


def _first_free(candidates: Sequence[Candidate], demand: Demand) -> tuple[list[Candidate], list[Candidate]]:
    """Those with a free slot that come first in the order of preference: not at their load factor, priority,
    load rate, last use (never comes first); and who is full, complete only if nobody is free. The one loop
    over everybody: it keeps the best so far, and whether one may serve at all is only asked of those that
    would be better or as good."""
    usual, is_open = usual_provider(demand.wanted), not demand.excluded
    best_rank, best_load, best_used = _NO_RANK, 0, 0
    tied: list[Candidate] = []
    full: list[Candidate] = []
    for candidate in candidates:
        account = candidate.account
        rank = account.priority
        if rank > best_rank:
            continue
        in_use, waiting, load = candidate.in_use, candidate.waiting, 0
        if in_use or waiting:  # `Candidate.load_rate`, `is_full`, `is_overloaded`
            load, slots = (in_use + waiting) * 100 // account.load_base, account.concurrency
            if (waiting or in_use >= slots) and slots > 0:
                full.append(candidate)
                continue
            if load >= 100 and slots > 0:
                rank += _OVERLOADED_RANK
            if load > best_load and rank >= best_rank:
                continue
        last_used_ms = candidate.last_used_ms
        used = -1 if last_used_ms is None else last_used_ms
        if rank >= best_rank and (rank > best_rank or (load == best_load and used > best_used)):
            continue
        is_plain = account.plain_for is usual and account.model_rules is None  # what `is_able` asks first
        if not (is_plain and is_open and not candidate.cooldowns) and not is_able(candidate, demand, usual):
            continue
        if rank == best_rank and load == best_load and used == best_used:
            tied.append(candidate)
        else:
            best_rank, best_load, best_used, tied = rank, load, used, [candidate]
    return tied, full


_OVERLOADED_RANK = 1 << 40
"""Added to the priority: whoever is at its load factor comes after everybody who is not."""
_NO_RANK = 1 << 60


def _field(candidates: Sequence[Candidate], demand: Demand) -> Field:
    """Everybody who may serve, for the scored policy, with what the scores are measured against: found in
    the same loop."""
    wanted, usual = demand.wanted, usual_provider(demand.wanted)
    model, now_ms = wanted.model, demand.now_ms
    free: defaultdict[int, list[Candidate]] = defaultdict(list)
    full: defaultdict[int, list[Candidate]] = defaultdict(list)
    longest, fastest, slowest = 0, math.inf, -math.inf
    serving: ModelRules | None = None  # most accounts of a group have the same
    for candidate in _untried(candidates, demand.excluded) if demand.excluded else candidates:
        account = candidate.account
        if account.plain_for is not usual or candidate.cooldowns:  # what follows is `is_able`, in place
            if account.cooldown_until_ms > now_ms or isinstance(judge(candidate, demand), Rejection):
                continue
        else:
            rules = account.model_rules
            if rules is not None and rules is not serving:
                if rules.upstream_model(model) is None:
                    continue
                serving = rules
        ttft_ms = candidate.ttft_ms
        if ttft_ms is not None:
            fastest = ttft_ms if ttft_ms < fastest else fastest
            slowest = ttft_ms if ttft_ms > slowest else slowest
        in_use, waiting = candidate.in_use, candidate.waiting
        bundle, bundles = account.priority << 7, free  # `bundle_of`
        if in_use or waiting:
            try:
                bundle += account.loads[in_use + waiting]
            except IndexError:
                bundle = bundle_of(account.priority, candidate.load_rate)
            slots = account.concurrency
            if waiting or in_use >= slots:
                longest = waiting if waiting > longest else longest
                bundles = full if slots > 0 else free
        bundles[bundle].append(candidate)
    return Field(free, full, longest, fastest, slowest)


def _untried(candidates: Sequence[Candidate], excluded: frozenset[AccountId]) -> Sequence[Candidate]:
    return [candidate for candidate in candidates if candidate.account.id not in excluded]


def _scored(field: Field, demand: Demand, weights: ScoreWeights, why: _Why | _WhyNotHome) -> _Found | None:
    """Draw among the best that are free; when nobody is, wait for the best whose queue has room."""
    if not field.free and not field.full:
        return None
    scales = scales_of(field, weights)
    scores = ScoresWhenRead(partial(scores_of, field, weights))
    if field.free:
        best = best_of(field.free, scales, weights, weights.top_k)
        chosen = best[draw([-place[0] for place in best], demand.seed)][-1]
        lost = lost_in_scores(best)
        return _taken(chosen, demand, why(chosen, lost), scores)
    most = demand.limits.fallback_max_waiting
    room = {
        bundle: some
        for bundle, queues in field.full.items()
        if (some := [candidate for candidate in queues if candidate.waiting < most])
    }
    chosen = best_of(room or field.full, scales, weights, 1)[0][-1]
    return _queued(chosen, demand, why(chosen, lost_in_scores([])), scores)


def _first_queue(pool: Sequence[Candidate], seed: int) -> Candidate:
    """The same order of preference among those that are full."""
    orders = [
        (
            candidate.is_overloaded,
            candidate.account.priority,
            candidate.load_rate,
            -1 if candidate.last_used_ms is None else candidate.last_used_ms,
        )
        for candidate in pool
    ]
    best = min(orders)
    return _drawn([one for one, order in zip(pool, orders, strict=True) if order == best], seed)


def _drawn(tied: Sequence[Candidate], seed: int) -> Candidate:
    """One of these equals, each as likely, the same for the same seed in whatever order they stand."""
    if len(tied) == 1:
        return tied[0]
    ids = [candidate.account.id for candidate in tied]
    return tied[ids.index(sorted(ids)[int(fraction(seed) * len(ids))])]


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
