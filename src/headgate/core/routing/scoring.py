"""The scored policy: one number per account that can serve, and a seeded draw among the best (spec 3.5).

Knows: five terms, each the weight times a factor from 0 (worst) to 1 (best). Refuses to know: who may serve.
Invariants: pure; the order of the candidates does not matter; the same seed draws the same account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
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


def scores_of(candidates: Sequence[Candidate], loads: Sequence[int], weights: ScoreWeights) -> list[Score]:
    """In the order of the candidates, whose load rates are `loads`. Priority and time to the first token are
    relative to the others, load and queue to what the account takes and to the longest queue."""
    if not candidates:
        return []
    priorities = [candidate.account.priority for candidate in candidates]
    lowest, spread = min(priorities), (max(priorities) - min(priorities)) or 1
    longest = max(1, max([candidate.waiting for candidate in candidates]))
    known = [candidate.ttft_ms for candidate in candidates if candidate.ttft_ms is not None]
    fastest = min(known, default=0.0)
    slowness = (max(known, default=0.0) - fastest) or 1.0
    w_priority, w_load, w_queue = weights.priority, weights.load, weights.queue
    w_error, w_ttft = weights.error_rate, weights.ttft
    unknown = w_ttft * UNKNOWN_TTFT
    scores = []
    for candidate, priority, load in zip(candidates, priorities, loads, strict=True):
        ttft_ms, waiting = candidate.ttft_ms, candidate.waiting
        by_priority = w_priority * (1 - (priority - lowest) / spread)
        by_load = w_load * (1 - load / 100) if load < 100 else 0.0
        by_queue = w_queue * (1 - waiting / longest) if waiting else w_queue
        by_errors = w_error * (1 - candidate.error_rate)
        by_ttft = unknown if ttft_ms is None else w_ttft * (1 - (ttft_ms - fastest) / slowness)
        total = by_priority + by_load + by_queue + by_errors + by_ttft
        scores.append(_new(Score, (total, by_priority, by_load, by_queue, by_errors, by_ttft)))
    return scores


_new = tuple.__new__
"""A named tuple without the detour through its own constructor: a thousand are made per request."""


def best_of(
    candidates: Sequence[Candidate],
    loads: Sequence[int],
    scores: Sequence[Score],
    among: Sequence[int],
    top_k: int,
) -> list[int]:
    """The best of the indexes `among`, best first; ties by priority, load, queue, id."""
    totals = sorted([scores[index].total for index in among], reverse=True)
    least = totals[min(top_k, len(totals)) - 1]

    def place(index: int) -> tuple[float, int, int, int, int]:
        candidate = candidates[index]
        account = candidate.account
        return -scores[index].total, account.priority, loads[index], candidate.waiting, account.id

    return nsmallest(top_k, [index for index in among if scores[index].total >= least], key=place)


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
