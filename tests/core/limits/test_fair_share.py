"""Fair sharing in virtual time: nobody starves, shares are kept, and whoever comes first is served first."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.ids import UserId
from headgate.core.limits.fair_share import PATIENCE, FairLine, FairSharing, Share, UserShare, sharing_from


@dataclass
class Room:
    """A resource with slots, run by hand: the same steps as the stores."""

    slots: int
    line: FairLine = field(default_factory=FairLine)
    waiting: dict[int, tuple[Share, int]] = field(default_factory=dict)
    held: dict[int, Share] = field(default_factory=dict)
    served: list[tuple[int, Share]] = field(default_factory=list)
    arrivals: int = 0

    def come(self, share: Share) -> int:
        self.arrivals += 1
        if not self.waiting and len(self.held) < self.slots:
            self._hold(self.arrivals, share)
        else:
            self.waiting[self.arrivals] = (share, self.line.lined_up(share))
        return self.arrivals

    def end(self, seq: int) -> None:
        self.line.freed(self.held.pop(seq))
        while self.waiting and len(self.held) < self.slots:
            best = min(self.waiting, key=self._rank)
            share, _ = self.waiting.pop(best)
            self.line.left(share)
            self._hold(best, share)

    def give_up(self, seq: int) -> None:
        self.line.left(self.waiting.pop(seq)[0])

    def _rank(self, seq: int) -> tuple[bool, bool, int, int, int]:
        share, entered = self.waiting[seq]
        return self.line.rank(share, entered=entered, seq=seq)

    def _hold(self, seq: int, share: Share) -> None:
        self.line.held(share)
        self.held[seq] = share
        self.served.append((seq, share))


Ends = Callable[[dict[int, Share]], int]


def longest(held: dict[int, Share]) -> int:
    return next(iter(held))


def busy(room: Room, shares: list[Share], rounds: int, *, ends: Ends = longest) -> None:
    """Everybody always has ten requests in line or under way; each round one that runs comes to its end."""
    for share in shares * 10:
        room.come(share)
    for _ in range(rounds):
        over = ends(room.held)
        share = room.held[over]
        room.end(over)
        room.come(share)


def counts(room: Room) -> Counter[str]:
    return Counter(share.party for _, share in room.served[-400:])


A, B, C = (Share(party=name) for name in "abc")


@pytest.mark.parametrize("slots", [1, 2, 3, 7])
def test_equal_users_get_equal_shares_however_many_requests_each_has(slots: int) -> None:
    room = Room(slots)
    for _ in range(50):
        room.come(A)
    busy(room, [A, B, C], 600)
    seen = counts(room)
    assert max(seen.values()) - min(seen.values()) <= slots + 1


@pytest.mark.parametrize("slots", [1, 4, 8])
def test_weights_decide_how_much_each_gets(slots: int) -> None:
    heavy = Share(party="heavy", weight=3)
    room = Room(slots)
    busy(room, [heavy, A], 800)
    seen = counts(room)
    assert 2.6 <= seen["heavy"] / seen["a"] <= 3.4


def test_who_holds_long_does_not_hold_more() -> None:
    """A's requests never end while there is another that may: it still keeps its half only."""

    def rather_not_as(held: dict[int, Share]) -> int:
        return min(held, key=lambda seq: (held[seq].party == "a", seq))

    room = Room(4)
    busy(room, [A, B], 100, ends=rather_not_as)
    assert Counter(share.party for share in room.held.values()) == {"a": 2, "b": 2}


def test_idle_slots_are_lent_and_a_guarantee_is_met_with_the_next_slots_that_come_free() -> None:
    owner = Share(party="owner", guaranteed=2)
    room = Room(3)
    running = [room.come(A) for _ in range(8)][:3]
    assert [share.party for share in room.held.values()] == ["a"] * 3, "nobody else wanted them"
    for _ in range(3):
        room.come(owner)
    room.end(running[0])
    room.end(running[1])
    assert Counter(share.party for share in room.held.values()) == {"owner": 2, "a": 1}
    room.end(running[2])
    assert Counter(share.party for share in room.held.values()) == {"owner": 2, "a": 1}, "no more than that"


def test_background_comes_after_all_others_but_not_for_ever() -> None:
    slow = Share(party="c", is_background=True)
    room = Room(1)
    for share in (A, A, B, B):
        room.come(share)
    late = room.come(slow)
    for _ in range(2 * PATIENCE):
        (over,) = room.held
        share = room.held[over]
        room.end(over)
        room.come(share)
    order = [seq for seq, _ in room.served]
    assert PATIENCE <= order.index(late) <= PATIENCE + 3


step = st.sampled_from(["come", "end", "give_up"])
steps = st.lists(st.tuples(step, st.integers(0, 4), st.booleans(), st.integers(0, 99)), max_size=120)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), steps)
def test_slots_are_kept_and_first_come_is_first_served_within_party_and_class(
    slots: int, script: list[tuple[str, int, bool, int]]
) -> None:
    room = Room(slots)
    for step, who, is_background, which in script:
        share = Share(party=f"p{who}", weight=who + 1, guaranteed=who % 2, is_background=is_background)
        if step == "come":
            room.come(share)
        elif step == "end" and room.held:
            room.end(list(room.held)[which % len(room.held)])
        elif step == "give_up" and room.waiting:
            room.give_up(list(room.waiting)[which % len(room.waiting)])
        assert len(room.held) <= slots
        assert not room.waiting or len(room.held) == slots, "no slot is free while somebody waits"
    for is_background in (False, True):
        for who in range(5):
            mine = (f"p{who}", is_background)
            own = [seq for seq, share in room.served if (share.party, share.is_background) == mine]
            assert own == sorted(own)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(st.integers(1, 100), st.integers(0, 2)), min_size=2, max_size=6))
def test_nobody_starves_whatever_the_others_weigh(slots: int, others: list[tuple[int, int]]) -> None:
    """One light user with one request against heavy ones that never stop asking. (More guarantees than slots
    cannot all be kept: guarantees are left out here.)"""
    room = Room(slots)
    shares = [Share(party=f"o{n}", weight=weight) for n, (weight, _) in enumerate(others)]
    busy(room, shares, 20)
    light = room.come(Share(party="light"))
    for _ in range(200 * len(others)):
        if light in room.held:
            return
        over = min(room.held)
        share = room.held[over]
        room.end(over)
        room.come(share)
    raise AssertionError("it was never served")


def test_shares_as_they_are_stored() -> None:
    stored = {
        "slots": 10,
        "guaranteed": 1,
        "users": {"7": {"weight": 3}, "8": {"guaranteed": 4, "weight": 500}},
    }
    found = sharing_from(stored)
    assert found == FairSharing(
        slots=10,
        guaranteed=1,
        users={UserId(7): UserShare(weight=3), UserId(8): UserShare(weight=100, guaranteed=4)},
    )
    assert found.share_of(UserId(7), is_background=True) == Share(
        party="user:7", weight=3, guaranteed=1, is_background=True
    )
    assert found.share_of(UserId(9), is_background=False) == Share(party="user:9", guaranteed=1)
    unusable: list[object] = [None, {}, [], {"slots": 0}, {"slots": "9"}, {"slots": True}]
    for nothing in unusable:
        assert sharing_from(nothing) is None
