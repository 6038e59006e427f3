"""Selection: which account serves the next attempt, and why no other (spec 3.4, 3.6; DESIGN 6).

Knows: candidates with their live counters, the one order of preference, every reason to pass an account over.
Refuses to know: stores, slots taken for real, clocks. Invariants: pure, so the same inputs give the same
answer (`headgate simulate` replays it); every candidate that was not chosen has exactly one rejection; an
account that is full is never chosen, and nobody overtakes those who wait for it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import (
    DEFAULT_WAIT_LIMITS,
    SPOKEN_DIALECTS,
    Candidate,
    WaitLimits,
    Wanted,
)
from headgate.core.routing.model_mapping import upstream_model
from headgate.core.world import Account


class Reason(StrEnum):
    """Why an account was not chosen."""

    EXCLUDED = "excluded"  # failed earlier in this exchange
    DISABLED = "disabled"
    EXPIRED = "expired"
    WRONG_PROVIDER = "wrong_provider"
    NO_SUCH_DIALECT = "no_such_dialect"
    MODEL_UNSUPPORTED = "model_unsupported"
    COOLING_DOWN = "cooling_down"
    FULL = "full"
    GONE = "gone"  # the group's model routing names it, but it is no account of the group
    NOT_ROUTED = "not_routed"  # would do, but the group's model routing names others
    NOT_STICKY = "not_sticky"  # would do, but the conversation lives elsewhere
    LOWER_PRIORITY = "lower_priority"
    HIGHER_LOAD = "higher_load"
    USED_MORE_RECENTLY = "used_more_recently"
    LOST_TIE = "lost_tie"


class Rejection(NamedTuple):
    """A reason with its evidence; a tuple because five to fifty are made per request."""

    reason: Reason
    value: int | None = None
    """COOLING_DOWN, EXPIRED: Unix ms; FULL: requests waiting; LOWER_PRIORITY: priority; HIGHER_LOAD: percent;
    USED_MORE_RECENTLY: Unix ms of the last use."""
    detail: str = ""
    """COOLING_DOWN: what caused it."""


Rejections = Mapping[AccountId, Rejection]


class Selected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Take a slot of this account now."""

    account: Account
    upstream_model: str
    is_sticky: bool
    rejections: Rejections
    is_last_resort: bool = False
    """It is being avoided after an overload, but nobody else is left: better the provider's own answer than
    none."""


class WaitFor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Every account that would do is full: queue for this one."""

    account: Account
    upstream_model: str
    is_sticky: bool
    timeout_s: float
    max_waiting: int
    rejections: Rejections


class NoneEligible(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Nobody can serve it; `rejections` names every account and why not."""

    rejections: Rejections

    @property
    def retry_at_ms(self) -> int | None:
        """When the first account that only cools down comes back."""
        ends = [
            r.value
            for r in self.rejections.values()
            if r.reason is Reason.COOLING_DOWN and r.value is not None
        ]
        return min(ends, default=None)


Selection = Selected | WaitFor | NoneEligible


class _Ranked(NamedTuple):
    """An eligible account and its place in the order of preference: smaller is better, compared left to
    right."""

    is_overloaded: bool
    priority: int
    load_rate: int
    last_used_ms: int
    candidate: Candidate
    upstream_model: str


