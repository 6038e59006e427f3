"""Selection: which account serves the next attempt, and why no other (spec 3.4, 3.6; DESIGN 6).

Knows: candidates with their live counters, the one order of preference, every reason to pass an account over.
Refuses to know: stores, slots taken for real, clocks. Invariants: pure, so the same inputs give the same
answer (`headgate simulate` replays it); every candidate that was not chosen has exactly one rejection; an
account that is full is never chosen, and nobody overtakes those who wait for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from msgspec import structs

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import (
    DEFAULT_WAIT_LIMITS,
    SPOKEN_DIALECTS,
    Candidate,
    WaitLimits,
    Wanted,
)
from headgate.core.routing.health import OVERLOADED, SOFT_CAUSES
from headgate.core.routing.model_mapping import upstream_model
from headgate.core.routing.scoring import ScoreWeights, best_of, draw, scores_of
from headgate.core.routing.verdicts import (
    NoneEligible,
    Reason,
    Rejection,
    Scores,
    Selected,
    Selection,
    WaitFor,
)

_Order = tuple[bool, int, int, int]
"""Place in the order of preference, smaller is better: overloaded, priority, load rate, last use."""
_Ranked = tuple[_Order, Candidate, str]
"""An account that could serve: its place, itself, the upstream model. Plain tuples, for a thousand are made
per request of a large group."""


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
) -> Selection:
    """Pick the account for the next attempt: the sticky one, else by priority, load, least recent use, seeded
    draw; with `scoring` by a seeded draw among the best scores instead. Accounts that cool down after an
    overload are tried when there is no other (spec 3.10 would leave a group of one account without service
    for ten minutes after a single 529)."""
    demand = _Demand(wanted, excluded, now_ms, seed, sticky_to, limits, scoring)
    selection = _select(candidates, demand, is_last_resort=False)
    if isinstance(selection, NoneEligible) and any(
        rejection.detail in SOFT_CAUSES for rejection in selection.rejections.values()
    ):
        last = _select(candidates, demand, is_last_resort=True)
        return structs.replace(last, is_last_resort=True) if isinstance(last, Selected) else last
    return selection


class _Demand(NamedTuple):
    """Everything about the request that selection weighs."""

    wanted: Wanted
    excluded: frozenset[AccountId]
    now_ms: int
    seed: int
    sticky_to: AccountId | None
    limits: WaitLimits
    scoring: ScoreWeights | None


def _select(candidates: Sequence[Candidate], demand: _Demand, *, is_last_resort: bool) -> Selection:
    seed, limits, sticky_to = demand.seed, demand.limits, demand.sticky_to
    free, full, rejections = _sort_out(candidates, demand, is_last_resort=is_last_resort)
    if demand.wanted.routed_to:
        free, full, limits = _routed(candidates, demand, free, full, rejections)
    if sticky_to is not None:
        sticky = _sticky(sticky_to, free, full, limits, rejections)
        if sticky is not None:
            return sticky
    if demand.scoring is not None and (free or full):
        return _scored(free, full, demand.scoring, seed, limits, rejections)
    if free:
        return _take(free, full, seed, rejections)
    if full:
        return _wait(full, seed, limits, rejections)
    return NoneEligible(rejections=rejections)


def _sort_out(
    candidates: Sequence[Candidate], demand: _Demand, *, is_last_resort: bool
) -> tuple[list[_Ranked], list[_Ranked], dict[AccountId, Rejection]]:
    """Who has a free slot, who is full, and who cannot serve and why. The one loop over everybody: what most
    accounts pass is asked in place."""
    wanted, excluded, now_ms = demand.wanted, demand.excluded, demand.now_ms
    provider, model = wanted.provider, wanted.model
    speaks = wanted.dialect in SPOKEN_DIALECTS[provider]
    free: list[_Ranked] = []
    full: list[_Ranked] = []
    rejections: dict[AccountId, Rejection] = {}
    for candidate in candidates:
        account = candidate.account
        mapped = model
        if (
            account.model_mapping
            or candidate.cooldowns
            or not speaks
            or account.provider is not provider
            or not account.is_schedulable
            or account.expires_at_ms is not None
            or account.cooldown_until_ms > now_ms
            or account.overloaded_until_ms > now_ms
            or account.id in excluded
        ):
            verdict = _judge(candidate, demand, is_last_resort=is_last_resort)
            if isinstance(verdict, Rejection):
                rejections[account.id] = verdict
                continue
            mapped = verdict
        in_use, waiting, slots = candidate.in_use, candidate.waiting, account.concurrency
        load = 0
        if in_use or waiting:  # `Candidate.load_rate`
            factor = account.load_factor
            if factor is None or factor <= 0:
                factor = slots if slots > 0 else 1
            load = (in_use + waiting) * 100 // factor
        used = candidate.last_used_ms
        order = (load >= 100 and slots > 0, account.priority, load, -1 if used is None else used)
        if 0 < slots and (in_use >= slots or waiting > 0):  # `Candidate.is_full`
            full.append((order, candidate, mapped))
        else:
            free.append((order, candidate, mapped))
    return free, full, rejections


def _routed(
    candidates: Sequence[Candidate],
    demand: _Demand,
    free: list[_Ranked],
    full: list[_Ranked],
    rejections: dict[AccountId, Rejection],
) -> tuple[list[_Ranked], list[_Ranked], WaitLimits]:
    """Only the accounts that model routing names, with their short queues; everybody when none of those can
    serve or has room in its queue (spec 3.4)."""
    routed_to, limits = demand.wanted.routed_to, demand.limits
    for account_id in routed_to.difference([candidate.account.id for candidate in candidates]):
        rejections[account_id] = _GONE
    own_free = [ranked for ranked in free if ranked[1].account.id in routed_to]
    own_full = [ranked for ranked in full if ranked[1].account.id in routed_to]
    if not own_free and all(ranked[1].waiting >= limits.sticky_max_waiting for ranked in own_full):
        return free, full, limits
    for _, candidate, _ in (*free, *full):
        if candidate.account.id not in routed_to:
            rejections[candidate.account.id] = _NOT_ROUTED
    short = replace(
        limits,
        fallback_timeout_s=limits.sticky_timeout_s,
        fallback_max_waiting=limits.sticky_max_waiting,
    )
    return own_free, own_full, short


def _judge(candidate: Candidate, demand: _Demand, *, is_last_resort: bool) -> Rejection | str:
    """The upstream model when the account could serve the request, else the first reason why not."""
    account, wanted, now_ms = candidate.account, demand.wanted, demand.now_ms
    if account.id in demand.excluded:
        return _EXCLUDED
    if not account.is_schedulable:
        return _DISABLED
    if account.expires_at_ms is not None and account.expires_at_ms <= now_ms:
        return Rejection(Reason.EXPIRED, account.expires_at_ms)
    if account.provider is not wanted.provider:
        return _WRONG_PROVIDER
    if wanted.dialect not in SPOKEN_DIALECTS[account.provider]:
        return _NO_SUCH_DIALECT
    model = upstream_model(account.model_mapping, wanted.model) if account.model_mapping else wanted.model
    if model is None:
        return _MODEL_UNSUPPORTED
    if candidate.cooldowns or max(account.cooldown_until_ms, account.overloaded_until_ms) > now_ms:
        rejection = _cooling(candidate, (wanted.model, model, ""), now_ms)
        if rejection is not None and not (is_last_resort and rejection.detail in SOFT_CAUSES):
            return rejection
    return model


_EXCLUDED = Rejection(Reason.EXCLUDED)
_DISABLED = Rejection(Reason.DISABLED)
_WRONG_PROVIDER = Rejection(Reason.WRONG_PROVIDER)
_NO_SUCH_DIALECT = Rejection(Reason.NO_SUCH_DIALECT)
_MODEL_UNSUPPORTED = Rejection(Reason.MODEL_UNSUPPORTED)
_GONE = Rejection(Reason.GONE)
_NOT_ROUTED = Rejection(Reason.NOT_ROUTED)
_NOT_STICKY = Rejection(Reason.NOT_STICKY)
_LOWER_SCORE = Rejection(Reason.LOWER_SCORE)
_NOT_DRAWN = Rejection(Reason.NOT_DRAWN)
_LOST_TIE = Rejection(Reason.LOST_TIE)


def _cooling(candidate: Candidate, models: tuple[str, ...], now_ms: int) -> Rejection | None:
    """The cooldown that ends last, of those that concern this account or this model on it; a mere preference
    only when nothing stricter is in force."""
    until, detail = candidate.account.cooldown_until_ms, "stored"
    soft, preference = candidate.account.overloaded_until_ms, OVERLOADED
    for cooldown in candidate.cooldowns:
        if cooldown.model not in models:
            continue
        if cooldown.reason in SOFT_CAUSES:
            if cooldown.until_ms > soft:
                soft, preference = cooldown.until_ms, cooldown.reason
        elif cooldown.until_ms > until:
            until, detail = cooldown.until_ms, cooldown.reason
    if until > now_ms:
        return Rejection(Reason.COOLING_DOWN, until, detail)
    return Rejection(Reason.COOLING_DOWN, soft, preference) if soft > now_ms else None


def _sticky(
    sticky_to: AccountId,
    free: list[_Ranked],
    full: list[_Ranked],
    limits: WaitLimits,
    rejections: dict[AccountId, Rejection],
) -> Selected | WaitFor | None:
    """The conversation's own account: its free slot, or a place in its short queue; None: neither is to be
    had."""
    chosen = next((ranked for ranked in free if ranked[1].account.id == sticky_to), None)
    if chosen is None:
        chosen = next((ranked for ranked in full if ranked[1].account.id == sticky_to), None)
        if chosen is None or chosen[1].waiting >= limits.sticky_max_waiting:
            return None
    _, sticky, model = chosen
    for _, candidate, _ in (*free, *full):
        if candidate is not sticky:
            rejections[candidate.account.id] = _NOT_STICKY
    if not sticky.is_full:
        return Selected(account=sticky.account, upstream_model=model, is_sticky=True, rejections=rejections)
    return WaitFor(
        account=sticky.account,
        upstream_model=model,
        is_sticky=True,
        timeout_s=limits.sticky_timeout_s,
        max_waiting=limits.sticky_max_waiting,
        rejections=rejections,
    )


def _take(
    free: list[_Ranked], full: list[_Ranked], seed: int, rejections: dict[AccountId, Rejection]
) -> Selected:
    best = _best(free, seed)
    if len(free) > 1:
        _note_losers(free, best, rejections)
    _note_full(full, rejections)
    return Selected(account=best[1].account, upstream_model=best[2], is_sticky=False, rejections=rejections)


def _wait(
    full: list[_Ranked], seed: int, limits: WaitLimits, rejections: dict[AccountId, Rejection]
) -> WaitFor:
    """Queue for the best account whose queue has room; when none has, the best one's queue will say so."""
    room = [ranked for ranked in full if ranked[1].waiting < limits.fallback_max_waiting]
    best = _best(room or full, seed)
    _note_full(full, rejections)
    del rejections[best[1].account.id]
    return WaitFor(
        account=best[1].account,
        upstream_model=best[2],
        is_sticky=False,
        timeout_s=limits.fallback_timeout_s,
        max_waiting=limits.fallback_max_waiting,
        rejections=rejections,
    )


