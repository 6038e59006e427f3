"""The scored policy: one number per account that can serve, and a seeded draw among the best (spec 3.5).

Knows: five terms, each the weight times a factor from 0 (worst) to 1 (best). Refuses to know: who may serve.
Invariants: pure; the order of the candidates does not matter; the same seed draws the same account.
"""

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate

_MASK_64 = (1 << 64) - 1
UNKNOWN_TTFT = 0.5
"""Factor of an account whose time to the first token is not known: neither praised nor punished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreWeights:
    priority: float = 1.0
    load: float = 1.0
    queue: float = 0.7
    error_rate: float = 0.8
    ttft: float = 0.5
    top_k: int = 7
    """Among how many of the best the draw is made."""


class Score(NamedTuple):
    """The sum and its terms, weights applied."""

    total: float
    priority: float
    load: float
    queue: float
    error_rate: float
    ttft: float


class Field(NamedTuple):
    """Accounts that could serve, together with those of the same priority and load: whole bundles are passed
    over when the best that they could reach is not enough."""

    free: dict[int, list[Candidate]]
    """By `bundle_of`."""
    full: dict[int, list[Candidate]]
    longest: int
    """The longest queue; 0: nobody waits."""
    fastest: float
    """Time to the first token of the fastest; infinite: nobody's is known."""
    slowest: float


def bundle_of(priority: int, load: int) -> int:
    """Name of the bundle; a load beyond 100 percent weighs no more than 100."""
    return (priority << _LOAD_BITS) + min(load, 100)


_LOAD_BITS = 7
_LOAD_MASK = (1 << _LOAD_BITS) - 1


class Scales(NamedTuple):
    """What the candidates are measured against, weights applied: priority and time to the first token
    relative to the others, load and queue to what the account takes and to the longest queue."""

    by_bundle: Mapping[int, float]
    """The terms of priority and load together, which all of a bundle share."""
    lowest: int
    spread: int
    """Of the priorities."""
    per_waiting: float
    fastest: float
    per_ms: float


def scales_of(field: Field, weights: ScoreWeights) -> Scales:
    bundles = [*field.free, *field.full]
    lowest = min(bundles) >> _LOAD_BITS
    spread = ((max(bundles) >> _LOAD_BITS) - lowest) or 1
    is_known = field.fastest <= field.slowest
    fastest = field.fastest if is_known else 0.0
    span = (field.slowest - fastest if is_known else 0.0) or 1.0
    w_priority, w_load = weights.priority, weights.load
    by_bundle = {  # `scores_of` has the terms apart
        bundle: w_priority * (1 - ((bundle >> _LOAD_BITS) - lowest) / spread)
        + w_load * (1 - (bundle & _LOAD_MASK) / 100)
        for bundle in bundles
    }
    per_waiting = weights.queue / (field.longest or 1)
    return Scales(by_bundle, lowest, spread, per_waiting, fastest, weights.ttft / span)


Place = tuple[float, int, int, int, Candidate]
"""Smaller is better: by score (its negative), ties by bundle (priority, then load), queue, id. A bare tuple,
because one is made for each account that comes near the best."""
_ROUNDING = 1e-9


def best_of(
    bundles: Mapping[int, Sequence[Candidate]], scales: Scales, weights: ScoreWeights, top_k: int
) -> list[Place]:
    """The best, best first. Bundles are read in the order of the most that they could reach, until that is
    less than what the last of the best has."""
    by_bundle, _, _, per_waiting, fastest, per_ms = scales
    per_error, unknown = weights.error_rate, weights.ttft * UNKNOWN_TTFT
    others = weights.queue + weights.error_rate
    fast = weights.ttft + fastest * per_ms
    most = others + weights.ttft + _ROUNDING
    best: list[Place] = []
    least, missing = float("-inf"), top_k
    for start, bundle in sorted([(by_bundle[one], one) for one in bundles], reverse=True):
        if start + most < least:
            break
        for candidate in bundles[bundle]:
            ttft_ms, waiting = candidate.ttft_ms, candidate.waiting
            total = (
                start
                + (unknown if ttft_ms is None else fast - ttft_ms * per_ms)
                + (others - waiting * per_waiting if waiting else others)
                - candidate.error_rate * per_error
            )
            if total < least:
                continue
            insort(best, (-total, bundle, waiting, candidate.account.id, candidate))
            if missing > 1:
                missing -= 1
                continue
            del best[top_k:]
            least = -best[-1][0]
    return best


def scores_of(
    field: Field, weights: ScoreWeights, accounts: Collection[AccountId] | None = None
) -> dict[AccountId, Score]:
    """With every term, measured against all; `accounts`: of these only."""
    if not field.free and not field.full:
        return {}
    scales = scales_of(field, weights)
    _, lowest, spread, per_waiting, fastest, per_ms = scales
    w_queue, w_error, w_ttft = weights.queue, weights.error_rate, weights.ttft
    unknown = w_ttft * UNKNOWN_TTFT
    others, fast = w_queue + w_error, w_ttft + fastest * per_ms
    wanted = None if accounts is None else frozenset(accounts)
    scores = {}
    for bundle, candidates in chain(field.free.items(), field.full.items()):
        priority = weights.priority * (1 - ((bundle >> _LOAD_BITS) - lowest) / spread)
        load = weights.load * (1 - (bundle & _LOAD_MASK) / 100)
        for candidate in candidates:
            account_id = candidate.account.id
            if wanted is not None and account_id not in wanted:
                continue
            ttft_ms, queue = candidate.ttft_ms, candidate.waiting * per_waiting
            ttft = unknown if ttft_ms is None else fast - ttft_ms * per_ms
            total = priority + load + ttft + (others - queue) - candidate.error_rate * w_error
            terms = (total, priority, load, w_queue - queue, w_error * (1 - candidate.error_rate), ttft)
            scores[account_id] = _new(Score, terms)
    return scores


_new = tuple.__new__
"""A named tuple without the detour through its own constructor."""


def draw(weights: Sequence[float], seed: int) -> int:
    """The index on which the draw falls: each as likely as its score above the lowest, plus one."""
    lowest = min(weights)
    shares = [weight - lowest + 1 for weight in weights]
    point = fraction(seed) * sum(shares)
    for index, share in enumerate(shares):
        point -= share
        if point < 0:
            return index
    return len(shares) - 1


def fraction(seed: int) -> float:
    """0 <= x < 1, evenly spread over seeds (splitmix64)."""
    mixed = (seed + 0x9E3779B97F4A7C15) & _MASK_64
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK_64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK_64
    return (mixed ^ (mixed >> 31)) / (1 << 64)
