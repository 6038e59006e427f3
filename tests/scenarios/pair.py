"""Two gateways, each a process with a port of its own, on one PostgreSQL and one Redis: what one learns, the
other knows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.speakers import MESSAGES
from tests.e2e.wire import Answer
from tests.scenarios.world import SETTINGS, Scene, World, rich_user
from tests.support.gateway import Gateway, running_gateway
from tests.support.redis_server import running_redis
from tests.support.simulator import running_simulator

LEASE_S = 3
_SHARED = {
    **SETTINGS,
    "HEADGATE_SECRET_KEY": f"{7:064x}",
    "HEADGATE_REDIS__DEADLINE_S": "10",
    "HEADGATE_LIMITS__SLOT_LEASE_S": str(LEASE_S),
    "HEADGATE_LIMITS__PROCESS_TTL_S": str(LEASE_S),
    "HEADGATE_LIMITS__SWEEP_INTERVAL_S": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(World):
    """`gateway` and `other` are equals; the clocks cannot be moved."""

    other: Gateway

    def scene(self, accounts: int = 1, platform: str = "anthropic", **more: Any) -> Scene:
        """Known to both."""
        made = World.scene(self, accounts, platform, **more)
        deadline = time.monotonic() + 20
        while _version(self.other) < _version(self.gateway) and time.monotonic() < deadline:
            time.sleep(0.05)
        return made

    def ask_other(self, scene: Scene, text: str = "hi", **more: Any) -> Answer:
        return MESSAGES.ask(self.other, scene.key, text, **more)


@contextmanager
def running_pair(folder: Path, database_url: str) -> Iterator[Pair]:
    with running_redis(folder) as redis_url, running_simulator(seed=5) as simulator:
        shared = {**_SHARED, "HEADGATE_REDIS_URL": redis_url, "HEADGATE_DATABASE_URL": database_url}
        with (
            running_gateway(folder / "one", **shared) as one,
            running_gateway(folder / "two", **shared) as two,
        ):
            yield Pair(one, simulator, rich_user(one), other=two)


def _version(gateway: Gateway) -> float:
    lines = gateway.get("/metrics")[1].decode().splitlines()
    return max(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith("headgate_directory_version")
    )
