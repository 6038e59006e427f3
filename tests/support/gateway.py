"""The real gateway as a process on a real port, with its management API at hand."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.redis_server import running_redis

START_S = 90.0
ADMIN_EMAIL = "admin@headgate.test"
ADMIN_PASSWORD = "correct horse battery"
SAFE_FOR_TESTS = {
    "HEADGATE_ADMIN_EMAIL": ADMIN_EMAIL,
    "HEADGATE_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "HEADGATE_SECURITY__URL_ALLOWLIST__ALLOW_PRIVATE_HOSTS": "true",
    "HEADGATE_SECURITY__URL_ALLOWLIST__ALLOW_INSECURE_HTTP": "true",
}


@dataclass
class Provisioned:
    """A paying caller and where its requests go."""

    key: str
    key_id: int
    user_id: int
    user_token: str
    group_id: int
    account_ids: list[int]


@dataclass
class Gateway:
    """A running gateway."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path
    data_dir: Path
    environment: Mapping[str, str]
    port: int
    _token: str = field(default="", repr=False)

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """`data` of a management answer; raises `urllib.error.HTTPError` for any other status."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {token or self.admin_token}"}
        payload = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", payload, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["data"]

    @property
    def admin_token(self) -> str:
        if not self._token:
            self._token = self.login(ADMIN_EMAIL, ADMIN_PASSWORD)
        return self._token

    def login(self, email: str, password: str) -> str:
        body = json.dumps({"email": email, "password": password}).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v1/auth/login", body, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            token: str = json.load(answer)["data"]["access_token"]
            return token

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body, also of refusals."""
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + path, headers=dict(headers or {})), timeout=10
            ) as got:
                return got.status, got.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def provision(
        self,
        platform: str,
        upstream: str,
        *,
        upstream_keys: tuple[str, ...] = ("sim-one",),
        balance: float = 1000,
        name: str = "t",
        account: Mapping[str, Any] | None = None,
        group: Mapping[str, Any] | None = None,
        key: Mapping[str, Any] | None = None,
        concurrency: int = 500,
    ) -> Provisioned:
        """A group, one account per upstream key, a user with money, and a key."""
        group_id = self.api(
            "POST", "/admin/groups", {"name": f"{name}-{platform}", "platform": platform, **(group or {})}
        )["id"]
        accounts = [
            self.api("POST", "/admin/accounts", {
                "name": f"{name}-{platform}-{n}", "platform": platform, "type": "apikey", "concurrency": 200,
                "group_ids": [group_id], "credentials": {"api_key": secret, "base_url": upstream},
                **(account or {}),
            })["id"]
            for n, secret in enumerate(upstream_keys)
        ]  # fmt: skip
        email = f"{name}-{platform}@headgate.test"
        user_id = self.api(
            "POST", "/admin/users", {"email": email, "password": "user-password", "concurrency": concurrency}
        )["id"]
        self.api("POST", f"/admin/users/{user_id}/balance", {"balance": balance, "operation": "add"})
        token = self.login(email, "user-password")
        made = self.api("POST", "/keys", {"name": name, "group_id": group_id, **(key or {})}, token=token)
        return Provisioned(
            key=made["key"],
            key_id=made["id"],
            user_id=user_id,
            user_token=token,
            group_id=group_id,
            account_ids=accounts,
        )

    def usage(self, **filters: Any) -> list[dict[str, Any]]:
        """All usage records that match, oldest first."""
        items: list[dict[str, Any]] = []
        page = 1
        while True:
            query = "&".join(f"{k}={v}" for k, v in {**filters, "page": page, "page_size": 1000}.items())
            got = self.api("GET", f"/admin/usage?{query}")["items"]
            items += got
            if len(got) < 1000:
                return items[::-1]
            page += 1

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def restart(self) -> None:
        """The same data directory and port, after a kill."""
        self.process = _spawn(self.data_dir, self.environment, self.log_file, self.port)
        _wait(self.process, f"http://127.0.0.1:{self.port}", self.log_file)

    def stop(self) -> int:
        """SIGTERM and the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        return self.process.returncode


def _spawn(
    data_dir: Path, environment: Mapping[str, str], log_file: Path, port: int
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headgate", "serve", "--port", str(port), "--data-dir", str(data_dir)]
    with log_file.open("ab") as log:
        return subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)


def _wait(process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the gateway ended at start: {log_file.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the gateway did not start: {log_file.read_text()[-2000:]}")


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_gateway(folder: Path, **environment: str) -> Iterator[Gateway]:
    """A gateway on an empty data directory; ended by its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    port, log_file, data_dir = free_port(), folder / "gateway.log", folder / "data"
    variables = {**SAFE_FOR_TESTS, **environment}
    process = _spawn(data_dir, variables, log_file, port)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url, log_file)
        gateway = Gateway(
            url=url, process=process, log_file=log_file, data_dir=data_dir, environment=variables, port=port
        )
        yield gateway
        process = gateway.process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


@contextmanager
def two_workers(folder: Path, database_url: str, **environment: str) -> Iterator[Gateway]:
    """Two worker processes on one PostgreSQL and a Redis of their own."""
    with running_redis(folder) as redis_url:
        shared = {
            "HEADGATE_REDIS_URL": redis_url, "HEADGATE_DATABASE_URL": database_url,
            "HEADGATE_SERVER__WORKERS": "2", "HEADGATE_REDIS__DEADLINE_S": "10",
        }  # fmt: skip
        with running_gateway(folder / "gateway", **shared, **environment) as running:
            yield running
