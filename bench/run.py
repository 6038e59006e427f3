"""`make bench`: one table, Headgate against nginx in the same run on the same machine."""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import payloads, selection
from bench.money import Turns, measure, print_money
from bench.peers import OTHERS_CORE, Peer, start_headgate, start_nginx, start_simulator
from bench.processes import pin, sample

EVENTS, PACE_MS = 400, 5


@dataclass
class Row:
    scenario: str
    unit: str
    headgate: float
    nginx: float | None
    wanted: str

    @property
    def ratio(self) -> str:
        return f"{self.headgate / self.nginx:.2f}x" if self.nginx else "-"


def drive(peer: Peer, body: Path, **options: object) -> dict[str, float]:
    """One load run in its own process on the others' core; CPU of the peer is sampled around it."""
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", **peer.headers}
    spec = {
        "host": "127.0.0.1",
        "port": peer.port,
        "path": "/v1/messages",
        "headers": headers,
        "body_file": str(body),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load", json.dumps({**spec, **options})], stdout=subprocess.PIPE
    )
    pin(process.pid, OTHERS_CORE)
    before = sample(peer.pids)
    output, _ = process.communicate(timeout=600)
    after = sample(peer.pids)
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    result["cpu_s"] = after.cpu_s - before.cpu_s
    if result["failed"]:
        print(f"  {peer.name}: {result['failed']} failed of {result['requests']}", file=sys.stderr)
    return result


def cpu_per(peer: Peer, body: Path, per: str, **options: object) -> float:
    """Microseconds of CPU per request or per event, after a warm-up."""
    drive(peer, body, seconds=2.0, **{k: v for k, v in options.items() if k != "seconds"})
    result = drive(peer, body, **options)
    count = result["requests"] if per == "request" else result["requests"] * (EVENTS + 4)
    print(f"  {peer.name}: {result['requests'] / result['seconds']:.0f} requests/s", file=sys.stderr)
    return result["cpu_s"] / max(count, 1) * 1e6


def requests_table(headgate: Peer, nginx: Peer | None, folder: Path, seconds: float) -> list[Row]:
    rows = []
    for name, size_body in payloads.json_bodies().items():
        body = folder / f"{name}.json"
        body.write_bytes(size_body)
        ours = cpu_per(headgate, body, "request", connections=32, seconds=seconds)
        theirs = cpu_per(nginx, body, "request", connections=32, seconds=seconds) if nginx else None
        rows.append(Row(f"non-streamed, {name}", "us CPU/request", ours, theirs, "<= 6x"))
    body = folder / "stream.json"
    body.write_bytes(payloads.stream_body(f"sim-fast-{EVENTS}-{PACE_MS}"))
    ours = cpu_per(headgate, body, "event", connections=48, seconds=seconds)
    theirs = cpu_per(nginx, body, "event", connections=48, seconds=seconds) if nginx else None
    rows.append(
        Row(f"streamed, {EVENTS} events, {PACE_MS} ms apart", "us CPU/event", ours, theirs, "<= 1.5x")
    )
    return rows


def latency_rows(headgate: Peer, direct: Peer, folder: Path, seconds: float) -> list[Row]:
    """Time to first byte at 300 requests a second, minus what the simulator itself takes."""
    body = folder / "ttfb.json"
    body.write_bytes(payloads.stream_body("sim-fast-20-0"))
    drive(headgate, body, rate=300, seconds=2.0)
    ours, base = (
        drive(headgate, body, rate=300, seconds=seconds),
        drive(direct, body, rate=300, seconds=seconds),
    )
    return [
        Row(
            "added time to first byte at 300/s, p50",
            "ms",
            ours["ttfb_p50_ms"] - base["ttfb_p50_ms"],
            None,
            "< 2 ms",
        ),
        Row(
            "added time to first byte at 300/s, p99",
            "ms",
            ours["ttfb_p99_ms"] - base["ttfb_p99_ms"],
            None,
            "< 10 ms",
        ),
    ]