def _note_full(full: list[_Ranked], rejections: dict[AccountId, Rejection]) -> None:
    for _, candidate, _ in full:
        rejections[candidate.account.id] = Rejection(Reason.FULL, candidate.waiting)


def _scored(
    free: list[_Ranked],
    full: list[_Ranked],
    weights: ScoreWeights,
    seed: int,
    limits: WaitLimits,
    rejections: dict[AccountId, Rejection],
) -> Selected | WaitFor:
    """Draw among the best that are free; when nobody is, wait for the best whose queue has room."""
    able = [*free, *full]
    pool = [ranked[1] for ranked in able]
    loads = [ranked[0][2] for ranked in able]
    scores = scores_of(pool, loads, weights)
    by_account: Scores = {c.account.id: score for c, score in zip(pool, scores, strict=True)}
    _note_full(full, rejections)
    if not free:
        room = [index for index, c in enumerate(pool) if c.waiting < limits.fallback_max_waiting]
        (at,) = best_of(pool, loads, scores, room or range(len(pool)), 1)
        del rejections[pool[at].account.id]
        return WaitFor(
            account=pool[at].account,
            upstream_model=able[at][2],
            is_sticky=False,
            timeout_s=limits.fallback_timeout_s,
            max_waiting=limits.fallback_max_waiting,
            rejections=rejections,
            scores=by_account,
        )
    best = best_of(pool, loads, scores, range(len(free)), weights.top_k)
    at = best[draw([scores[index].total for index in best], seed)]
    for _, candidate, _ in free:
        rejections[candidate.account.id] = _LOWER_SCORE
    for index in best:
        rejections[pool[index].account.id] = _NOT_DRAWN
    del rejections[pool[at].account.id]
    return Selected(
        account=pool[at].account,
        upstream_model=able[at][2],
        is_sticky=False,
        rejections=rejections,
        scores=by_account,
    )


