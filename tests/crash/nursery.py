"""Gateways on demand: a process that has imported everything forks one in milliseconds.

A cold start spends a second on imports; with a thousand kills that would be most of the run. What is forked
is the whole program from its command line on: it opens its database, its keys and its port like any other.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_ROOT = Path(__file__).resolve().parents[2]
_BORN_S = 120.0
"""The first birth waits for all imports, which on a busy machine at low priority takes a minute."""
SIGKILLED = -signal.SIGKILL


class Nursery:
    """The harness's end: asks for births, hears of deaths."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.nursery"], cwd=_ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."},
        )  # fmt: skip
        self._exits: dict[int, int] = {}
        self._births: list[int] = []
        self._heard = threading.Condition()
        self._one_birth = threading.Lock()
        threading.Thread(target=self._listen, name="nursery", daemon=True).start()

    def spawn(self, arguments: Sequence[str], environment: Mapping[str, str], log_file: Path) -> int:
        """`headgate <arguments>` with these variables only; returns its process id."""
        wish = {"arguments": list(arguments), "environment": dict(environment), "log": str(log_file)}
        assert self._process.stdin is not None
        with self._one_birth, self._heard:
            self._process.stdin.write(json.dumps(wish).encode() + b"\n")
            self._process.stdin.flush()
            assert self._heard.wait_for(lambda: bool(self._births), timeout=_BORN_S), "no birth"
            return self._births.pop()

    def exit_code(self, pid: int) -> int | None:
        """None while it lives; negative: the signal that ended it."""
        with self._heard:
            return self._exits.get(pid)

    def wait(self, pid: int, timeout_s: float) -> int | None:
        """The exit code, or None after the timeout."""
        with self._heard:
            self._heard.wait_for(lambda: pid in self._exits, timeout=timeout_s)
            return self._exits.get(pid)

    def kill(self, pid: int) -> None:
        """SIGKILL; returns when it is dead."""
        if self.exit_code(pid) is None:
            with contextlib.suppress(ProcessLookupError):  # it died just now
                os.kill(pid, signal.SIGKILL)
            assert self.wait(pid, 10) is not None, f"{pid} survived SIGKILL"

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(15)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news = json.loads(line)
            with self._heard:
                if "born" in news:
                    self._exits.pop(news["born"], None)  # the kernel gives numbers out again
                    self._births.append(news["born"])
                else:
                    self._exits[news["died"]] = news["code"]
                self._heard.notify_all()


# ---- the process itself


def main() -> None:
    """Read wishes from stdin, one JSON object per line; report births and deaths on stdout; at the end of
    stdin kill whoever still lives."""
    from headgate.cli.main import cli  # the second of imports that every birth then saves

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_rehearse(Path(folder)))
    living: set[int] = set()
    threading.Thread(target=_bury, args=(living,), daemon=True).start()
    for line in sys.stdin.buffer:
        wish = json.loads(line)
        first_breath, say_so = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(first_breath, 1)  # nobody is reported dead before he is reported born
            _live(cli, wish)
        living.add(pid)
        _say({"born": pid})
        os.write(say_so, b".")
        os.close(first_breath)
        os.close(say_so)
    for pid in list(living):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def _rehearse(folder: Path) -> None:
    """Start and stop once, for what is imported and compiled only then."""
    from headgate.app import open_application
    from headgate.settings import load_settings

    async with open_application(load_settings(None, {"data_dir": folder, "log.level": "error"})):
        pass


def _live(cli: Any, wish: Mapping[str, Any]) -> None:
    """The child: becomes `headgate <arguments>` and never returns."""
    code = 1
    try:
        log = os.open(wish["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDONLY) if stream == 0 else log, stream)
        os.environ.clear()
        os.environ.update(wish["environment"])
        sys.argv = ["headgate", *wish["arguments"]]
        cli(standalone_mode=False)
        code = 0
    finally:
        os._exit(code)


def _bury(living: set[int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            time.sleep(0.01)
            continue
        living.discard(pid)
        _say({"died": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(news: Mapping[str, int]) -> None:
    os.write(1, json.dumps(news).encode() + b"\n")


if __name__ == "__main__":
    main()