def memory_rows(headgate: Peer, folder: Path, streams: int, soak_s: float) -> list[Row]:
    """Memory per open stream, and its drift while the streams go on."""
    body = folder / "soak.json"
    body.write_bytes(payloads.stream_body(f"sim-fast-{int(soak_s / 0.5) + 200}-500"))
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", **headgate.headers}
    spec = {
        "host": "127.0.0.1",
        "port": headgate.port,
        "path": "/v1/messages",
        "headers": headers,
        "body_file": str(body),
        "connections": streams,
        "hold": True,
        "seconds": soak_s,
    }
    before = sample(headgate.pids).rss_bytes
    process = subprocess.Popen([sys.executable, "-m", "bench.load", json.dumps(spec)], stdout=subprocess.PIPE)
    pin(process.pid, OTHERS_CORE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(min(10, soak_s / 3))
    opened = sample(headgate.pids).rss_bytes
    time.sleep(max(1.0, soak_s - min(10, soak_s / 3) - 3))
    late = sample(headgate.pids).rss_bytes
    process.communicate(timeout=120)
    return [
        Row(
            f"memory per open stream, {streams} streams",
            "KB",
            (opened - before) / streams / 1024,
            None,
            "<= 100 KB",
        ),
        Row(f"drift of it over {soak_s:.0f} s", "KB", (late - opened) / streams / 1024, None, "flat"),
    ]


def money_turns(
    headgate: Peer, simulator: Peer, peers: list[Peer], folder: Path, options: argparse.Namespace
) -> list[Turns]:
    """Beside the gateway with everything on one without money; turns an eighth as long as others."""
    peers.append(start_headgate(simulator.port, folder, is_simple=True))
    with_money = (
        headgate.by_key("balance only", headgate.plain_key),
        headgate.by_key("quota, 3 windows", headgate.headers["x-api-key"]),
    )
    return measure(with_money, peers[-1], folder, drive, seconds=options.seconds / 8, turns=options.turns)


def print_table(rows: list[Row]) -> None:
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(f"\n{machine}, one core for the party, one for load and simulator\n")
    print(f"| {'scenario':44} | {'unit':14} | {'headgate':>9} | {'nginx':>8} | {'ratio':>6} | wanted    |")
    print(f"|{'-' * 46}|{'-' * 16}|{'-' * 10}:|{'-' * 9}:|{'-' * 7}:|{'-' * 11}|")
    for row in rows:
        theirs = "-" if row.nginx is None else f"{row.nginx:.1f}"
        cells = f"{row.headgate:9.1f} | {theirs:>8} | {row.ratio:>6} | {row.wanted:9}"
        print(f"| {row.scenario:44} | {row.unit:14} | {cells} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="per measurement")
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--soak", type=float, default=300.0, help="seconds that the streams stay open")
    parser.add_argument("--turns", type=int, default=20, help="of the comparison with and without money")
    parser.add_argument("--only", choices=["requests", "money", "latency", "memory", "selection"])
    options = parser.parse_args()
    if options.only in (None, "selection"):
        selection.main()  # before anything else runs
    if options.only == "selection":
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulator = start_simulator()
        peers = [simulator]
        try:
            headgate = start_headgate(simulator.port, folder)
            peers.append(headgate)
            nginx = start_nginx(simulator.port, folder)
            if nginx is None:
                print("nginx is not installed: ratios are skipped", file=sys.stderr)
            else:
                peers.append(nginx)
            rows: list[Row] = []
            if options.only in (None, "requests"):
                rows += requests_table(headgate, nginx, folder, options.seconds)
            if options.only in (None, "latency"):
                rows += latency_rows(headgate, simulator, folder, options.seconds)
            if options.only in (None, "memory"):
                rows += memory_rows(headgate, folder, options.streams, options.soak)
            if rows:
                print_table(rows)
            if options.only in (None, "money"):
                print_money(money_turns(headgate, simulator, peers, folder, options))
        finally:
            for peer in reversed(peers):
                peer.stop()


if __name__ == "__main__":
    main()
