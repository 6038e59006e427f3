"""What money costs: CPU per request with reservations and ledger, and without them, in the same run.

Without: `run_mode: simple`, and accounts that cost nothing, so that usage is recorded and nothing is
reserved, charged or entered in the ledger. With: by a key whose user's balance is its only limit (two ledger
lines), and by one that has a quota and three windows as well (five claims, three lines).

The wanted number is a tenth of those that it is the difference of, so the method matters more than the
length. Turns are short; before and after every turn with money there is one without, and the turn is compared
with the mean of these two: a machine that gets slower or faster meanwhile, and a database that grows, fall
out of the difference. Reported are the median of the differences and where it lies with 95 % confidence; a
difference whose interval holds both 40 and 0 has not been measured.
"""

import math
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import payloads
from bench.peers import Peer

Measure = Callable[..., dict[str, float]]
"""`bench.run.drive`."""
WANTED_US = 40
SCENARIOS = {
    "non-streamed, 1 KB": payloads.json_bodies()["1 KB"],
    "streamed, 20 events": payloads.stream_body("sim-fast-20-0"),
}


@dataclass(frozen=True)
class Turns:
    """Microseconds of CPU per request, turn by turn."""

    scenario: str
    key: str
    with_money: list[float]
    without: list[float]
    """The mean of the turns before and after each."""

    @property
    def added(self) -> list[float]:
        return [ours - base for ours, base in zip(self.with_money, self.without, strict=True)]

    @property
    def interval(self) -> tuple[float, float]:
        """Where the median of `added` lies with 95 % confidence (by order statistics, whatever its
        distribution); the extremes while there are fewer than six turns."""
        ranked, amount = sorted(self.added), len(self.added)
        skipped = max(0, math.floor((amount - 1.96 * math.sqrt(amount)) / 2))
        return ranked[skipped], ranked[-1 - skipped]


def measure(
    with_money: Sequence[Peer], without: Peer, folder: Path, drive: Measure, *, seconds: float, turns: int
) -> list[Turns]:
    """`turns` times each, every one between two without. `with_money`: the same gateway by different keys,
    each named for its."""
    results = []
    for name, content in SCENARIOS.items():
        body = folder / "money.json"
        body.write_bytes(content)
        for peer in (*with_money, without):
            drive(peer, body, connections=32, seconds=2 * seconds)  # to warm up

        def turn(peer: Peer, body: Path = body) -> float:
            result = drive(peer, body, connections=32, seconds=seconds)
            return result["cpu_s"] / max(result["requests"], 1) * 1e6

        found: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in with_money}
        before = turn(without)
        for _ in range(turns):
            for peer in with_money:
                ours, after = turn(peer), turn(without)
                found[peer.name].append((ours, (before + after) / 2))
                before = after
        for peer in with_money:
            pairs = found[peer.name]
            results.append(Turns(name, peer.name, [ours for ours, _ in pairs], [base for _, base in pairs]))
            added = [round(us, 1) for us in results[-1].added]
            print(f"  money, {name}, {peer.name}: {added} us", file=sys.stderr)
    return results


def print_money(results: list[Turns]) -> None:
    print("\nCPU per request with reservations and ledger, and without (simple mode), SQLite; medians\n")
    _print_row("scenario", "key", "with, us", "without, us", "added, us", "95 %, us", "wanted")
    _print_row("-" * 20, "-" * 18, "-" * 8 + ":", "-" * 10 + ":", "-" * 8 + ":", "-" * 13 + ":", "-" * 6)
    for turns in results:
        medians = map(statistics.median, (turns.with_money, turns.without, turns.added))
        least, most = turns.interval
        spread = f"{least:.1f} to {most:.1f}"
        figures = (f"{us:.1f}" for us in medians)
        _print_row(turns.scenario, turns.key, *figures, spread, f"<= {WANTED_US}")


def _print_row(scenario: str, key: str, ours: str, base: str, added: str, spread: str, wanted: str) -> None:
    row = f"| {scenario:20} | {key:18} | {ours:>9} | {base:>11} | {added:>9} | {spread:>14} | {wanted:6} |"
    print(row)
