"""Gateways that are born in the nursery, die by SIGKILL, and come back on the same port."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.nursery import SIGKILLED, Nursery
from tests.support.gateway import Gateway

_READY_S = 120.0
_LOOK_S = 0.01


class StartFailed(AssertionError):
    """The gateway ended at start, and not by SIGKILL."""


@dataclass(kw_only=True)
class MortalGateway(Gateway):
    """A `Gateway` whose process is a child of the nursery; not running until `start`."""

    nursery: Nursery
    process: Any = None
    pid: int = 0
    start_s: list[float] = field(default_factory=list)
    """How long each start took until `/ready`, recovery included."""

    @classmethod
    def at(cls, nursery: Nursery, folder: Path, port: int, environment: Mapping[str, str]) -> "MortalGateway":
        folder.mkdir(parents=True, exist_ok=True)
        return cls(
            nursery=nursery,
            url=f"http://127.0.0.1:{port}",
            log_file=folder / f"gateway-{port}.log",
            data_dir=folder / "data",
            environment=environment,
            port=port,
        )

    def start(self, armed: str = "") -> bool:
        """Start and wait until it serves. False: it reached its fail point before that. Raises
        `StartFailed`."""
        began = time.monotonic()
        arguments = ["serve", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        fail_point = {"HEADGATE_FAIL_POINT": armed} if armed else {}
        variables = {"PATH": os.environ.get("PATH", ""), **self.environment, **fail_point}
        self.pid = self.nursery.spawn(arguments, variables, self.log_file)
        while not self._is_ready():
            code = self.nursery.exit_code(self.pid)
            if code == SIGKILLED and armed:
                return False
            if code is not None or time.monotonic() > began + _READY_S:
                raise StartFailed(f"start of {self.url} ended with {code}: {self.last_lines()}")
            time.sleep(_LOOK_S)
        self.start_s.append(time.monotonic() - began)
        return True

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # HTTPError is one: not ready yet
            return False

    @property
    def is_alive(self) -> bool:
        return self.pid != 0 and self.nursery.exit_code(self.pid) is None

    def kill(self) -> None:
        self.nursery.kill(self.pid)

    def last_lines(self) -> str:
        return self.log_file.read_text(errors="replace")[-2000:]

    def metric(self, name: str) -> float:
        """Sum over all labels."""
        _, text = self.get("/metrics")
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in text.decode().splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )
