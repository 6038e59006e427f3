"""What a run amounts to, and how two runs differ. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headgate.core.faults import FaultKind
from headgate.core.money import to_usd
from headgate.storage.journal import Settlement

_UNPAID = frozenset(
    {
        FaultKind.BALANCE_INSUFFICIENT,
        FaultKind.SUBSCRIPTION_REQUIRED,
        FaultKind.SUBSCRIPTION_INVALID,
        FaultKind.SUBSCRIPTION_LIMIT,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What became of one request."""

    user: str
    fault: FaultKind | None
    """None: answered."""
    status: int
    waited_ms: int
    took_ms: int
    attempts: int
    account_id: int | None
    settled: Sequence[Settlement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one run."""

    requests: int
    answered: int
    refused_429: int
    """By our own limits and queues, or passed on when all accounts were limited."""
    refused_money: int
    """Balance or subscription did not cover them, or there was no subscription."""
    refused_other: int
    failed_attempts: int
    switched: int
    """Requests that needed more than one attempt and were answered."""
    list_cost_usd: float
    charge_usd: float
    account_cost_usd: float
    cache_hit_percent: float
    """Of all input tokens."""
    waited: int
    wait_p95_ms: float
    wait_max_ms: float
    ttft_p50_ms: float
    ttft_p95_ms: float
    """From the request's arrival to the first token, waiting included; of answered streams."""
    fairness: float
    """Jain's index over the users' mean waiting times plus one second: 1 = everybody waited alike."""
    answered_fairness: float
    """The same over the users' shares of answered requests."""

    def values(self) -> Mapping[str, float]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def figures(served: Sequence[Served]) -> Figures:
    answered = [one for one in served if one.fault is None]
    settlements = [settlement for one in served for settlement in one.settled]
    usage = [settlement.usage for settlement in settlements]
    read = sum(each.input + each.cache_read + each.cache_write_5m + each.cache_write_1h for each in usage)
    waits = [one.waited_ms for one in served if one.waited_ms > 0]
    first = [s.first_byte_ms for s in settlements if s.first_byte_ms is not None]
    return Figures(
        requests=len(served),
        answered=len(answered),
        refused_429=sum(one.status == 429 and one.fault not in _UNPAID for one in served),
        refused_money=sum(one.fault in _UNPAID for one in served),
        refused_other=sum(
            one.fault is not None and one.status != 429 and one.fault not in _UNPAID for one in served
        ),
        failed_attempts=sum(one.attempts - (one.fault is None) for one in served),
        switched=sum(one.attempts > 1 for one in answered),
        list_cost_usd=to_usd(sum(settlement.cost.list_cost for settlement in settlements)),
        charge_usd=to_usd(sum(settlement.cost.charge for settlement in settlements)),
        account_cost_usd=to_usd(sum(settlement.cost.account_cost for settlement in settlements)),
        cache_hit_percent=100 * sum(each.cache_read for each in usage) / read if read else 0.0,
        waited=len(waits),
        wait_p95_ms=percentile(waits, 95),
        wait_max_ms=max(waits, default=0),
        ttft_p50_ms=percentile(first, 50),
        ttft_p95_ms=percentile(first, 95),
        fairness=jain(_by_user(served, lambda one: one.waited_ms / 1000 + 1)),
        answered_fairness=jain(_by_user(served, lambda one: float(one.fault is None))),
    )


def percentile(values: Sequence[int], percent: int) -> float:
    """Nearest rank; 0 of nothing."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return float(ranked[max(0, -(-len(ranked) * percent // 100) - 1)])


def jain(shares: Sequence[float]) -> float:
    """(sum x)^2 / (n * sum x^2): 1 when all are equal, 1/n when one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def _by_user(served: Sequence[Served], of: Callable[[Served], float]) -> list[float]:
    """The mean of each user."""
    values: dict[str, list[float]] = {}
    for one in served:
        values.setdefault(one.user, []).append(of(one))
    return [sum(each) / len(each) for each in values.values()]
