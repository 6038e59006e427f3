"""Rate limits: which buckets a request draws from, and what a caller is told who must wait.

Knows: the limits of key, user, group and of single models for a key or a group, the names of their buckets,
the messages. Refuses to know: where buckets are kept, headers of any dialect.
Invariants: a group's limit counts all users of the group together; who has no limit draws from no bucket.
"""

from collections.abc import Mapping

import msgspec

from headgate.core.faults import Fault, FaultKind
from headgate.core.limits.model_rates import NO_MODEL_RATES, entry_for
from headgate.core.limits.rate_limit import UNLIMITED_RATE, RateLimit
from headgate.core.limits.token_bucket import RateCharge, RateLevel
from headgate.core.world import (
    Caller,
)

REQUESTS, TOKENS = "rpm", "tpm"
_NOUNS = {REQUESTS: "requests", TOKENS: "tokens"}
_HOLDERS = {"key": "this API key", "user": "this user", "group": "this group"}


class Tightest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The limits that a caller feels, one of each kind; None: unlimited."""

    requests: RateLevel | None
    tokens: RateLevel | None


def has_rate_limit(caller: Caller) -> bool:
    """Asked for every request: five comparisons, nothing is built for callers without a limit."""
    return not (
        caller.key.rate is UNLIMITED_RATE
        and caller.user.rate is UNLIMITED_RATE
        and caller.group.rate is UNLIMITED_RATE
        and caller.key.model_rates is NO_MODEL_RATES
        and caller.group.model_rates is NO_MODEL_RATES
    )


def request_charges(caller: Caller, model: str) -> list[RateCharge]:
    """One request for this client model from each limit on requests."""
    return [
        RateCharge(bucket=f"{holder}:{REQUESTS}", limit=rate.requests, amount=1)
        for holder, rate in _holders(caller, model)
        if rate.requests > 0
    ]


def token_charges(caller: Caller, model: str, tokens: int) -> list[RateCharge]:
    """As many tokens (below zero: given back) from each limit on tokens."""
    return [
        RateCharge(bucket=f"{holder}:{TOKENS}", limit=rate.tokens, amount=tokens)
        for holder, rate in _holders(caller, model)
        if rate.tokens > 0
    ]


def _holders(caller: Caller, model: str) -> tuple[tuple[str, RateLimit], ...]:
    key, group = caller.key, caller.group
    holders: tuple[tuple[str, RateLimit], ...] = (
        (f"key:{key.id}", key.rate),
        (f"user:{caller.user.id}", caller.user.rate),
        (f"group:{group.id}", group.rate),
    )
    entry = entry_for(key.model_rates, model) if key.model_rates else None
    if entry is not None:
        holders = (*holders, (f"key:{key.id}:{entry}", key.model_rates[entry].together))
    entry = entry_for(group.model_rates, model) if group.model_rates else None
    if entry is None:
        return holders
    rate = group.model_rates[entry]
    return (
        *holders,
        (f"group:{group.id}:{entry}", rate.together),
        (f"user:{caller.user.id}@{group.id}:{entry}", rate.each),
    )


def tightest(levels: Mapping[str, RateLevel], *, refused: str | None = None) -> Tightest:
    """Of several limits the one that refused, else the one with the least left."""
    return Tightest(
        requests=_least(levels, REQUESTS, refused or ""), tokens=_least(levels, TOKENS, refused or "")
    )


def _least(levels: Mapping[str, RateLevel], kind: str, refused: str) -> RateLevel | None:
    if refused.endswith(kind):
        return levels[refused]
    found = [level for bucket, level in levels.items() if bucket.endswith(kind)]
    return min(found, key=lambda level: (level.remaining, -level.full_in_ms), default=None)


def rate_fault(bucket: str, level: RateLevel, *, retry_after_ms: int, wanted: int) -> Fault:
    """What to tell a caller whose draw of `wanted` on `bucket` was refused."""
    holder, _, kind = bucket.rpartition(":")
    seconds = max(1, -(-retry_after_ms // 1000))
    kind_of_holder, _, rest = holder.partition(":")
    model = rest.partition(":")[2]
    whose = _HOLDERS[kind_of_holder] + (f" for {model}" if model else "")
    left = f", {level.remaining} left, about {wanted} needed" if kind == TOKENS else ""
    limit = f"{level.limit} {_NOUNS[kind] if level.limit != 1 else _NOUNS[kind][:-1]} a minute"
    return Fault(
        kind=FaultKind.RATE_LIMITED,
        code="rate_limit_exceeded",
        message=f"Rate limit of {whose}: {limit}{left}; retry in {seconds} s",
        retry_after_s=seconds,
    )
