"""Whose fault is it? Faults that may be the request's as well as the account's are held against nobody until
the exchange has shown more (PAINS 24).

Another account answers the same request: it was the account. No other does: it was the request, unless
conversation after conversation fares alike. Only one account could be tried: its next conversations decide.

Knows: faults, and how many different conversations failed alike. Refuses to know: stores, clocks, effects.
Invariants: one conversation alone never costs an account more than it has cost already; everything is
bounded.
"""

from collections import OrderedDict

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId

BROKEN = frozenset(
    {
        FaultKind.UPSTREAM_ERROR,
        FaultKind.UPSTREAM_TIMEOUT,
        FaultKind.UPSTREAM_CUT,
        FaultKind.UPSTREAM_MALFORMED,
    }
)
"""Nothing is said about the account; a single one happens to everybody."""
FAILURES_IN_A_ROW = 3
"""Different conversations whose attempts broke, without an answer in between, make an account `failing`."""
WITHOUT_WITNESS = 2
"""Different conversations refused alike by the only account that could be tried."""
AGAINST_ALL = 5
"""Different conversations refused alike by all accounts: now it is hardly the requests."""
_MOST = 10_000

Suspect = tuple[AccountId, str, FaultKind]
"""Account, upstream model, fault."""


def is_about_model(fault: Fault) -> bool:
    """The provider does not know the model, or not for this account."""
    return fault.kind is FaultKind.UPSTREAM_NOT_FOUND and b"model" in (fault.upstream_body or b"").lower()


def is_ambiguous(fault: Fault, *, has_reset: bool) -> bool:
    """The request can be the cause. A 401 never depends on it, nor does a limit that says when it ends."""
    if fault.kind is FaultKind.UPSTREAM_FORBIDDEN:
        return fault.upstream_status == 403  # by other statuses the provider speaks of the organisation
    if fault.kind is FaultKind.UPSTREAM_RATE_LIMITED:
        return not has_reset
    return fault.kind in BROKEN or is_about_model(fault)


class Suspicions:
    """Conversations that failed alike since the last answer, per account, model and fault."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[Suspect, tuple[str, ...]] = OrderedDict()

    def is_convincing(self, suspect: Suspect, conversation: str, *, needed: int) -> bool:
        """Note one more; True: so many different ones are no accident, and the count begins anew."""
        seen = self._known.pop(suspect, ())
        if conversation not in seen:
            seen = (*seen, conversation)[-AGAINST_ALL:]
        if len(seen) >= needed:
            return True
        self._known[suspect] = seen
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return False

    def answered(self, account_id: AccountId, model: str) -> None:
        """The account has answered: nothing of the kind is held against it any more."""
        for suspect in [s for s in self._known if s[0] == account_id and s[1] == model]:
            del self._known[suspect]

    def __len__(self) -> int:
        return len(self._known)


class PoisonedRequests:
    """Requests that no account could answer: they are tried once more, not everywhere again."""

    def __init__(self, *, kept_ms: int = 10 * 60_000, most: int = 2_000) -> None:
        self._kept_ms = kept_ms
        self._most = most
        self._until: OrderedDict[str, int] = OrderedDict()

    def remember(self, request: str, now_ms: int) -> None:
        self._until[request] = now_ms + self._kept_ms
        self._until.move_to_end(request)
        if len(self._until) > self._most:
            self._until.popitem(last=False)

    def knows(self, request: str, now_ms: int) -> bool:
        until = self._until.get(request)
        return until is not None and now_ms < until <= now_ms + self._kept_ms

    def kept(self, now_ms: int) -> tuple[int, int]:
        """How many are remembered, and until when the last of them is."""
        until = [until for until in self._until.values() if until > now_ms]
        return len(until), max(until, default=0)

    def forget(self, request: str) -> None:
        self._until.pop(request, None)

    def __len__(self) -> int:
        return len(self._until)
