"""What money costs: CPU per request with reservations and ledger, and without them, in the same run.

Without: `run_mode: simple`, and accounts that cost nothing, so that usage is recorded and nothing is
reserved, charged or entered in the ledger. With: by a key whose user's balance is its only limit (two ledger
lines), and by one that has a quota and three windows as well (five claims, three lines). All are measured in
turns, the first one changing, and compared turn by turn: what the machine does to one it does to the other.
"""

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

    @property
    def added(self) -> list[float]:
        return [ours - base for ours, base in zip(self.with_money, self.without, strict=True)]


def measure(
    with_money: Sequence[Peer], without: Peer, folder: Path, drive: Measure, *, seconds: float, turns: int
) -> list[Turns]:
    """`turns` times each, alternating. `with_money`: the same gateway by different keys, each named for
    its."""
    results = []
    parties = (*with_money, without)
    for name, content in SCENARIOS.items():
        body = folder / "money.json"
        body.write_bytes(content)
        found: dict[str, list[float]] = {peer.name: [] for peer in parties}
        for peer in parties:
            drive(peer, body, connections=32, seconds=seconds)
        for turn in range(turns):
            for peer in parties if turn % 2 == 0 else reversed(parties):
                result = drive(peer, body, connections=32, seconds=seconds)
                found[peer.name].append(result["cpu_s"] / max(result["requests"], 1) * 1e6)
        for peer in with_money:
            results.append(Turns(name, peer.name, found[peer.name], found[without.name]))
            added = [round(us, 1) for us in results[-1].added]
            print(f"  money, {name}, {peer.name}: {added} us", file=sys.stderr)
    return results


def print_money(results: list[Turns]) -> None:
    print("\nCPU per request with reservations and ledger, and without (simple mode), SQLite; medians\n")
    _print_row("scenario", "key", "with, us", "without, us", "added, us", "spread, us", "wanted")
    _print_row("-" * 20, "-" * 18, "-" * 8 + ":", "-" * 10 + ":", "-" * 8 + ":", "-" * 13 + ":", "-" * 6)
    for turns in results:
        medians = map(statistics.median, (turns.with_money, turns.without, turns.added))
        spread = f"{min(turns.added):.1f} to {max(turns.added):.1f}"
        figures = (f"{us:.1f}" for us in medians)
        _print_row(turns.scenario, turns.key, *figures, spread, f"<= {WANTED_US}")


def _print_row(scenario: str, key: str, ours: str, base: str, added: str, spread: str, wanted: str) -> None:
    row = f"| {scenario:20} | {key:18} | {ours:>9} | {base:>11} | {added:>9} | {spread:>14} | {wanted:6} |"
    print(row)
