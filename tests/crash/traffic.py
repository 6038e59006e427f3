"""What comes in between two deaths: exchanges of every kind, and management writes that move money."""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.crash.gateways import MortalGateway
from tests.crash.plan import Kill
from tests.crash.world import World
from tests.e2e.money_load import shots
from tests.support.load import Outcome, Shot, volley

AT_ONCE = 32
ROUND = 80
SLOW = 6
_SLOW_SCRIPT = "event_delay=0.07 events=40"
REPEATS = 12
"""Unacknowledged balance changes that one round asks for again, the oldest first. Where a machine is too busy
to answer them all before the next death, they would otherwise push the exchanges out of the rounds (seen at
load 20: 127 changes a round, and no exchange for 80 deaths)."""
LONG = 4
_LONG_SCRIPT = "tokens=2500 events=250 event_delay=0.004"
"""Answers that outgrow what is reserved at first, for those who are nearly broke: some of them end with the
money."""
_ANSWER_S = 20.0
_PATIENCE_S = 4.5
"""How long a fail point may take to be reached before the gateway is killed anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """A balance change that is asked for until it is acknowledged, always under the same key: by the
    operator, or by a code that is made and redeemed in one call."""

    number: int
    user_id: int
    nano: int
    """Signed."""
    is_code: bool = False

    @property
    def note(self) -> str:
        return f"crash-{self.number}"


@dataclass(kw_only=True)
class Writes:
    """Management writes: which were asked for, which were acknowledged."""

    asked: dict[str, Adjustment] = field(default_factory=dict)
    """By note."""
    acknowledged: set[str] = field(default_factory=set)

    @property
    def pending(self) -> list[Adjustment]:
        return [write for note, write in self.asked.items() if note not in self.acknowledged]


@dataclass(kw_only=True)
class Traffic:
    """Endless, different every round, the same for the same seed."""

    world: World
    dice: random.Random
    writes: Writes = field(default_factory=Writes)
    _next: int = 0

    def round(self, admin_token: str, *, amount: int = ROUND) -> list[Shot]:
        """Exchanges, a few of them slow, with balance changes among them."""
        payers, first = self.world.payers, self._next
        self._next += amount + SLOW + LONG
        batch = shots(payers, amount, first=first, named=True)
        batch[4:4] = shots(payers, SLOW, first=first + amount, named=True, script=_SLOW_SCRIPT)
        nearly_broke = {dialect: [payer] * len(payers[dialect]) for dialect, (*_, payer) in payers.items()}
        batch[9:9] = shots(nearly_broke, LONG, first=first + amount + SLOW, named=True, script=_LONG_SCRIPT)
        for write in [*self.writes.pending[:REPEATS], *self._new_writes(first)]:
            batch.insert(self.dice.randint(0, amount // 2), _as_shot(write, admin_token))
        return batch

    def leftovers(self, admin_token: str) -> list[Shot]:
        """The writes that nobody has acknowledged yet."""
        return [_as_shot(write, admin_token) for write in self.writes.pending]

    def _new_writes(self, number: int) -> list[Adjustment]:
        made = []
        for n in range(self.dice.randint(1, 4)):
            payer = self.dice.choice([*self.world.poor, *self.world.everybody])
            nano = self.dice.randint(1, 120) * 10**6 + self.dice.randint(1, 999)
            is_code = self.dice.random() < 0.3
            sign = -1 if not is_code and payer not in self.world.poor and self.dice.random() < 0.4 else 1
            write = Adjustment(
                number=number * 10 + n, user_id=payer.user_id, nano=sign * nano, is_code=is_code
            )
            self.writes.asked[write.note] = write
            made.append(write)
        return made

    def hear(self, outcomes: Sequence[Outcome]) -> None:
        """Note which writes were acknowledged."""
        for outcome in outcomes:
            if (note := outcome.shot.headers.get("idempotency-key")) and outcome.status == 200:
                self.writes.acknowledged.add(note)


def _as_shot(write: Adjustment, admin_token: str) -> Shot:
    usd = abs(write.nano) / 1e9
    body: dict[str, object] = {
        "balance": usd, "operation": "add" if write.nano > 0 else "subtract", "notes": write.note,
    }  # fmt: skip
    path = f"/api/v1/admin/users/{write.user_id}/balance"
    if write.is_code:
        body = {"code": write.note, "value": usd, "user_id": write.user_id}
        path = "/api/v1/admin/redeem-codes/create-and-redeem"
    headers = {"authorization": f"Bearer {admin_token}", "idempotency-key": write.note}
    return Shot(path=path, headers=headers, body=json.dumps(body).encode())


def under_fire(gateway: MortalGateway, batch: Sequence[Shot], kill: Kill) -> tuple[list[Outcome], bool]:
    """Send `batch` and let the gateway die meanwhile. Returns what the clients saw, and whether it died at
    the place that was planned."""

    async def run() -> tuple[list[Outcome], bool]:
        load = start_load(gateway, batch)
        is_as_planned = await death(gateway, load, kill)
        return await load, is_as_planned

    return asyncio.run(run())


def start_load(gateway: MortalGateway, batch: Sequence[Shot]) -> "asyncio.Future[list[Outcome]]":
    return asyncio.ensure_future(volley(gateway.url, batch, at_once=AT_ONCE, timeout_s=_ANSWER_S))


async def death(gateway: MortalGateway, load: "asyncio.Future[list[Outcome]]", kill: Kill) -> bool:
    """Returns when the gateway is dead: at its place, or else by our hand. True: as planned."""
    if kill.place is None:
        await asyncio.sleep(kill.delay_s)
    else:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_S
        while gateway.is_alive and not load.done() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
    is_as_planned = kill.place is None or not gateway.is_alive
    await asyncio.to_thread(gateway.kill)
    return is_as_planned
