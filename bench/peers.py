"""The two parties under test, both in front of the same simulator: Headgate with everything on, nginx with
nothing."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.processes import children, pin

GATEWAY_CORE, OTHERS_CORE = 0, 1
WAIT_S = 120.0


@dataclass
class Peer:
    """A running party. `headers` carry its key; `plain_key` is one without limits of its own."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    headers: dict[str, str]
    path_prefix: str = ""
    pids: list[int] = field(default_factory=list)
    plain_key: str = ""

    def by_key(self, name: str, key: str) -> "Peer":
        """The same party under another name, called with another of its keys."""
        return replace(self, name=name, headers={**self.headers, "x-api-key": key})

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_simulator(seed: int = 1) -> Peer:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "headgate.simulator", "--port", str(port), "--seed", str(seed)],
        stdout=subprocess.PIPE,
    )
    wait_for(f"http://127.0.0.1:{port}/health")
    pin(process.pid, OTHERS_CORE)
    return Peer("direct", port, process, {"x-api-key": "sim-bench"}, pids=[process.pid])


def start_nginx(upstream_port: int, folder: Path) -> Peer | None:
    """One worker, keep-alive to the upstream, unbuffered proxying: the least that a streaming proxy can
    do."""
    binary = shutil.which("nginx") or next((p for p in ("/usr/sbin/nginx",) if os.path.exists(p)), None)
    if binary is None:
        return None
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
        events {{ worker_connections 8192; }}
        http {{ access_log off; client_max_body_size 300m; client_body_buffer_size 2m;
          client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
          uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
          keepalive_requests 1000000; keepalive_timeout 600;
          upstream sim {{ server 127.0.0.1:{upstream_port}; keepalive 512; keepalive_requests 1000000; }}
          server {{ listen 127.0.0.1:{port} backlog=4096;
            location / {{ proxy_pass http://sim; proxy_http_version 1.1;
              proxy_set_header Connection "";
              proxy_buffering off; proxy_read_timeout 600; }} }} }}"""
    )
    process = subprocess.Popen([binary, "-c", str(config), "-p", str(folder)])
    wait_for(f"http://127.0.0.1:{port}/health")
    workers = children(process.pid)
    for pid in (process.pid, *workers):
        pin(pid, GATEWAY_CORE)
    return Peer("nginx", port, process, {"x-api-key": "sim-bench"}, pids=workers)


def start_headgate(upstream_port: int, folder: Path, *, is_simple: bool = False) -> Peer:
    """All features on: keys, limits, reservations, stickiness, traces, settlement committed before the last
    byte. `is_simple`: the same without money (`run_mode: simple`, accounts that cost nothing)."""
    port = free_port()
    name = "headgate-simple" if is_simple else "headgate"
    simple = {"HEADGATE_RUN_MODE": "simple", "HEADGATE_SIMPLE_MODE_CONFIRM": "true"} if is_simple else {}
    environment = {
        **os.environ,
        "HEADGATE_ADMIN_EMAIL": "bench@headgate.local",
        "HEADGATE_ADMIN_PASSWORD": "bench-password",
        "HEADGATE_SECURITY__URL_ALLOWLIST__ALLOW_PRIVATE_HOSTS": "true",
        "HEADGATE_SECURITY__URL_ALLOWLIST__ALLOW_INSECURE_HTTP": "true",
        **simple,
    }
    log = (folder / f"{name}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "headgate", "serve", "--port", str(port), "--data-dir", str(folder / name)],
        env=environment,
        stdout=log,
        stderr=log,
    )
    wait_for(f"http://127.0.0.1:{port}/health")
    key, plain_key = provision(
        f"http://127.0.0.1:{port}/api/v1", upstream_port, cost_multiplier=0 if is_simple else 1
    )
    pin(process.pid, GATEWAY_CORE)
    return Peer(name, port, process, {"x-api-key": key}, pids=[process.pid], plain_key=plain_key)


def provision(api: str, upstream_port: int, *, cost_multiplier: float) -> tuple[str, str]:
    """A group with three accounts, a user with money; returns a key with a quota and three windows, and one
    without limits of its own."""
    token = call(f"{api}/auth/login", {"email": "bench@headgate.local", "password": "bench-password"})[
        "access_token"
    ]
    group = call(f"{api}/admin/groups", {"name": "bench", "platform": "anthropic"}, token)["id"]
    for n in range(3):
        call(
            f"{api}/admin/accounts",
            {
                "name": f"sim-{n}",
                "platform": "anthropic",
                "type": "apikey",
                "concurrency": 4000,
                "rate_multiplier": cost_multiplier,
                "group_ids": [group],
                "credentials": {"api_key": f"sim-bench-{n}", "base_url": f"http://127.0.0.1:{upstream_port}"},
            },
            token,
        )
    user = call(
        f"{api}/admin/users",
        {
            "email": "load@headgate.local",
            "password": "load-password",
            "concurrency": 5000,
            "balance": 1_000_000,
        },
        token,
    )
    call(f"{api}/admin/users/{user['id']}/balance", {"balance": 1_000_000, "operation": "set"}, token)
    mine = call(f"{api}/auth/login", {"email": "load@headgate.local", "password": "load-password"})[
        "access_token"
    ]
    limits = {"quota": 900_000, "rate_limit_5h": 800_000, "rate_limit_1d": 800_000, "rate_limit_7d": 800_000}
    key = call(f"{api}/keys", {"name": "bench", "group_id": group, **limits}, mine)["key"]
    plain = call(f"{api}/keys", {"name": "plain", "group_id": group}, mine)["key"]
    return str(key), str(plain)


def call(url: str, body: dict[str, object], token: str | None = None) -> dict[str, object]:
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        data: dict[str, object] = json.load(answer)["data"]
        return data


def wait_for(url: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} did not answer within {WAIT_S} s")