def _best(pool: list[_Ranked], seed: int) -> _Ranked:
    """First in the order of preference; equals are drawn by the seed."""
    if len(pool) == 1:
        return pool[0]
    order = min([ranked[0] for ranked in pool])
    tied = [ranked for ranked in pool if ranked[0] == order]
    return tied[0] if len(tied) == 1 else min(tied, key=_draw(seed))


def _note_losers(pool: list[_Ranked], best: _Ranked, rejections: dict[AccountId, Rejection]) -> None:
    """The first criterion in which each was worse than the chosen one. Many lost alike: such share one
    rejection."""
    (is_overloaded, priority, load_rate, last_used_ms), chosen, _ = best
    by_load: dict[int, Rejection] = {}
    by_priority: dict[int, Rejection] = {}
    for (overloaded, prio, load, used), candidate, _ in pool:
        if prio != priority and overloaded is is_overloaded:
            rejection = by_priority.get(prio)
            if rejection is None:
                rejection = by_priority[prio] = Rejection(Reason.LOWER_PRIORITY, prio)
        elif load != load_rate or overloaded is not is_overloaded:
            rejection = by_load.get(load)
            if rejection is None:
                rejection = by_load[load] = Rejection(Reason.HIGHER_LOAD, load)
        elif used != last_used_ms:
            rejection = Rejection(Reason.USED_MORE_RECENTLY, used)
        else:
            rejection = _LOST_TIE
        rejections[candidate.account.id] = rejection
    del rejections[chosen.account.id]


def _draw(seed: int) -> Callable[[_Ranked], int]:
    """Rank equals by a multiplicative hash of seed and account, so that the draw is even and repeatable."""

    def place(ranked: _Ranked) -> int:
        mixed = (seed ^ (ranked[1].account.id * 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9 & _MASK_64
        return (mixed ^ (mixed >> 31)) * 0x94D049BB133111EB & _MASK_64

    return place


_MASK_64 = (1 << 64) - 1
