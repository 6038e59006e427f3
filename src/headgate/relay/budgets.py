"""The bounds of every key that calls, made once and not with each request.

They follow from the key, its user and its group alone, which are values of the directory's snapshot: as
long as the same three come along, the same bounds apply. A subscription's end depends on the hour as well:
not kept.
Measured: a fifth of what a reservation against five bounds costs.
"""

from typing import NamedTuple

from headgate.core.ids import KeyId
from headgate.core.limits.budget import Budget, budget_of
from headgate.core.world import Caller

_KEPT = 20_000
"""Keys; beyond it all are made again. About a kilobyte each."""


class _Known(NamedTuple):
    caller: Caller
    charge_multiplier: int
    budget: Budget


class Budgets:
    """One per process."""

    def __init__(self) -> None:
        self._known: dict[KeyId, _Known] = {}

    def of(self, caller: Caller, charge_multiplier: int, *, now_ms: int) -> Budget:
        """`budget_of`, remembered."""
        key, group = caller.key, caller.group
        if group.is_subscription:
            return budget_of(caller, charge_multiplier, now_ms=now_ms)
        known = self._known.get(key.id)
        if known is not None and known.charge_multiplier == charge_multiplier:
            then = known.caller
            if then.key is key and then.group is group and then.user is caller.user:
                return known.budget
        budget = budget_of(caller, charge_multiplier, now_ms=now_ms)
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key.id] = _Known(caller, charge_multiplier, budget)
        return budget