def select_account(
    candidates: Sequence[Candidate],
    *,
    wanted: Wanted,
    sticky_to: AccountId | None,
    excluded: frozenset[AccountId],
    now_ms: int,
    seed: int,
    limits: WaitLimits = DEFAULT_WAIT_LIMITS,
) -> Selection:
    """Pick the account for the next attempt: the sticky one, else by priority, load, least recent use, seeded
    draw. Accounts that cool down after an overload are tried when there is no other (spec 3.10 would leave a
    group of one account without service for ten minutes after a single 529)."""
    demand = _Demand(wanted, excluded, now_ms, seed, sticky_to, limits)
    selection = _select(candidates, demand, is_last_resort=False)
    if isinstance(selection, NoneEligible) and any(
        rejection.detail == OVERLOADED for rejection in selection.rejections.values()
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


def _select(candidates: Sequence[Candidate], demand: _Demand, *, is_last_resort: bool) -> Selection:
    rejections: dict[AccountId, Rejection] = {}
    seed, limits, sticky_to = demand.seed, demand.limits, demand.sticky_to
    free: list[_Ranked] = []
    full: list[_Ranked] = []
    for candidate in candidates:
        account = candidate.account
        verdict = _judge(candidate, demand, is_last_resort=is_last_resort)
        if isinstance(verdict, Rejection):
            rejections[account.id] = verdict
            continue
        load = candidate.load_rate
        used = candidate.last_used_ms
        ranked = _Ranked(
            load >= 100 and account.concurrency > 0,
            account.priority,
            load,
            -1 if used is None else used,
            candidate,
            verdict,
        )
        (full if candidate.is_full else free).append(ranked)
    if demand.wanted.routed_to:
        free, full, limits = _routed(candidates, demand, free, full, rejections)
    if sticky_to is not None:
        sticky = _sticky(sticky_to, free, full, limits, rejections)
        if sticky is not None:
            return sticky
    if free:
        return _take(free, full, seed, rejections)
    if full:
        return _wait(full, seed, limits, rejections)
    return NoneEligible(rejections=rejections)


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
    own_free = [ranked for ranked in free if ranked.candidate.account.id in routed_to]
    own_full = [ranked for ranked in full if ranked.candidate.account.id in routed_to]
    if not own_free and all(ranked.candidate.waiting >= limits.sticky_max_waiting for ranked in own_full):
        return free, full, limits
    for ranked in (*free, *full):
        if ranked.candidate.account.id not in routed_to:
            rejections[ranked.candidate.account.id] = _NOT_ROUTED
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
        if rejection is not None and not (is_last_resort and rejection.detail == OVERLOADED):
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
_LOST_TIE = Rejection(Reason.LOST_TIE)


OVERLOADED = "overloaded"
"""The cause of a cooldown that is a preference, not a prohibition (core/routing/cooldown.py)."""


def _cooling(candidate: Candidate, models: tuple[str, ...], now_ms: int) -> Rejection | None:
    """The cooldown that ends last, of those that concern this account or this model on it; overload only when
    nothing stricter is in force."""
    until, detail, soft = candidate.account.cooldown_until_ms, "stored", candidate.account.overloaded_until_ms
    for cooldown in candidate.cooldowns:
        if cooldown.model not in models:
            continue
        if cooldown.reason == OVERLOADED:
            soft = max(soft, cooldown.until_ms)
        elif cooldown.until_ms > until:
            until, detail = cooldown.until_ms, cooldown.reason
    if until > now_ms:
        return Rejection(Reason.COOLING_DOWN, until, detail)
    return Rejection(Reason.COOLING_DOWN, soft, OVERLOADED) if soft > now_ms else None


def _sticky(
    sticky_to: AccountId,
    free: list[_Ranked],
    full: list[_Ranked],
    limits: WaitLimits,
    rejections: dict[AccountId, Rejection],
) -> Selected | WaitFor | None:
    """The conversation's own account: its free slot, or a place in its short queue; None: neither is to be
    had."""
    chosen = next((r for r in free if r.candidate.account.id == sticky_to), None)
    if chosen is None:
        chosen = next((r for r in full if r.candidate.account.id == sticky_to), None)
        if chosen is None or chosen.candidate.waiting >= limits.sticky_max_waiting:
            return None
    for ranked in (*free, *full):
        if ranked is not chosen:
            rejections[ranked.candidate.account.id] = _NOT_STICKY
    account = chosen.candidate.account
    if not chosen.candidate.is_full:
        return Selected(
            account=account, upstream_model=chosen.upstream_model, is_sticky=True, rejections=rejections
        )
    return WaitFor(
        account=account,
        upstream_model=chosen.upstream_model,
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
    for ranked in full:
        rejections[ranked.candidate.account.id] = Rejection(Reason.FULL, ranked.candidate.waiting)
    return Selected(
        account=best.candidate.account,
        upstream_model=best.upstream_model,
        is_sticky=False,
        rejections=rejections,
    )


def _wait(
    full: list[_Ranked], seed: int, limits: WaitLimits, rejections: dict[AccountId, Rejection]
) -> WaitFor:
    """Queue for the best account whose queue has room; when none has, the best one's queue will say so."""
    room = [r for r in full if r.candidate.waiting < limits.fallback_max_waiting]
    best = _best(room or full, seed)
    for ranked in full:
        if ranked is not best:
            rejections[ranked.candidate.account.id] = Rejection(Reason.FULL, ranked.candidate.waiting)
    return WaitFor(
        account=best.candidate.account,
        upstream_model=best.upstream_model,
        is_sticky=False,
        timeout_s=limits.fallback_timeout_s,
        max_waiting=limits.fallback_max_waiting,
        rejections=rejections,
    )


def _best(pool: list[_Ranked], seed: int) -> _Ranked:
    """First in the order of preference; equals are drawn by the seed."""
    if len(pool) == 1:
        return pool[0]
    order = min([ranked[:4] for ranked in pool])
    tied = [ranked for ranked in pool if ranked[:4] == order]
    return tied[0] if len(tied) == 1 else min(tied, key=_draw(seed))


def _note_losers(pool: list[_Ranked], best: _Ranked, rejections: dict[AccountId, Rejection]) -> None:
    for ranked in pool:
        if ranked is not best:
            rejections[ranked.candidate.account.id] = _lost_on(ranked, best)


def _draw(seed: int) -> Callable[[_Ranked], int]:
    """Rank equals by a multiplicative hash of seed and account, so that the draw is even and repeatable."""

    def place(ranked: _Ranked) -> int:
        mixed = (seed ^ (ranked.candidate.account.id * 0x9E3779B97F4A7C15)) * 0xBF58476D1CE4E5B9 & _MASK_64
        return (mixed ^ (mixed >> 31)) * 0x94D049BB133111EB & _MASK_64

    return place


_MASK_64 = (1 << 64) - 1


def _lost_on(ranked: _Ranked, best: _Ranked) -> Rejection:
    """The first criterion in which an account was worse than the chosen one."""
    if ranked.is_overloaded != best.is_overloaded:
        return Rejection(Reason.HIGHER_LOAD, ranked.load_rate)
    if ranked.priority != best.priority:
        return Rejection(Reason.LOWER_PRIORITY, ranked.priority)
    if ranked.load_rate != best.load_rate:
        return Rejection(Reason.HIGHER_LOAD, ranked.load_rate)
    if ranked.last_used_ms != best.last_used_ms:
        return Rejection(Reason.USED_MORE_RECENTLY, ranked.last_used_ms)
    return _LOST_TIE


_VALUE_NAMES: Mapping[Reason, str] = {
    Reason.EXPIRED: "expired_at_ms",
    Reason.COOLING_DOWN: "until_ms",
    Reason.FULL: "waiting",
    Reason.LOWER_PRIORITY: "priority",
    Reason.HIGHER_LOAD: "load_percent",
    Reason.USED_MORE_RECENTLY: "last_used_ms",
}


def explain(selection: Selection) -> list[dict[str, Any]]:
    """The decision as the trace stores it: the choice first, then every other account with its reason."""
    lines: list[dict[str, Any]] = []
    if not isinstance(selection, NoneEligible):
        choice: dict[str, Any] = {
            "account_id": selection.account.id,
            "outcome": "selected",
            "sticky": selection.is_sticky,
            "upstream_model": selection.upstream_model,
        }
        if isinstance(selection, WaitFor):
            choice |= {
                "outcome": "wait",
                "timeout_s": selection.timeout_s,
                "max_waiting": selection.max_waiting,
            }
        elif selection.is_last_resort:
            choice["last_resort"] = True
        lines.append(choice)
    for account_id, rejection in selection.rejections.items():
        line: dict[str, Any] = {
            "account_id": account_id,
            "outcome": "rejected",
            "reason": rejection.reason.value,
        }
        if rejection.value is not None:
            line[_VALUE_NAMES[rejection.reason]] = rejection.value
        if rejection.detail:
            line["detail"] = rejection.detail
        lines.append(line)
    return lines
