"""Token buckets per minute: what a bucket still holds, and how long a draw must wait.

Knows: the arithmetic, which both rate stores share (`state/redis/lua/rates.lua` says the same in Lua).
Refuses to know: clocks, where buckets are kept, what is counted in them.
Invariants: integers only, and exact: a bucket is described by what is `spent` of it, in 1/60,000 of what it
counts, so that a limit of n a minute refills n of these units each millisecond, however slow it is. Nothing
spent is a full bucket. No bucket is ever deeper in debt than it can refill in `MAX_DEBT_MINUTES`.
"""

from collections.abc import Sequence

import msgspec

UNITS = 60_000
"""Of one request or token: the milliseconds of a minute."""
MAX_DEBT_MINUTES = 60
"""A nonsensical number of tokens must not lock a caller out for days. At a limit of 10^9 the deepest debt is
3.7 * 10^15 units: exact in Lua's numbers (2^53), too."""


class RateCharge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A draw on a bucket that holds `limit` and refills `limit` a minute."""

    bucket: str
    """Such as `key:9:rpm`, `user:3:tpm`, `group:2:rpm`."""
    limit: int
    """At least 1: what is unlimited has no bucket."""
    amount: int


class RateLevel(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How full a bucket is."""

    limit: int
    remaining: int
    """Whole requests or tokens; never below zero, even in debt."""
    full_in_ms: int
    """0 = full."""


def refilled(spent: int, *, limit: int, elapsed_ms: int) -> int:
    """What is still spent after a while; a clock that went back refills nothing."""
    return max(0, spent - limit * max(0, elapsed_ms))


def rescaled(spent: int, *, old_limit: int, limit: int) -> int:
    """The operator changed the limit: the bucket stays as full as it was, in proportion."""
    return spent if old_limit == limit else spent * limit // old_limit


def wait_ms(spent: int, charge: RateCharge) -> int:
    """Until the draw can be given; 0 = now. More than the limit is given by a full bucket, which is then in
    debt: otherwise such a draw could never be."""
    if charge.amount <= 0:
        return 0
    excess = spent + (min(charge.amount, charge.limit) - charge.limit) * UNITS
    return max(0, -(-excess // charge.limit))


def drawn(spent: int, charge: RateCharge) -> int:
    """What is spent after the draw, or after giving back a negative amount."""
    deepest = charge.limit * UNITS * (1 + MAX_DEBT_MINUTES)
    return min(max(0, spent + charge.amount * UNITS), deepest)


def level(spent: int, limit: int) -> RateLevel:
    return RateLevel(limit=limit, remaining=max(0, limit - -(-spent // UNITS)), full_in_ms=-(-spent // limit))


def levels_of(charges: Sequence[RateCharge], spent: Sequence[int]) -> dict[str, RateLevel]:
    """By bucket."""
    return {
        charge.bucket: level(present, charge.limit) for charge, present in zip(charges, spent, strict=True)
    }
