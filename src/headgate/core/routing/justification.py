"""Justification: why every account but the chosen one was not chosen.

Most answers are never asked for their reasons while the client waits, so they are made when they are read
first. Knows: the choice, and everything that it was made from. Refuses to know: how it was made. Invariants:
pure, so that it does not matter when it happens; every account but the chosen one has exactly one reason.
"""

from collections.abc import Callable, Collection, ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import Generic, TypeVar

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate
from headgate.core.routing.eligibility import Demand, judge, usual_provider
from headgate.core.routing.scoring import Place, Score
from headgate.core.routing.verdicts import Reason, Rejection

T = TypeVar("T")


class WhenRead(Mapping[AccountId, T], Generic[T]):
    """A mapping that is made when it is read first."""

    __slots__ = ("_known", "_make")

    def __init__(self, make: Callable[[], Mapping[AccountId, T]]) -> None:
        self._make = make
        self._known: Mapping[AccountId, T] | None = None

    def _made(self) -> Mapping[AccountId, T]:
        if self._known is None:
            self._known = self._make()
        return self._known

    def __getitem__(self, account_id: AccountId) -> T:
        return self._made()[account_id]

    def __iter__(self) -> Iterator[AccountId]:
        return iter(self._made())

    def items(self) -> ItemsView[AccountId, T]:
        """Without the detour of `Mapping` through every key."""
        return self._made().items()

    def values(self) -> ValuesView[T]:
        return self._made().values()

    def __len__(self) -> int:
        return len(self._made())

    def __repr__(self) -> str:
        return repr(self._made())


class ScoresWhenRead(WhenRead[Score]):
    """Scores of everybody who could serve, made when they are read first; of a few of them for less."""

    __slots__ = ("_of",)

    def __init__(self, of: Callable[..., Mapping[AccountId, Score]]) -> None:
        """`of`: the scores of these accounts; called without: of all."""
        self._make = self._of = of
        self._known = None

    def of(self, accounts: Collection[AccountId]) -> Mapping[AccountId, Score]:
        return self._of(accounts)


def rejections_of(
    candidates: Sequence[Candidate],
    demand: Demand,
    chosen: Candidate,
    lost: Callable[[Candidate], Rejection],
    *,
    is_routed: bool,
) -> dict[AccountId, Rejection]:
    """Those that cannot serve first, then the others; `lost` says why one that could serve was not chosen."""
    routed_to, excluded = demand.wanted.routed_to, demand.excluded
    usual = usual_provider(demand.wanted)
    barred: dict[AccountId, Rejection] = {}
    able: dict[AccountId, Rejection] = {}
    for candidate in candidates:
        if candidate is chosen:
            continue
        account = candidate.account
        account_id = account.id
        is_plain = account.plain_for is usual and account.model_rules is None
        if not is_plain or candidate.cooldowns or account_id in excluded:
            verdict = judge(candidate, demand)
            if isinstance(verdict, Rejection):
                barred[account_id] = verdict
                continue
        if is_routed and account_id not in routed_to:
            able[account_id] = _NOT_ROUTED
        else:
            able[account_id] = lost(candidate)
    return barred | _gone(candidates, routed_to) | able


def unable(candidates: Sequence[Candidate], demand: Demand) -> dict[AccountId, Rejection]:
    """Why none of them can serve; whoever could is left out."""
    verdicts = [(candidate.account.id, judge(candidate, demand)) for candidate in candidates]
    found = {account_id: verdict for account_id, verdict in verdicts if isinstance(verdict, Rejection)}
    return found | _gone(candidates, demand.wanted.routed_to)


def _gone(candidates: Sequence[Candidate], routed_to: frozenset[AccountId]) -> dict[AccountId, Rejection]:
    """Accounts that model routing names, but that are none of the group's."""
    if not routed_to:
        return {}
    return dict.fromkeys(routed_to.difference([candidate.account.id for candidate in candidates]), _GONE)


def lost_to_home(_candidate: Candidate) -> Rejection:
    return _NOT_STICKY


def left_home(home: Candidate, lost: Callable[[Candidate], Rejection]) -> Callable[[Candidate], Rejection]:
    """As `lost` says, but for the account that the conversation leaves."""
    return lambda candidate: _LEFT_HOME if candidate is home else lost(candidate)


def lost_in_layers(chosen: Candidate) -> Callable[[Candidate], Rejection]:
    """The first criterion in which each was worse than the chosen one. Many lost alike: such share one
    rejection."""
    priority, load_rate, is_overloaded = chosen.account.priority, chosen.load_rate, chosen.is_overloaded
    last_used_ms = chosen.last_used_ms
    by_priority: dict[int, Rejection] = {}
    by_load: dict[int, Rejection] = {}

    def lost(candidate: Candidate) -> Rejection:
        account, load, overloaded = candidate.account, 0, False
        prio = account.priority
        if candidate.in_use or candidate.waiting:  # asked of everybody, so not asked of those who are idle
            if candidate.is_full:
                return full(candidate)
            load = candidate.load_rate
            overloaded = load >= 100 and account.concurrency > 0
        if prio != priority and overloaded is is_overloaded:
            return by_priority.get(prio) or by_priority.setdefault(
                prio, Rejection(Reason.LOWER_PRIORITY, prio)
            )
        if load != load_rate or overloaded is not is_overloaded:
            return by_load.get(load) or by_load.setdefault(load, Rejection(Reason.HIGHER_LOAD, load))
        if candidate.last_used_ms != last_used_ms:
            return Rejection(Reason.USED_MORE_RECENTLY, candidate.last_used_ms)
        return _LOST_TIE

    return lost


def lost_in_scores(best: Sequence[Place]) -> Callable[[Candidate], Rejection]:
    """`best`: among whom the draw was made."""
    drawn: set[AccountId] = set()

    def lost(candidate: Candidate) -> Rejection:
        if not drawn:
            drawn.update([place[-1].account.id for place in best])
        if (candidate.in_use or candidate.waiting) and candidate.is_full:
            return full(candidate)
        return _NOT_DRAWN if candidate.account.id in drawn else _LOWER_SCORE

    return lost


def full(candidate: Candidate) -> Rejection:
    return Rejection(Reason.FULL, candidate.waiting)


_GONE = Rejection(Reason.GONE)
_NOT_ROUTED = Rejection(Reason.NOT_ROUTED)
_LEFT_HOME = Rejection(Reason.LEFT_HOME)
_NOT_STICKY = Rejection(Reason.NOT_STICKY)
_LOWER_SCORE = Rejection(Reason.LOWER_SCORE)
_NOT_DRAWN = Rejection(Reason.NOT_DRAWN)
_LOST_TIE = Rejection(Reason.LOST_TIE)
