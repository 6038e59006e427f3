"""Running the simulator: uvicorn on uvloop and httptools, one process, one port."""

import socket
import sys

import uvicorn

from headgate.simulator.app import Simulator

DEFAULT_PORT = 9090
DEFAULT_PACE_S = 0.004
"""Between two events of a stream: quick, and still visibly a stream."""
DEFAULT_KEEP_LINES = 20_000
_BACKLOG = 4096


def run(
    port: int = DEFAULT_PORT,
    seed: int = 1,
    host: str = "127.0.0.1",
    *,
    pace_s: float = DEFAULT_PACE_S,
    keep_lines: int = DEFAULT_KEEP_LINES,
) -> None:
    """Serve until a signal comes. Port 0 takes a free one. Prints one line with the address. Raises
    `OSError`.
    """
    with _listen(host, port) as listener:
        bound = listener.getsockname()[1]
        sys.stdout.write(f"simulator listening on http://{host}:{bound} seed={seed}\n")
        sys.stdout.flush()
        app = Simulator(seed=seed, pace_s=pace_s, keep_lines=keep_lines)
        uvicorn.Server(_config(app)).run(sockets=[listener])


def _config(app: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="critical",  # a scripted cut is an unfinished ASGI response, which uvicorn logs as an error
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        backlog=_BACKLOG,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
