"""Twenty accounts, two hundred conversations, virtual time: the real selection, failover and cooldown rules
on a model of slots, queues and caches."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId
from headgate.core.routing.candidates import Candidate, WaitLimits
from headgate.core.routing.cooldown import CooldownDefaults, account_effect
from headgate.core.routing.failover import FailoverPlan
from headgate.core.routing.scoring import ScoreWeights
from headgate.core.routing.selection import select_account
from headgate.core.routing.stickiness import Home, Stake, StickinessPrices, cache_value_nano, home_after
from headgate.core.routing.verdicts import NoneEligible, Selected, Selection
from headgate.core.usage import TokenUsage
from headgate.core.world import Provider
from tests.core.routing.test_selection import NOW, WANTED, Cooling, account

ACCOUNTS, SESSIONS, SLOTS, DYING = 20, 200, 5, 5
PRICE = {"fresh_nano": 3_750_000_000, "cached_nano": 300_000_000}
PRICES, LIMITS = StickinessPrices(), WaitLimits()
TURN_TOKENS, FIRST_TOKENS = 1_500, 20_000
DEAD = Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message="")


@dataclass
class Conversation:
    number: int
    tokens: int = FIRST_TOKENS
    home: Home | None = None
    plan: FailoverPlan | None = None


@dataclass
class Supply:
    """An upstream account with its slots and the line in front of them."""

    id: AccountId
    running: dict[int, Conversation] = field(default_factory=dict)
    line: deque[Conversation] = field(default_factory=deque)
    cooldowns: tuple[Cooling, ...] = ()
    last_used_ms: int | None = None
    is_dead: bool = False


class World:
    def __init__(self, *, is_sticky: bool, scoring: ScoreWeights | None = None, seed: int = 7) -> None:
        self.random = random.Random(seed)
        self.is_sticky, self.scoring = is_sticky, scoring
        self.accounts = {AccountId(n): account(n, concurrency=SLOTS) for n in range(1, ACCOUNTS + 1)}
        self.supply = {name: Supply(name) for name in self.accounts}
        self.now_ms, self.events, self.order = NOW, list[tuple[int, int, Callable[[], None]]](), 0
        self.asked = self.answered = self.lost = self.cacheable = self.warm = 0
        for number in range(SESSIONS):
            one = Conversation(number)
            self.at(self.random.randint(0, 30_000), lambda one=one: self.ask(one))  # type: ignore[misc]

    def at(self, in_ms: int, what: Callable[[], None]) -> None:
        self.order += 1
        heapq.heappush(self.events, (self.now_ms + in_ms, self.order, what))

    def run(self, seconds: int) -> None:
        until = self.now_ms + seconds * 1000
        while self.events[0][0] <= until:
            self.now_ms, _, what = heapq.heappop(self.events)
            what()
        self.now_ms = until

    def ask(self, one: Conversation) -> None:
        self.asked += 1
        one.plan = FailoverPlan(max_switches=10, max_same_account_retries=0)
        self.place(one)

    def place(self, one: Conversation) -> None:
        assert one.plan is not None
        chosen = self.select(one)
        if isinstance(chosen, NoneEligible):
            self.lost += 1
        elif isinstance(chosen, Selected):
            self.start(one, self.supply[chosen.account.id])
        else:
            self.supply[chosen.account.id].line.append(one)

    def select(self, one: Conversation) -> Selection:
        stake = None
        if one.home is not None:
            value = cache_value_nano(one.home, now_ms=self.now_ms, **PRICE)
            stake = None if value is None else Stake(value, 10_000_000, PRICES)
        assert one.plan is not None
        return select_account(
            [
                Candidate(
                    account=self.accounts[name], in_use=len(of.running), waiting=len(of.line),
                    cooldowns=of.cooldowns, last_used_ms=of.last_used_ms,
                )
                for name, of in self.supply.items()
            ],
            wanted=WANTED, stake=stake,
            sticky_to=one.home.account_id if one.home and self.is_sticky else None,
            excluded=one.plan.excluded, now_ms=self.now_ms, seed=one.number, limits=LIMITS,
            scoring=self.scoring,
        )  # fmt: skip

    def start(self, one: Conversation, at: Supply) -> None:
        at.last_used_ms = self.now_ms
        if at.is_dead:
            self.fail(one, at)
            return
        at.running[one.number] = one
        self.at(self.random.randint(4_000, 12_000), lambda: self.answer(one, at))

    def fail(self, one: Conversation, at: Supply) -> None:
        assert one.plan is not None
        effect = account_effect(
            DEAD, None, provider=Provider.ANTHROPIC, defaults=CooldownDefaults(), now_ms=self.now_ms
        )
        assert effect.cooldown is not None
        at.cooldowns = (Cooling(effect.cooldown.until_ms, reason=effect.cooldown.reason),)
        if one.plan.after(at.id, DEAD, response_started=False) == "stop":
            self.lost += 1
        else:
            self.place(one)

    def answer(self, one: Conversation, at: Supply) -> None:
        if at.running.pop(one.number, None) is None:
            return  # it died before its first byte, and another account has answered
        self.answered += 1
        known = one.home.warm_tokens if one.home and self.now_ms < one.home.warm_until_ms else 0
        is_home = one.home is not None and one.home.account_id == at.id
        self.cacheable += known or 0
        self.warm += (known or 0) if is_home else 0
        usage = TokenUsage(cache_read=known or 0, cache_write_5m=one.tokens - (known or 0))
        one.home = home_after(
            one.home, at.id, usage, provider=Provider.ANTHROPIC, model="m", now_ms=self.now_ms
        )
        one.tokens += TURN_TOKENS
        self.at(self.random.randint(5_000, 40_000), lambda: self.ask(one))
        if at.line:
            self.start(at.line.popleft(), at)

    def kill(self, names: list[AccountId]) -> None:
        """All at once, with everything that runs and waits there."""
        victims = [self.supply[name] for name in names]
        struck = [(one, at) for at in victims for one in (*at.running.values(), *at.line)]
        for at in victims:
            at.is_dead = True
            at.running.clear()
            at.line.clear()
        for one, at in struck:
            self.fail(one, at)

    def share(self, seconds: int) -> float:
        """Of the cacheable tokens, how many are asked of the account that has them."""
        self.cacheable = self.warm = 0
        self.run(seconds)
        return self.warm / self.cacheable


@pytest.mark.parametrize("scoring", [None, ScoreWeights()], ids=["layered", "scored"])
def test_two_hundred_conversations_stay_warm_and_none_is_lost_when_five_accounts_die_at_once(
    scoring: ScoreWeights | None,
) -> None:
    world = World(is_sticky=True, scoring=scoring)
    world.run(120)
    assert world.share(300) >= 0.95
    struck = [name for name, of in world.supply.items() if of.running][:DYING]
    assert sum(len(world.supply[name].running) for name in struck) > DYING
    world.kill(struck)
    world.run(120)
    assert world.share(300) >= 0.95, "those who moved are warm again"
    assert world.lost == 0
    under_way = sum(len(of.running) + len(of.line) for of in world.supply.values())
    assert world.asked == world.answered + under_way
    assert not any(world.supply[name].running for name in struck)


def test_without_a_home_hardly_anything_is_warm() -> None:
    """What the number above is worth."""
    world = World(is_sticky=False)
    world.run(120)
    assert world.share(120) < 0.2


def test_the_same_world_comes_out_the_same_again() -> None:
    worlds = [World(is_sticky=True, scoring=ScoreWeights()) for _ in range(2)]
    shares = [world.share(200) for world in worlds]
    assert shares[0] == shares[1]
    assert worlds[0].answered == worlds[1].answered
