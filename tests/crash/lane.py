"""One database, its provider and its gateway, from the first death to the last."""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.gateways import MortalGateway
from tests.crash.judge import Judge, Totals
from tests.crash.nursery import Nursery
from tests.crash.plan import RANDOM, Kill
from tests.crash.traffic import Traffic, under_fire
from tests.crash.world import settle_down, trouble
from tests.e2e.money_books import Books
from tests.support.gateway import SAFE_FOR_TESTS, free_port
from tests.support.load import Outcome, volley
from tests.support.simulator import running_simulator

RECOVERY_S = 60.0
"""Nobody may wait longer for the books to be complete."""
WHOLE_EVERY = 10
"""Kills between two looks at the whole ledger."""
_ACKNOWLEDGED_S = 60.0
SETTINGS = {
    **SAFE_FOR_TESTS,
    "HEADGATE_GATEWAY__OVERLOAD_COOLDOWN_S": "0",
    "HEADGATE_GATEWAY__UNREACHABLE_COOLDOWN_S": "0",
    "HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "10000",
    "HEADGATE_IDEMPOTENCY__LOCK_S": "2",
    "HEADGATE_IDEMPOTENCY__RETRY_BACKOFF_S": "0",
    "HEADGATE_LOG__LEVEL": "warning",
}


@dataclass(kw_only=True)
class Diary:
    """What happened to a lane."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    """By place; `random` for the rest."""
    missed: Counter[str] = field(default_factory=Counter)
    """Places that a round of traffic did not reach; those rounds ended in a random kill."""
    starts: int = 0
    recovery_s: float = 0.0
    """The longest: from a start to no open intent."""
    start_s: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(kw_only=True)
class Lane:
    """Lives in a thread of its own."""

    name: str
    books: Books
    folder: Path
    nursery: Nursery
    kills: Sequence[Kill]
    seed: int
    deadline: float
    """Monotonic: no kill after it."""
    processes: int = 1
    diary: Diary = field(init=False)
    judge: Judge = field(init=False)
    gateways: list[MortalGateway] = field(default_factory=list)
    _unjudged: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.diary = Diary(name=self.name)
        self.judge = Judge(books=self.books)

    @property
    def totals(self) -> Totals:
        return self.judge.totals

    @property
    def findings(self) -> list[str]:
        return self.judge.findings

    def run(self) -> None:
        """All kills, or until the first finding."""
        began = time.monotonic()
        with ExitStack() as stack:
            self.provider = stack.enter_context(
                running_simulator(seed=self.seed, pace_ms=3, keep_lines=50_000)
            )
            stack.callback(self._end_gateways)
            self.gateways = [
                MortalGateway.at(self.nursery, self.folder / "gateway", free_port(), self._environment())
                for _ in range(self.processes)
            ]
            self.gateway.start()
            self.judge.world = settle_down(self.gateway, self.provider)
            self.traffic = Traffic(world=self.judge.world, dice=random.Random(self.seed))
            self._all_kills()
            if not self.findings:
                self._last_words()
        self.diary.start_s = [took for gateway in self.gateways for took in gateway.start_s]
        self.diary.seconds = time.monotonic() - began

    @property
    def gateway(self) -> MortalGateway:
        """The first one, for management calls."""
        return self.gateways[0]

    def _environment(self) -> dict[str, str]:
        is_ours = self.books.url.startswith("sqlite")
        return {**SETTINGS, **({} if is_ours else {"HEADGATE_DATABASE_URL": self.books.url})}

    def _all_kills(self) -> None:
        self.gateway.kill()
        for number, kill in enumerate(self.kills, 1):
            if self.is_over:
                return
            self._cycle(number, kill)

    @property
    def is_over(self) -> bool:
        return bool(self.findings) or time.monotonic() > self.deadline

    def _cycle(self, number: int, kill: Kill) -> None:
        """Start, armed for the next death; recover from the last one; be judged; serve; die."""
        if not self._start(kill.armed):
            self._note(kill, is_as_planned=True)
            return
        self._judge(is_whole=number % WHOLE_EVERY == 0)
        trouble(self.provider, self.traffic.dice)
        batch = self.traffic.round(self.gateway.admin_token)
        outcomes, is_as_planned = under_fire(self.gateway, batch, kill)
        self._note(kill, is_as_planned=is_as_planned)
        self._hear(outcomes)

    def _start(self, armed: str = "") -> bool:
        """False: it died again before it served. Serving means recovered, as far as this process can know."""
        began = time.monotonic()
        self.diary.starts += 1
        if not self.gateway.start(armed):
            return False
        self._wait_for_recovery(began)
        return True

    def _wait_for_recovery(self, began: float) -> None:
        while self.books.open_intents() and time.monotonic() < began + RECOVERY_S:
            time.sleep(0.05)
        self.diary.recovery_s = max(self.diary.recovery_s, time.monotonic() - began)

    def _hear(self, outcomes: Sequence[Outcome]) -> None:
        self.traffic.hear(outcomes)
        self._unjudged += outcomes

    def _note(self, kill: Kill, *, is_as_planned: bool) -> None:
        if not is_as_planned:
            self.diary.missed[kill.name] += 1
        self.diary.kills[kill.name if is_as_planned else RANDOM] += 1

    def _judge(self, *, is_whole: bool) -> None:
        """The chapter that the last death ended."""
        bill = self.provider.settled_bill(timeout_s=15)
        self.judge.chapter(bill, self._unjudged, self.traffic.writes)
        self._unjudged = []
        for gateway in self.gateways:
            if held := gateway.metric("headgate_slots_held"):
                self.findings.append(f"{held} slots are held by nobody")
        self.provider.reset_bill()
        if is_whole:
            self.judge.whole()
            self._tell()

    def _tell(self) -> None:
        """Progress, for whoever waits."""
        kills, records = self.diary.kills.total(), self.totals.records
        print(
            f"{self.name}: {kills} of {len(self.kills)} kills, {records.total()} records,"
            f" {len(self.findings)} findings",
            file=sys.stderr, flush=True,
        )  # fmt: skip

    def _last_words(self) -> None:
        """Everything asked for is acknowledged in the end, and everything is judged."""
        if not self.gateway.is_alive:
            self._start()
        deadline = time.monotonic() + _ACKNOWLEDGED_S
        while self.traffic.writes.pending and time.monotonic() < deadline:
            rest = self.traffic.leftovers(self.gateway.admin_token)
            self.traffic.hear(asyncio.run(volley(self.gateway.url, rest)))
            time.sleep(0.5)
        if self.traffic.writes.pending:
            self.findings.append(f"never acknowledged: {self.traffic.writes.pending}")
        self._judge(is_whole=True)

    def _end_gateways(self) -> None:
        for gateway in self.gateways:
            if gateway.is_alive:
                gateway.kill()
