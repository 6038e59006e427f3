"""The real gateway and the real simulator in one process on two ports, by a clock that tests can move.

`python -m tests.scenarios.server FOLDER` prints one line of JSON with both addresses. `POST /__clock` on the
gateway's port takes `{"pass_s": 3600}` (an hour goes by) or `{"jump_s": -7200}` (somebody sets the clock).
"""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from headgate.app import Asgi, open_application
from headgate.kit import json
from headgate.relay.server import serve
from headgate.settings import load_settings
from headgate.simulator.app import Simulator


class MovableClock:
    """The machine's clock and what tests have added to it."""

    def __init__(self) -> None:
        self._wall_ms = 0
        self._passed_s = 0.0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._wall_ms

    def monotonic(self) -> float:
        return time.monotonic() + self._passed_s

    def let_pass(self, seconds: float) -> None:
        self._passed_s += seconds
        self.jump(seconds)

    def jump(self, seconds: float) -> None:
        self._wall_ms += round(seconds * 1000)


class _Simulator(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are the gateway's."""
        yield


def with_clock(gateway: Asgi, clock: MovableClock) -> Asgi:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/__clock":
            wish = json.loads((await receive())["body"])
            clock.let_pass(wish.get("pass_s", 0))
            clock.jump(wish.get("jump_s", 0))
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await gateway(scope, receive, send)

    return app


def simulator_for(clock: MovableClock) -> uvicorn.Server:
    config = uvicorn.Config(
        Simulator(seed=5, pace_s=0, clock=clock), loop="none", http="httptools", ws="none", lifespan="off",
        access_log=False, log_level="critical", timeout_graceful_shutdown=1,
    )  # fmt: skip
    return _Simulator(config)


def listener() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0), backlog=2048)
    made.setblocking(False)
    return made


async def run(folder: Path) -> None:
    clock = MovableClock()
    settings = load_settings(overrides={"data_dir": folder / "data"})
    ours, theirs = listener(), listener()
    simulator = simulator_for(clock)
    async with open_application(settings, clock) as application, asyncio.TaskGroup() as group:
        group.create_task(simulator.serve(sockets=[theirs]), name="simulator")

        def announce() -> None:
            urls = [f"http://127.0.0.1:{made.getsockname()[1]}" for made in (ours, theirs)]
            sys.stdout.write(json.dumps(urls).decode() + "\n")
            sys.stdout.flush()

        await serve(
            with_clock(application.asgi, clock), settings, sockets=[ours], on_started=announce,
            on_stopping=application.drain, on_grace_over=application.end_answers,
        )  # fmt: skip
        simulator.should_exit = True


if __name__ == "__main__":
    uvloop.run(run(Path(sys.argv[1])))
