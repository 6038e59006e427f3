"""The table at the end of a crash run."""

from collections import Counter
from collections.abc import Callable, Sequence

from headgate.kit.fail_points import FailPoint
from tests.crash.lane import Lane
from tests.crash.plan import RANDOM


def print_report(lanes: Sequence[Lane], *, seed: int) -> None:
    """One column per lane: deaths by place, then what the judge added up."""
    print(f"\ncrash run, seed {seed}")
    print(_line("", [lane.name for lane in lanes]))
    for name in [RANDOM, *FailPoint]:
        print(_line(f"killed: {name}", [lane.diary.kills[name] for lane in lanes]))
    for label, value in _ROWS:
        print(_line(label, [value(lane) for lane in lanes]))
    for lane in lanes:
        for low in lane.totals.overdrafts:
            print(f"  below zero, {lane.name}: {low}")


def _line(label: str, cells: Sequence[object]) -> str:
    return f"  {label:46}" + "".join(f"{cell!s:>22}" for cell in cells)


def _mean(numbers: Sequence[float]) -> str:
    return f"{sum(numbers) / len(numbers):.2f}" if numbers else "-"


def _lowest(lane: Lane, what: str) -> int:
    return next((getattr(low, what) for low in lane.totals.overdrafts), 0)


def _all(counts: Counter[str]) -> int:
    return counts.total()


_ROWS: tuple[tuple[str, Callable[[Lane], object]], ...] = (
    ("kills", lambda lane: _all(lane.diary.kills)),
    ("fail points that a round did not reach", lambda lane: _all(lane.diary.missed)),
    ("starts", lambda lane: lane.diary.starts),
    ("calls that the provider saw", lambda lane: lane.totals.calls),
    ("records", lambda lane: _all(lane.totals.records)),
    ("  completed", lambda lane: lane.totals.records["completed"]),
    ("  partial", lambda lane: lane.totals.records["partial"]),
    ("  failed", lambda lane: lane.totals.records["failed"]),
    ("  interrupted", lambda lane: lane.totals.records["interrupted"]),
    ("answers that clients hold whole", lambda lane: lane.totals.answers),
    ("balance changes", lambda lane: lane.totals.adjustments),
    ("account cost by our records, nano-USD", lambda lane: lane.totals.cost_ours),
    ("account cost by the provider's bill, nano-USD", lambda lane: lane.totals.cost_theirs),
    ("  difference", lambda lane: lane.totals.cost_ours - lane.totals.cost_theirs),
    ("charges by our records, nano-USD", lambda lane: lane.totals.charge_ours),
    ("charges by the provider's bill, nano-USD", lambda lane: lane.totals.charge_theirs),
    ("  difference", lambda lane: lane.totals.charge_ours - lane.totals.charge_theirs),
    ("interrupted calls of known usage", lambda lane: lane.totals.known_interrupted),
    ("answers ended because the money was", lambda lane: lane.totals.ended_for_money),
    ("ledger entries in whole hash chains", lambda lane: lane.totals.chained),
    ("lowest balance at any time, nano-USD", lambda lane: _lowest(lane, "nano")),
    ("  the stated bound for it", lambda lane: _lowest(lane, "bound_nano")),
    ("charged for interrupted calls, nano-USD", lambda lane: lane.totals.charge_interrupted),
    ("longest recovery, s", lambda lane: f"{lane.diary.recovery_s:.2f}"),
    ("mean start, s", lambda lane: _mean(lane.diary.start_s)),
    ("run, s", lambda lane: f"{lane.diary.seconds:.0f}"),
    ("findings", lambda lane: len(lane.findings)),
)
