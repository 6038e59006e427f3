"""Fair sharing of a group's slots among its users: who is served next (docs/decisions, fair sharing).

Knows: shares (weight, guaranteed slots), what each party holds, who waits since when. Refuses to know:
stores, clocks, requests. Invariants: arithmetic of integers, so that `state/redis/lua/slots.lua` says exactly
the same; nobody is overtaken by a later request of the same party and class; a party with a request in line
and no slot is served after finitely many grants, whatever others ask for; a background request that was
overtaken `PATIENCE` times is background no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headgate.core.ids import UserId

SCALE = 1_000_000
"""One grant of a party of weight 1 costs it so much virtual time."""
PATIENCE = 64
MAX_WEIGHT = 100
MAX_SLOTS = 100_000
MAX_USERS = 1_000


class Share(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request may claim of the slots it waits for."""

    party: str
    """Whose share it is, such as `user:3`."""
    weight: int = 1
    guaranteed: int = 0
    """Slots that nobody of others is served before, as long as the party holds fewer."""
    is_background: bool = False
    """Served after all others, unless its party holds less than it is guaranteed."""


NOBODYS = Share(party="")
"""Of requests that claim no share: among themselves first come, first served."""


@dataclass(slots=True)
class _Party:
    used: int = 0
    waiting: int = 0
    passed: int = 0
    """Virtual time: grows with each grant, the slower the heavier the party is."""


_STRANGER = _Party()

Rank = tuple[bool, bool, int, int, int]


class FairLine:
    """Who holds and who waits, of one resource. Mutable; the store tells it what happens."""

    __slots__ = ("_clock", "_parties", "granted")

    def __init__(self) -> None:
        self.granted = 0
        self._clock = 0
        self._parties: dict[str, _Party] = {}

    def lined_up(self, share: Share) -> int:
        """A request waits. Returns what `rank` wants to know later."""
        self._present(share).waiting += 1
        return self.granted

    def left(self, share: Share) -> None:
        """It does not wait any more, served or not."""
        self._parties[share.party].waiting -= 1
        self._forget(share.party)

    def held(self, share: Share) -> None:
        party = self._present(share)
        party.used += 1
        self._clock = max(self._clock, party.passed)
        party.passed += SCALE // share.weight
        self.granted += 1

    def freed(self, share: Share) -> None:
        self._parties[share.party].used -= 1
        self._forget(share.party)

    def rank(self, share: Share, *, entered: int, seq: int) -> Rank:
        """The lowest is served next: who lacks what is guaranteed; then others before background; then who
        holds least by weight; then by turns; then first come."""
        party = self._parties.get(share.party, _STRANGER)
        is_late = share.is_background and self.granted - entered < PATIENCE
        held = party.used * SCALE // share.weight
        return (party.used >= share.guaranteed, is_late, held, party.passed, seq)

    def _present(self, share: Share) -> _Party:
        """Who comes back has not saved up turns."""
        party = self._parties.get(share.party)
        if party is None:
            party = self._parties[share.party] = _Party()
        if party.used == 0 and party.waiting == 0:
            party.passed = max(party.passed, self._clock)
        return party

    def _forget(self, name: str) -> None:
        party = self._parties[name]
        if party.used == 0 and party.waiting == 0 and party.passed <= self._clock:
            del self._parties[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserShare:
    weight: int = 1
    guaranteed: int | None = None
    """None: what the group guarantees everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FairSharing:
    """How a group shares its slots."""

    slots: int
    guaranteed: int = 0
    """To every user of the group; what is not used is lent to others until it is asked for."""
    users: Mapping[UserId, UserShare] = field(default_factory=dict)

    def share_of(self, user: UserId, *, is_background: bool) -> Share:
        own = self.users.get(user, _USUAL)
        return Share(
            party=f"user:{user}",
            weight=own.weight,
            guaranteed=self.guaranteed if own.guaranteed is None else own.guaranteed,
            is_background=is_background,
        )


_USUAL = UserShare()


def sharing_from(stored: Any) -> FairSharing | None:
    """As it is stored with the group; None: the group does not share. What cannot be understood is left
    out."""
    if not isinstance(stored, dict) or not (slots := _whole(stored.get("slots"), MAX_SLOTS)):
        return None
    users = {}
    given = stored.get("users")
    for name, share in (given if isinstance(given, dict) else {}).items():
        if name.isdecimal() and isinstance(share, dict):
            own = share.get("guaranteed")
            users[UserId(int(name))] = UserShare(
                weight=_whole(share.get("weight"), MAX_WEIGHT) or 1,
                guaranteed=None if own is None else _whole(own, slots),
            )
    return FairSharing(slots=slots, guaranteed=_whole(stored.get("guaranteed"), slots), users=users)


def _whole(value: Any, most: int) -> int:
    return min(value, most) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
