"""`python -m tests.crash --database sqlite --kills 500`; `make crash-test` for both databases in short."""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.crash.lane import Lane
from tests.crash.nursery import Nursery
from tests.crash.pair import PairLane, secret_key
from tests.crash.plan import plan
from tests.crash.report import print_report
from tests.e2e.money_books import Books
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.redis_server import running_redis

SQLITE, POSTGRES, PAIR = "sqlite", "postgresql", "pair"
PAIR_SHARE = 1 / 3
_PAIR_BEGINS_AT = 13
"""Where the plan of the lane beside it ends in the short form, so that together they visit every place."""


def main() -> int:
    options = _options()
    seed = options.seed if options.seed is not None else int(time.time())
    folder = Path(tempfile.mkdtemp(prefix="headgate-crash-"))
    with ExitStack() as stack:
        lanes = _lanes(options, seed, folder, stack)
        problems = _run(lanes)
    print_report(lanes, seed=seed)
    if problems:
        print("\n".join(["", *problems, f"seed {seed}; kept: {folder}"]))
        return 1
    shutil.rmtree(folder)
    return 0


def _lanes(options: argparse.Namespace, seed: int, folder: Path, stack: ExitStack) -> list[Lane]:
    """SQLite: one gateway. PostgreSQL: one gateway, and beside it a pair with Redis for a third of the
    kills."""
    nursery = stack.enter_context(Nursery())
    common: dict[str, Any] = {"nursery": nursery, "deadline": time.monotonic() + options.minutes * 60}
    lanes: list[Lane] = []
    if options.database in (SQLITE, "both"):
        place = folder / "sqlite"
        books = Books(f"sqlite:///{place / 'gateway' / 'data' / 'headgate.db'}")
        kills = plan(options.kills, seed=seed)
        lanes.append(Lane(name="sqlite", books=books, folder=place, kills=kills, seed=seed, **common))
    if options.database == PAIR:
        server = stack.enter_context(running_postgres())
        lanes.append(_pair(server, folder / "pair", options.kills, seed + 1, stack, common))
    if options.database in (POSTGRES, "both"):
        server = stack.enter_context(running_postgres())
        for_pair = round(options.kills * PAIR_SHARE)
        key_file = folder / "alone" / "gateway" / "data" / "secret.key"
        books = Books(asyncio.run(server.create_database("alone")), key_file)
        kills = plan(options.kills - for_pair, seed=seed)
        lanes.append(
            Lane(name="postgresql", books=books, folder=folder / "alone", kills=kills, seed=seed, **common)
        )
        if for_pair:
            lanes.append(_pair(server, folder / "pair", for_pair, seed + 1, stack, common))
    return lanes


def _pair(
    server: PostgresServer, folder: Path, kills: int, seed: int, stack: ExitStack, common: dict[str, Any]
) -> PairLane:
    folder.mkdir(parents=True)
    key_file = folder / "secret.key"
    key_file.write_text(secret_key(seed))
    return PairLane(
        name="postgresql+redis, two",
        books=Books(asyncio.run(server.create_database("pair")), key_file),
        folder=folder,
        kills=plan(kills, seed=seed, first=_PAIR_BEGINS_AT),
        seed=seed,
        redis_url=stack.enter_context(running_redis(folder)),
        **common,
    )


def _run(lanes: Sequence[Lane]) -> list[str]:
    """All lanes at once; what went wrong in any."""
    problems = []
    with ThreadPoolExecutor(len(lanes)) as pool:
        runs = [(lane, pool.submit(lane.run)) for lane in lanes]
        for lane, run in runs:
            if (error := run.exception()) is not None:
                problems.append(f"{lane.name}: the harness failed: {error!r}")
            problems += [f"{lane.name}: {finding}" for finding in lane.findings]
    return problems


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument(
        "--database",
        choices=[SQLITE, POSTGRES, PAIR, "both"],
        default="both",
        help="pair: only the two processes on PostgreSQL and Redis",
    )
    parser.add_argument("--kills", type=int, default=30, help="per database")
    parser.add_argument(
        "--seed", type=int, default=None, help="the same seed gives the same plan and traffic"
    )
    parser.add_argument("--minutes", type=float, default=120, help="no kill after so many")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
