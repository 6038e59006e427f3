"""Failover: after a failed attempt, try the same account again, another one, or stop (spec 3.9).

Knows: the bounds of one exchange and what has been tried. Refuses to know: accounts beyond their id, waiting,
I/O. Invariants: never another attempt once a byte of the answer is with the client (the commit point); at
most `max_switches` other accounts and `max_same_account_retries` repetitions per account (or those of a
pool), so the number of attempts is bounded; none after failed attempts have cost `max_spent_nano`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from headgate.core.faults import Blame, Fault, FaultKind, Retry
from headgate.core.ids import AccountId
from headgate.core.routing.account_policy import POOL_PAUSE_S, POOLED
from headgate.core.routing.suspicion import is_about_model

_WORTH_REPEATING = frozenset({FaultKind.UPSTREAM_UNREACHABLE, FaultKind.UPSTREAM_CUT})
"""Transport accidents: the provider has most likely not judged the account, so its prompt cache is worth one
more try."""
_NETWORK = frozenset({FaultKind.UPSTREAM_UNREACHABLE, FaultKind.UPSTREAM_CUT, FaultKind.UPSTREAM_TIMEOUT})
_WORDS_OF_400 = (b"beta", b"thinking", b"signature", b"tool")
"""A 400 about these can depend on the account (`gateway.failover_on_400`, spec 2.4)."""
_TOO_LONG = (b"prompt is too long", b"context_length_exceeded", b"maximum context length")
ALIKE = 2
"""Accounts that may refuse a request as such before we believe them."""


class FaultScope(StrEnum):
    """What a fault is about: what another account could cure, and whom it may be held against."""

    ACCOUNT = "account"
    MODEL = "model"
    """This model on this account."""
    PROVIDER = "provider"
    NETWORK = "network"
    REQUEST = "request"
    CLIENT = "client"
    GATEWAY = "gateway"


def scope_of(fault: Fault) -> FaultScope:
    if is_about_model(fault):
        return FaultScope.MODEL
    if fault.kind in (FaultKind.UPSTREAM_REQUEST_REJECTED, FaultKind.UPSTREAM_NOT_FOUND):
        return FaultScope.REQUEST
    if fault.kind in _NETWORK:
        return FaultScope.NETWORK
    match fault.kind.blame:
        case Blame.ACCOUNT:
            return FaultScope.ACCOUNT
        case Blame.UPSTREAM:
            return FaultScope.PROVIDER
        case Blame.CLIENT:
            return FaultScope.CLIENT
        case Blame.GATEWAY:
            return FaultScope.GATEWAY


def is_prompt_too_long(fault: Fault) -> bool:
    """The model cannot take so much; one with a larger window might."""
    body = (fault.upstream_body or b"").lower()
    return fault.kind is FaultKind.UPSTREAM_REQUEST_REJECTED and any(words in body for words in _TOO_LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """One line of the plan's history."""

    account_id: AccountId
    fault: Fault
    decision: Retry


class FailoverPlan:
    """The failover state of one exchange: small, explicit, only ever extended by `after`."""

    __slots__ = (
        "_max_retries",
        "_max_spent_nano",
        "_max_switches",
        "_on_400",
        "excluded",
        "has_started_over",
        "history",
        "is_out_of_money",
        "pause_s",
        "switches",
    )

    def __init__(
        self,
        *,
        max_switches: int,
        max_same_account_retries: int,
        max_spent_nano: int = 0,
        on_400: bool = False,
    ) -> None:
        """`max_spent_nano`: account cost of failed attempts after which no other is made; 0: no bound.
        `on_400`: refusals that name beta features, thinking, signatures or tools are tried elsewhere."""
        self._max_switches = max_switches
        self._max_retries = max_same_account_retries
        self._max_spent_nano = max_spent_nano
        self._on_400 = on_400
        self.excluded: frozenset[AccountId] = frozenset()
        """Accounts that selection must not offer again."""
        self.history: tuple[FailedAttempt, ...] = ()
        self.switches = 0
        self.is_out_of_money = False
        """The last decision was `stop` for what the failed attempts have cost."""
        self.pause_s = 0.0
        """Before the next try of the same account."""
        self.has_started_over = False

    def after(
        self,
        account_id: AccountId,
        fault: Fault,
        *,
        response_started: bool,
        pool_retries: int | None = None,
        spent_nano: int = 0,
    ) -> Retry:
        """Decide what follows a failed attempt, and remember it. `pool_retries`: the account is a pool of
        others, and a fault of one of them is worth so many more tries. `spent_nano`: account cost of all
        failed attempts."""
        self.pause_s = 0.0
        decision: Retry = "stop" if response_started else self._decide(account_id, fault, pool_retries)
        if decision != "stop" and 0 < self._max_spent_nano <= spent_nano:
            self.is_out_of_money, decision = True, "stop"
        if decision == "switch":
            self.switches += 1
        if decision != "retry":
            self.excluded |= {account_id}
        self.history += (FailedAttempt(account_id=account_id, fault=fault, decision=decision),)
        return decision

    def start_over(self) -> bool:
        """Everybody has been tried. Where the last one was merely unavailable (503), which seldom lasts, all
        may be tried once more while switches remain (spec 3.9)."""
        fault = self.last_fault
        if self.has_started_over or fault is None or fault.upstream_status != 503:
            return False
        if self.switches >= self._max_switches:
            return False
        self.has_started_over, self.excluded = True, frozenset()
        return True

    @property
    def last_fault(self) -> Fault | None:
        """What to tell the client when nobody is left to try."""
        return self.history[-1].fault if self.history else None

    def explain(self) -> list[dict[str, Any]]:
        """What failed and what was decided, as the trace stores it."""
        lines: list[dict[str, Any]] = [
            {
                "account_id": failed.account_id,
                "fault": failed.fault.kind.value,
                "scope": scope_of(failed.fault).value,
                "decision": failed.decision,
            }
            for failed in self.history
        ]
        if self.is_out_of_money:
            lines[-1]["because"] = "out_of_money"
        return lines

    def _decide(self, account_id: AccountId, fault: Fault, pool_retries: int | None) -> Retry:
        if fault.kind.retry == "stop" and not self._may_depend_on_account(fault):
            return "stop"
        failures = self._failures(account_id)
        if pool_retries is not None and fault.kind in POOLED and failures < pool_retries:
            self.pause_s = POOL_PAUSE_S
            return "retry"
        if (fault.kind.retry == "retry" or fault.kind in _WORTH_REPEATING) and failures < self._max_retries:
            return "retry"
        return "switch" if self.switches < self._max_switches else "stop"

    def _may_depend_on_account(self, fault: Fault) -> bool:
        """A refusal of the request that another account need not share, as far as not enough have shared
        it."""
        body = (fault.upstream_body or b"").lower()
        is_400 = fault.kind is FaultKind.UPSTREAM_REQUEST_REJECTED and fault.upstream_status == 400
        if not is_about_model(fault) and not (
            self._on_400 and is_400 and any(word in body for word in _WORDS_OF_400)
        ):
            return False
        return sum(failed.fault.kind is fault.kind for failed in self.history) < ALIKE - 1

    def _failures(self, account_id: AccountId) -> int:
        return sum(failed.account_id == account_id for failed in self.history)

    def __repr__(self) -> str:
        tried = ", ".join(f"{f.account_id}: {f.fault.kind.value} -> {f.decision}" for f in self.history)
        return f"FailoverPlan(switches={self.switches}/{self._max_switches}, tried=[{tried}])"
