"""The scored policy: one number per account that can serve, and a seeded draw among the best (spec 3.5).

Knows: five terms, each the weight times a factor from 0 (worst) to 1 (best). Refuses to know: who may serve.
Invariants: pure; the order of the candidates does not matter; the same seed draws the same account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from typing import NamedTuple

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


class _Scales(NamedTuple):
    """What the candidates are measured against, weights applied: priority and time to the first token
    relative to the others, load and queue to what the account takes and to the longest queue."""

    by_priority: Mapping[int, float]
    by_load: Mapping[int, float]
    per_waiting: float
    fastest: float
    per_ms: float


def _scales_of(candidates: Sequence[Candidate], loads: Sequence[int], weights: ScoreWeights) -> _Scales:
    priorities = frozenset([candidate.account.priority for candidate in candidates])
    lowest = min(priorities)
    spread = (max(priorities) - lowest) or 1
    longest = max([candidate.waiting for candidate in candidates if candidate.waiting], default=1)
    known = [ttft_ms for candidate in candidates if (ttft_ms := candidate.ttft_ms) is not None]
    fastest = min(known, default=0.0)
    return _Scales(
        {priority: weights.priority * (1 - (priority - lowest) / spread) for priority in priorities},
        {load: weights.load * (1 - min(load, 100) / 100) for load in set(loads)},
        weights.queue / longest,
        fastest,
        weights.ttft / ((max(known, default=0.0) - fastest) or 1.0),
    )


def totals_of(candidates: Sequence[Candidate], loads: Sequence[int], weights: ScoreWeights) -> list[float]:
    """The totals of `scores_of`, without the terms: the choice needs no more."""
    by_priority, by_load, per_waiting, fastest, per_ms = _scales_of(candidates, loads, weights)
    per_error, unknown = weights.error_rate, weights.ttft * UNKNOWN_TTFT
    others = weights.queue + weights.error_rate
    fast = weights.ttft + fastest * per_ms
    return [
        by_priority[candidate.account.priority]
        + by_load[load]
        + (unknown if (ttft_ms := candidate.ttft_ms) is None else fast - ttft_ms * per_ms)
        + (others - candidate.waiting * per_waiting if candidate.waiting else others)
        - candidate.error_rate * per_error
        for candidate, load in zip(candidates, loads, strict=True)
    ]


def scores_of(
    candidates: Sequence[Candidate],
    loads: Sequence[int],
    weights: ScoreWeights,
    totals: Sequence[float] | None = None,
    only: Sequence[int] | None = None,
) -> list[Score]:
    """In the order of the candidates, whose load rates are `loads`, with every term; `totals`: what
    `totals_of` has said, if it was asked; `only`: of the candidates at these indexes, measured against
    all."""
    if not candidates:
        return []
    by_priority, by_load, per_waiting, fastest, per_ms = _scales_of(candidates, loads, weights)
    w_queue, w_error, w_ttft = weights.queue, weights.error_rate, weights.ttft
    unknown = w_ttft * UNKNOWN_TTFT
    if totals is None:
        totals = totals_of(candidates, loads, weights)
    scores = []
    wanted = zip(candidates, loads, totals, strict=True)
    if only is not None:
        wanted = zip(*([row[at] for at in only] for row in (candidates, loads, totals)), strict=True)
    for candidate, load, total in wanted:
        ttft_ms = candidate.ttft_ms
        terms = (
            total,
            by_priority[candidate.account.priority],
            by_load[load],
            w_queue - candidate.waiting * per_waiting,
            w_error * (1 - candidate.error_rate),
            unknown if ttft_ms is None else w_ttft - (ttft_ms - fastest) * per_ms,
        )
        scores.append(_new(Score, terms))
    return scores


_new = tuple.__new__
"""A named tuple without the detour through its own constructor."""


def best_of(
    candidates: Sequence[Candidate], loads: Sequence[int], totals: Sequence[float], top_k: int
) -> list[int]:
    """The indexes of the best, best first; ties by priority, load, queue, id."""
    least = nlargest(top_k, totals)[-1]

    def place(index: int) -> tuple[float, int, int, int, int]:
        candidate = candidates[index]
        account = candidate.account
        return -totals[index], account.priority, loads[index], candidate.waiting, account.id

    return nsmallest(top_k, [index for index, total in enumerate(totals) if total >= least], key=place)


def draw(weights: Sequence[float], seed: int) -> int:
    """The index on which the draw falls: each as likely as its score above the lowest, plus one."""
    lowest = min(weights)
    shares = [weight - lowest + 1 for weight in weights]
    point = _fraction(seed) * sum(shares)
    for index, share in enumerate(shares[:-1]):
        point -= share
        if point < 0:
            return index
    return len(shares) - 1


def _fraction(seed: int) -> float:
    """0 <= x < 1, evenly spread over seeds (splitmix64)."""
    mixed = (seed + 0x9E3779B97F4A7C15) & _MASK_64
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK_64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK_64
    return (mixed ^ (mixed >> 31)) / (1 << 64)
