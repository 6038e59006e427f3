"""Management calls with canaries in them, every GET of the OpenAPI document, and the command line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from tests.e2e import wire
from tests.e2e.canaries import Canaries
from tests.e2e.canary_traffic import Seen
from tests.support.gateway import ADMIN_EMAIL, Gateway

EMAIL = "user@headgate.test"


class Management:
    """Calls as admin, as user, and as nobody."""

    def __init__(self, gateway: Gateway, canaries: Canaries, *, admin: str, user: str) -> None:
        self.gateway = gateway
        self.canaries = canaries
        self.admin = {"authorization": f"Bearer {admin}"}
        self.user = {"authorization": f"Bearer {user}"}

    def call(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Seen:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [("content-type", "application/json"), *headers.items()]
        got = wire.send(self.gateway.url, method, f"/api{path}", lines, data)
        head = "\n".join(f"{name}: {value}" for name, value in got.headers.items())
        return Seen(f"{method} {path}", got.status, head, got.body)

    def failed_logins(self) -> Iterator[Seen]:
        new, login = self.canaries.new, "/v1/auth/login"
        wrong = "a wrong password"
        for body in (
            {"email": ADMIN_EMAIL, "password": new(wrong)},
            {"email": "nobody@headgate.test", "password": new(wrong)},
            {"email": new("e-mail at a login"), "password": new(wrong)},
            {"email": ADMIN_EMAIL, "password": [new(wrong)]},
            {"email": ADMIN_EMAIL, "passwort": new(wrong)},
            {"email": ADMIN_EMAIL, "password": new(wrong) * 200},
            f'{{"email": "x", "password": "{new(wrong)}'.encode(),
            new(wrong).encode(),
        ):
            yield self.call("POST", login, {"x-secret": new("unknown header")}, body)
        for headers in (
            {"authorization": f"Bearer {new('a wrong token')}"},
            {"authorization": f"Bearer a.{new('a wrong token')}.b"},
            {"authorization": new("a wrong token")},
            {"x-api-key": new("a wrong admin key")},
            {"cookie": f"headgate_session={new('cookie')}"},
        ):
            yield self.call("GET", f"/v1/admin/users?token={new('query')}", headers)

    def refused(self) -> Iterator[Seen]:
        """Secrets in bodies that are turned down."""
        new = self.canaries.new
        account = {"name": "n", "platform": "anthropic", "type": "apikey"}
        secret, password = "credential of a refused account", "password of a refused user"
        for path, body in (
            ("/accounts", {**account, "credentials": {"api_key": new(secret) + "\n"}}),
            ("/accounts", {**account, "credentials": new(secret)}),
            ("/accounts", {**account, "credentials": {"token": new(secret)}}),
            ("/accounts", {**account, "platform": "x", "credentials": {"api_key": new(secret)}}),
            ("/accounts", {**account, "credentials": {"api_key": new(secret), "base_url": "http://[bad"}}),
            ("/accounts", {**account, "credentials": {"api_key": new(secret), "model_mapping": new(secret)}}),
            ("/users", {"email": "not-an-address", "password": new(password)}),
            ("/users", {"email": EMAIL, "password": new(password)}),
            ("/users", {"email": "z@headgate.test", "password": {"a": new(password)}}),
            (
                "/proxies",
                {"name": "p", "protocol": "ftp", "host": "h", "port": 1, "password": new("proxy password")},
            ),
            (
                "/proxies",
                {
                    "name": "p",
                    "protocol": "http",
                    "host": "h",
                    "port": 1,
                    "password": [new("proxy password")],
                },
            ),
            ("/proxies", b'{"password": "' + new("proxy password").encode()),
        ):
            yield self.call("POST", f"/v1/admin{path}", self.admin, body)
        for key in ("!" + new("custom key"), new("custom key") * 9, [new("custom key")]):
            yield self.call("POST", "/v1/keys", self.user, {"name": "k", "custom_key": key})
        change = {"old_password": new("a wrong password"), "new_password": new("a refused new password")}
        yield self.call("PUT", "/v1/user/password", self.user, change)

    def tests_of_accounts(self, accounts: Iterable[int]) -> list[Seen]:
        """`POST .../test` answers 200 with events; failures of any kind inside."""

        def test(account: int) -> Seen:
            prompt = self.canaries.new("prompt of an account test")
            path = f"/v1/admin/accounts/{account}/test"
            return self.call("POST", path, self.admin, {"model_id": "m", "prompt": prompt})

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(test, accounts))

    def every_get(self, exchanges: list[str], accounts: list[int]) -> list[Seen]:
        """As admin and as user, with all ids where failures leave their mark, and a few of the others."""
        document = json.loads(self.call("GET", "/openapi.json", {}).body)
        gets = {
            path.removeprefix("/api"): item["get"]
            for path, item in document["paths"].items()
            if "get" in item
        }
        endless = {path for path, get in gets.items() if "text/event-stream" in str(get["responses"])}
        ids = {"reference": exchanges, "account_id": [str(n) for n in accounts]}
        paths = [path for template in gets if template not in endless for path in _filled(template, ids)]
        calls = [(path, headers) for path in paths for headers in (self.admin, self.user)]
        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(lambda call: self.call("GET", *call), calls))
        return [*seen, *(self.beginning(path, who) for path in endless for who in (self.admin, self.user))]

    def beginning(self, path: str, headers: Mapping[str, str]) -> Seen:
        """What a stream without an end says in its first seconds."""
        said = b""
        request = wire.request_bytes(self.gateway.url, "GET", f"/api{path}", [*headers.items()], b"")
        with wire.opened(self.gateway.url, request) as connection:
            connection.settimeout(3)
            with suppress(TimeoutError):
                while data := connection.recv(65_536):
                    said += data
        head, _, body = said.partition(b"\r\n\r\n")
        return Seen(f"GET {path}", int(head.split()[1]), head.decode("latin-1"), body)


def _filled(template: str, ids: Mapping[str, list[str]]) -> list[str]:
    names = re.findall(r"\{([^}]+)\}", template)
    if not names:
        return [f"{template}?page_size=1000&limit=1000"]
    (name,) = names
    return [template.replace(f"{{{name}}}", value) for value in ids.get(name, ["1", "2", "3", "4"])]


def command_lines(gateway: Gateway, canaries: Canaries) -> dict[str, str]:
    """What the commands say on the same data directory, refusals included."""
    typed = canaries.new("credential typed into the command line", prefix="sk-")
    add = ("account", "add", "--name", "typed", "--platform")
    runs: dict[tuple[str, ...], str] = {
        (*add, "anthropic", "--base-url", "http://127.0.0.1:9"): typed + "\n",
        (*add, "nonsense"): typed + "\n",
        ("user", "create", "typed@headgate.test"): canaries.new("password typed into the command line")
        + "\n",
        ("account", "list"): "",
        ("user", "list"): "",
        ("key", "list", "--user", EMAIL): "",
        ("doctor",): "",
    }
    with ThreadPoolExecutor(3) as pool:
        said = pool.map(lambda words: _run(gateway, words, runs[words]), runs)
        return {" ".join(words): text for words, text in zip(runs, said, strict=True)}


def _run(gateway: Gateway, words: tuple[str, ...], typed: str) -> str:
    wide = {"COLUMNS": "400"}  # a table that is cut short would hide a leak
    environment = {**os.environ, **gateway.environment, **wide}
    done = subprocess.run(
        [sys.executable, "-m", "headgate", *words, "--data-dir", str(gateway.data_dir)],
        input=typed, capture_output=True, text=True, timeout=30, env=environment,
    )  # fmt: skip
    return done.stdout + done.stderr
