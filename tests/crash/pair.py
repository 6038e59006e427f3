"""Two gateways on one PostgreSQL and one Redis: one dies, the other serves on and must be left alone.

What a dead one held in Redis is nobody's: slots and reservations are leases. The last thing looked at is that
none is left and that Redis does not believe in more money than the database has.
"""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import redis
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.kit.clock import SystemClock
from headgate.kit.crypto import Vault
from headgate.storage.engine import create_engine
from headgate.storage.read_model import ReadModel
from tests.crash.gateways import MortalGateway
from tests.crash.lane import WHOLE_EVERY, Lane
from tests.crash.plan import Kill
from tests.crash.traffic import death, start_load
from tests.crash.world import trouble
from tests.support.databases import target_for
from tests.support.load import Outcome

_PROCESS_TTL_S = 3
_LEASES_S = 20.0
"""Reservations live 5 s in these runs unless they are renewed; after this long none may be left."""
_BESIDE = 140
"""Exchanges at the living gateway while the other one dies and comes back."""


def secret_key(seed: int) -> str:
    """What both processes encrypt and seal with."""
    return f"{seed:064x}"


@dataclass(kw_only=True)
class PairLane(Lane):
    """A `Lane` with two processes behind shared state."""

    redis_url: str
    processes: int = 2

    def _environment(self) -> dict[str, str]:
        return {
            **super()._environment(),
            "HEADGATE_REDIS_URL": self.redis_url,
            "HEADGATE_SECRET_KEY": secret_key(self.seed),
            "HEADGATE_LIMITS__RESERVATION_TTL_S": "5",
            "HEADGATE_LIMITS__SLOT_LEASE_S": "3",
            "HEADGATE_LIMITS__PROCESS_TTL_S": str(_PROCESS_TTL_S),
            "HEADGATE_LIMITS__SWEEP_INTERVAL_S": "1",
        }

    def _all_kills(self) -> None:
        for gateway in self.gateways[1:]:
            gateway.start()
        for number, kill in enumerate(self.kills, 1):
            if self.is_over or self.diary.kills.total() >= len(self.kills):
                return
            self._cycle(number, kill)

    def _cycle(self, number: int, kill: Kill) -> None:
        """Both serve; one dies, comes back, armed, dies again at its place, and comes back; then rest."""
        trouble(self.provider, self.traffic.dice)
        victim, other = self.gateways[number % 2], self.gateways[1 - number % 2]
        self._hear(asyncio.run(self._storm(victim, other, kill)))
        self._rest()
        self._judge(is_whole=number % WHOLE_EVERY == 0)

    async def _storm(self, victim: MortalGateway, other: MortalGateway, kill: Kill) -> list[Outcome]:
        token = self.gateway.admin_token
        beside = start_load(other, self.traffic.round(token, amount=_BESIDE))
        loads = [beside]
        if kill.place is not None:
            sudden = Kill(place=None, delay_s=self.traffic.dice.uniform(0.05, 0.8))
            loads.append(start_load(victim, self.traffic.round(token)))
            self._note(sudden, is_as_planned=await death(victim, loads[-1], sudden))
        if await self._revive(victim, kill):
            loads.append(start_load(victim, self.traffic.round(token)))
            self._note(kill, is_as_planned=await death(victim, loads[-1], kill))
        else:
            self._note(kill, is_as_planned=True)
        await asyncio.to_thread(self._count_start, victim, "")
        return [outcome for load in loads for outcome in await load]

    async def _revive(self, victim: MortalGateway, kill: Kill) -> bool:
        """Alive and armed; False: it died in its start."""
        return victim.is_alive or await asyncio.to_thread(self._count_start, victim, kill.armed)

    def _count_start(self, gateway: MortalGateway, armed: str) -> bool:
        self.diary.starts += 1
        return gateway.start(armed)

    def _rest(self) -> None:
        """Until nothing is under way: the living one's own exchanges first, then the dead one's intents."""
        deadline = time.monotonic() + 30
        while any(gateway.metric("headgate_exchanges_in_flight") for gateway in self.gateways):
            assert time.monotonic() < deadline, "exchanges stay in flight"
            time.sleep(0.05)
        self._wait_for_recovery(time.monotonic())

    def _last_words(self) -> None:
        super()._last_words()
        self._shared_state_is_clean()

    def _shared_state_is_clean(self) -> None:
        """No claim is left on any bound, and no bound is believed to be worth more than it is."""
        parts = urlsplit(self.redis_url)
        with redis.Redis(host=str(parts.hostname), port=int(parts.port or 6379)) as client:
            deadline = time.monotonic() + _LEASES_S
            while (held := _held(client)) and time.monotonic() < deadline:
                time.sleep(0.5)
            self.findings.extend(f"{nano} nano-USD stay reserved on {bound}" for bound, nano in held.items())
            believed = _believed(client)
        true = asyncio.run(_left(self.books.url, list(believed)))
        self.findings.extend(
            f"{bound}: the shared state believes that {nano} are left, the database says {true[bound]}"
            for bound, nano in believed.items()
            if nano > true[bound]
        )


def _bounds(client: "redis.Redis") -> list[str]:
    return [key.decode().removeprefix("headgate:bound:") for key in client.scan_iter("headgate:bound:*")]


def _field(client: "redis.Redis", field: str) -> dict[str, int]:
    found = {bound: client.hget(f"headgate:bound:{bound}", field) for bound in _bounds(client)}
    return {bound: int(value) for bound, value in found.items() if value is not None}


def _held(client: "redis.Redis") -> dict[str, int]:
    return {bound: nano for bound, nano in _field(client, "held").items() if nano}


def _believed(client: "redis.Redis") -> dict[str, int]:
    return _field(client, "free")


async def _left(url: str, bounds: list[str]) -> dict[str, int]:
    engine: AsyncEngine = create_engine(target_for(url))
    try:
        return dict(await ReadModel(engine, Vault(bytes(32)), SystemClock()).load_bounds(bounds))
    finally:
        await engine.dispose()
