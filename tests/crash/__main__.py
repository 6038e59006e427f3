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

from tests.crash.lane import Lane
from tests.crash.nursery import Nursery
from tests.crash.plan import plan
from tests.crash.report import print_report
from tests.e2e.money_books import Books
from tests.support.postgres import running_postgres

SQLITE, POSTGRES = "sqlite", "postgresql"
LANES_PER_DATABASE = 1


def main() -> int:
    options = _options()
    seed = options.seed if options.seed is not None else int(time.time())
    folder = Path(tempfile.mkdtemp(prefix="headgate-crash-"))
    databases = [SQLITE, POSTGRES] if options.database == "both" else [options.database]
    deadline = time.monotonic() + options.minutes * 60
    with ExitStack() as stack:
        nursery = stack.enter_context(Nursery())
        lanes = [
            Lane(
                name=f"{database} {number}" if options.lanes > 1 else database,
                books=_books(database, folder / f"{database}-{number}", stack),
                folder=folder / f"{database}-{number}",
                nursery=nursery,
                kills=plan(_share(options.kills, number, options.lanes), seed=seed + number),
                seed=seed + number,
                deadline=deadline,
            )
            for database in databases
            for number in range(options.lanes)
        ]
        problems = _run(lanes)
    print_report(lanes, seed=seed)
    if problems:
        print("\n".join(["", *problems, f"seed {seed}; kept: {folder}"]))
        return 1
    shutil.rmtree(folder)
    return 0


def _share(kills: int, number: int, lanes: int) -> int:
    return kills // lanes + (number < kills % lanes)


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


def _books(database: str, folder: Path, stack: ExitStack) -> Books:
    folder.mkdir(parents=True)
    if database == SQLITE:
        return Books(f"sqlite:///{folder / 'gateway' / 'data' / 'headgate.db'}")
    server = stack.enter_context(running_postgres())
    return Books(asyncio.run(server.create_database("crash")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--database", choices=[SQLITE, POSTGRES, "both"], default="both")
    parser.add_argument("--kills", type=int, default=24, help="per database")
    parser.add_argument("--lanes", type=int, default=LANES_PER_DATABASE, help="gateways per database")
    parser.add_argument(
        "--seed", type=int, default=None, help="the same seed gives the same plan and traffic"
    )
    parser.add_argument("--minutes", type=float, default=120, help="no kill after so many")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
