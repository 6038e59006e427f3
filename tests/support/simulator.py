"""A real simulator process on a free port, for tests that need an upstream."""

import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.kit import json

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
_SOURCE = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """Where the simulator listens, and its tester's endpoints."""

    host: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def bill(self, *, key: str | None = None) -> dict[str, Any]:
        """What it served; see `headgate.simulator.bill`."""
        return self._call("GET", "/__bill" + (f"?key={key}" if key else ""))

    def line(self, request_id: str) -> dict[str, Any]:
        """The one bill line of `request_id`."""
        (line,) = self._call("GET", f"/__bill?request_id={request_id}")["lines"]
        return line

    def settled_bill(self, *, key: str | None = None, timeout_s: float = 5.0) -> dict[str, Any]:
        """The bill once no answer is under way any more."""
        deadline = time.monotonic() + timeout_s
        while (bill := self.bill(key=key))["open"] or bill["active"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{bill['active']} answers are still open after {timeout_s} s")
            time.sleep(0.01)
        return bill

    def reset_bill(self) -> None:
        self._call("DELETE", "/__bill")

    def script(self, key: str, script: Mapping[str, Any] | str, *, times: int | None = None) -> None:
        """Let the requests of `key` suffer; see `headgate.simulator.script.Script`."""
        self._call("POST", "/__script", {"key": key, "script": script, "times": times})

    def clear_scripts(self) -> None:
        self._call("DELETE", "/__script")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body)
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())


@contextmanager
def running_simulator(
    *, seed: int = 1, pace_ms: float = 0, keep_lines: int = 20_000
) -> Iterator[RunningSimulator]:
    """Start it, wait until it listens (bounded), and end it by its pid."""
    command = [sys.executable, "-m", "headgate.simulator", "--port", "0", "--seed", str(seed)]
    command += ["--pace-ms", str(pace_ms), "--keep-lines", str(keep_lines)]
    environment = {**os.environ, "PYTHONPATH": str(_SOURCE)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        port = _announced_port(process)
        yield RunningSimulator("127.0.0.1", port, process.pid)
    finally:
        _stop(process)


def _announced_port(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline().decode() if ready else ""
    if "listening on http://" not in line:
        raise RuntimeError(f"the simulator did not start within {START_TIMEOUT_S} s; it said {line!r}")
    return int(line.split("listening on http://")[1].split()[0].rpartition(":")[2])


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
    if process.stdout is not None:
        process.stdout.close()
