"""Several worker processes on one socket: start them, replace one that dies, stop them all together."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import structlog

from headgate.kit.clock import SystemClock
from headgate.settings import Settings

log = structlog.get_logger(__name__)

_TOO_FAST_S = 5.0
_MOST_RESTARTS = 5
"""Workers that die this often in a row within seconds will not get better: stop and let the operator see
why."""


def supervise(
    listener: socket.socket, settings: Settings, *, data_dir: Path | None, config: Path | None
) -> int:
    """Run `settings.server.workers` workers until a signal. Returns the exit code."""
    command = [sys.executable, "-m", "headgate", "serve", "--fd", str(listener.fileno())]
    command += ["--workers", str(settings.server.workers)]
    command += ["--data-dir", str(data_dir)] if data_dir else []
    command += ["--config", str(config)] if config else []
    listener.set_inheritable(True)
    return _Supervisor(command, listener.fileno(), settings.server.workers).run(
        settings.server.shutdown_grace_s
    )


class _Supervisor:
    def __init__(self, command: list[str], fd: int, count: int) -> None:
        self._command = command
        self._fd = fd
        self._count = count
        self._workers: dict[subprocess.Popen[bytes], float] = {}
        self._is_stopping = False
        self._clock = SystemClock()

    def run(self, grace_s: float) -> int:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        quick_deaths = 0
        for _ in range(self._count):
            self._start()
        while not self._is_stopping and quick_deaths < _MOST_RESTARTS:
            time.sleep(0.2)
            for worker in [w for w in self._workers if w.poll() is not None]:
                lived = self._clock.monotonic() - self._workers.pop(worker)
                quick_deaths = quick_deaths + 1 if lived < _TOO_FAST_S else 0
                log.error("worker_died", pid=worker.pid, exit_code=worker.returncode, lived_s=round(lived, 1))
                if not self._is_stopping:
                    self._start()
        self._end(grace_s)
        return 0 if self._is_stopping else 1

    def _start(self) -> None:
        worker = subprocess.Popen(self._command, pass_fds=(self._fd,))  # noqa: S603 - our own interpreter and module
        self._workers[worker] = self._clock.monotonic()

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _end(self, grace_s: float) -> None:
        for worker in self._workers:
            worker.terminate()
        deadline = self._clock.monotonic() + grace_s + 5
        for worker in self._workers:
            try:
                worker.wait(max(0.1, deadline - self._clock.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
