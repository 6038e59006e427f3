"""What money costs: CPU per request with reservations and ledger, and without them, in the same run.

Without: `run_mode: simple`, and accounts that cost nothing, so that usage is recorded and nothing is
reserved, charged or entered in the ledger. The two gateways are measured in turns, the first one changing,
and compared turn by turn: what the machine does to one it does to the other.
"""

import statistics
import sys
from collections.abc import Callable
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
    with_money: list[float]
    without: list[float]

    @property
    def added(self) -> list[float]:
        return [ours - base for ours, base in zip(self.with_money, self.without, strict=True)]


def measure(
    with_money: Peer, without: Peer, folder: Path, drive: Measure, *, seconds: float, turns: int
) -> list[Turns]:
    """`turns` times each, alternating."""
    results = []
    for name, content in SCENARIOS.items():
        body = folder / "money.json"
        body.write_bytes(content)
        found: dict[str, list[float]] = {with_money.name: [], without.name: []}
        for peer in (with_money, without):
            drive(peer, body, connections=32, seconds=seconds)
        for turn in range(turns):
            for peer in (with_money, without) if turn % 2 == 0 else (without, with_money):
                result = drive(peer, body, connections=32, seconds=seconds)
                found[peer.name].append(result["cpu_s"] / max(result["requests"], 1) * 1e6)
        results.append(Turns(name, found[with_money.name], found[without.name]))
        print(f"  money, {name}: {[round(us, 1) for us in results[-1].added]} us", file=sys.stderr)
    return results


def print_money(results: list[Turns]) -> None:
    print("\nCPU per request with reservations and ledger, and without (simple mode), SQLite; medians\n")
    _print_row("scenario", "with, us", "without, us", "added, us", "spread, us", "wanted")
    _print_row("-" * 20, "-" * 8 + ":", "-" * 10 + ":", "-" * 8 + ":", "-" * 13 + ":", "-" * 6)
    for turns in results:
        medians = map(statistics.median, (turns.with_money, turns.without, turns.added))
        spread = f"{min(turns.added):.1f} to {max(turns.added):.1f}"
        _print_row(turns.scenario, *(f"{us:.1f}" for us in medians), spread, f"<= {WANTED_US}")


def _print_row(scenario: str, ours: str, base: str, added: str, spread: str, wanted: str) -> None:
    print(f"| {scenario:20} | {ours:>9} | {base:>11} | {added:>9} | {spread:>14} | {wanted:6} |")
