"""Failover: after a failed attempt, try the same account again, another one, or stop (spec 3.9).

Knows: the bounds of one exchange and what has been tried. Refuses to know: accounts beyond their id, waiting,
I/O. Invariants: never another attempt once a byte of the answer is with the client (the commit point); at
most `max_switches` other accounts and `max_same_account_retries` repetitions per account, so the number of
attempts is bounded.
"""

from dataclasses import dataclass

from headgate.core.faults import Fault, FaultKind, Retry
from headgate.core.ids import AccountId
from headgate.core.routing.account_policy import POOL_PAUSE_S, POOLED

_WORTH_REPEATING = frozenset({FaultKind.UPSTREAM_UNREACHABLE, FaultKind.UPSTREAM_CUT})
"""Transport accidents: the provider has most likely not judged the account, so its prompt cache is worth one
more try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """One line of the plan's history."""

    account_id: AccountId
    fault: Fault
    decision: Retry


class FailoverPlan:
    """The failover state of one exchange: small, explicit, only ever extended by `after`."""

    __slots__ = ("_max_retries", "_max_switches", "excluded", "history", "pause_s", "switches")

    def __init__(self, *, max_switches: int, max_same_account_retries: int) -> None:
        self._max_switches = max_switches
        self._max_retries = max_same_account_retries
        self.excluded: frozenset[AccountId] = frozenset()
        """Accounts that selection must not offer again."""
        self.history: tuple[FailedAttempt, ...] = ()
        self.switches = 0
        self.pause_s = 0.0
        """Before the next try of the same account."""

    def after(
        self,
        account_id: AccountId,
        fault: Fault,
        *,
        response_started: bool,
        pool_retries: int | None = None,
    ) -> Retry:
        """Decide what follows a failed attempt, and remember it. `pool_retries`: the account is a pool of
        others, and a fault of one of them is worth so many more tries."""
        self.pause_s = 0.0
        decision: Retry = "stop" if response_started else self._decide(account_id, fault, pool_retries)
        if decision == "switch":
            self.switches += 1
        if decision != "retry":
            self.excluded |= {account_id}
        self.history += (FailedAttempt(account_id=account_id, fault=fault, decision=decision),)
        return decision

    @property
    def last_fault(self) -> Fault | None:
        """What to tell the client when nobody is left to try."""
        return self.history[-1].fault if self.history else None

    def _decide(self, account_id: AccountId, fault: Fault, pool_retries: int | None) -> Retry:
        wish = fault.kind.retry
        if wish == "stop":
            return "stop"
        if pool_retries is not None and fault.kind in POOLED and self._failures(account_id) < pool_retries:
            self.pause_s = POOL_PAUSE_S
            return "retry"
        if (wish == "retry" or fault.kind in _WORTH_REPEATING) and self._failures(
            account_id
        ) < self._max_retries:
            return "retry"
        return "switch" if self.switches < self._max_switches else "stop"

    def _failures(self, account_id: AccountId) -> int:
        return sum(failed.account_id == account_id for failed in self.history)

    def __repr__(self) -> str:
        tried = ", ".join(f"{f.account_id}: {f.fault.kind.value} -> {f.decision}" for f in self.history)
        return f"FailoverPlan(switches={self.switches}/{self._max_switches}, tried=[{tried}])"
