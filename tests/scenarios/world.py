"""One gateway and one simulator for all scenarios; every scenario has accounts, a group and a key of its
own."""

import asyncio
import json
import os
import select
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from tests.e2e.speakers import MESSAGES, Speaker
from tests.e2e.wire import Answer
from tests.support.gateway import SAFE_FOR_TESTS, Gateway
from tests.support.load import Outcome, Shot, volley
from tests.support.simulator import RunningSimulator

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0
SETTINGS = {
    **SAFE_FOR_TESTS,
    "HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "10000",
    "HEADGATE_AUTH__ACCESS_TOKEN_S": str(366 * 24 * 3600),  # hours go by in some scenarios
    "HEADGATE_GATEWAY__STREAM_IDLE_TIMEOUT_S": "0.4",
    "HEADGATE_GATEWAY__UNAVAILABLE_PAUSE_S": "0.2",
}
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class World:
    gateway: Gateway
    simulator: RunningSimulator
    user_token: str
    passed: list[float] = field(default_factory=list)

    @property
    def passed_s(self) -> float:
        """How far the gateway's clock is ahead of ours."""
        return sum(self.passed)

    def scene(
        self,
        accounts: int = 1,
        platform: str = "anthropic",
        *,
        account: Mapping[str, Any] | None = None,
        group: Mapping[str, Any] | None = None,
    ) -> "Scene":
        """Accounts in a group of their own, and a key for it."""
        name = f"s{next(_numbers)}"
        api = self.gateway.api
        made = {"name": name, "platform": platform, **(group or {})}
        scene = Scene(
            world=self, name=name, platform=platform, group_id=api("POST", "/admin/groups", made)["id"]
        )
        for _ in range(accounts):
            scene.add_account(**(account or {}))
        key = self.new_key(scene.group_id)
        scene.key, scene.key_id = key["key"], key["id"]
        return scene

    def new_key(self, group_id: int, **fields: Any) -> dict[str, Any]:
        wish = {"name": f"k{next(_numbers)}", "group_id": group_id, **fields}
        return dict(self.gateway.api("POST", "/keys", wish, token=self.user_token))

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        """Of the gateway's log."""
        lines = [line for line in self.gateway.log_file.read_text().splitlines() if event in line]
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def refusal(self, method: str, path: str, body: Any) -> tuple[int, str]:
        """Status and reason of a management answer; (200, "") when it is none."""
        try:
            self.gateway.api(method, path, body)
        except urllib.error.HTTPError as error:
            return error.code, str(json.load(error).get("reason", ""))
        return 200, ""

    def let_pass(self, seconds: float) -> None:
        """So much time goes by at once."""
        self._clock({"pass_s": seconds})
        self.passed.append(seconds)

    def set_clock(self, seconds: float) -> None:
        """Somebody sets the machine's clock forward, or back."""
        self._clock({"jump_s": seconds})
        self.passed.append(seconds)

    def metric(self, start: str) -> float:
        """Sum of all samples whose line begins so."""
        lines = self.gateway.get("/metrics")[1].decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(start))

    def _clock(self, wish: Mapping[str, float]) -> None:
        url = f"{self.gateway.url}/__clock"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(wish).encode()), timeout=5):
            pass


@dataclass(slots=True, kw_only=True)
class Scene:
    world: World
    name: str
    platform: str
    group_id: int
    key: str = ""
    key_id: int = 0
    accounts: list[int] = field(default_factory=list)
    upstream_keys: list[str] = field(default_factory=list)

    def add_account(self, **fields: Any) -> int:
        """Another account; `credentials` are added to its own key and address."""
        secret = f"sim-{self.name}-{len(self.accounts)}"
        is_token = fields.get("type") == "bearer"
        own = {"access_token" if is_token else "api_key": secret, "base_url": self.world.simulator.url}
        body = {
            "name": secret, "platform": self.platform, "type": "apikey", "concurrency": 100,
            "group_ids": [self.group_id], **fields, "credentials": {**own, **fields.get("credentials", {})},
        }  # fmt: skip
        made: int = self.world.gateway.api("POST", "/admin/accounts", body)["id"]
        self.accounts.append(made)
        self.upstream_keys.append(secret)
        return made

    def suffer(self, number: int, fault: Mapping[str, Any] | str, *, times: int | None = None) -> None:
        """Requests that reach this account suffer `fault`."""
        self.world.simulator.script(self.upstream_keys[number], fault, times=times)

    def heal(self) -> None:
        """No account suffers any more."""
        for key in self.upstream_keys:
            self.world.simulator.script(key, {})

    def ask(self, text: str = "hi", *, speaker: Speaker = MESSAGES, **more: Any) -> Answer:
        return speaker.ask(self.world.gateway, self.key, text, **more)

    def statuses(self, texts: Sequence[str], *, speaker: Speaker = MESSAGES, **more: Any) -> str:
        """One after the other: `3x200, 1x502`."""
        return tally(self.ask(text, speaker=speaker, **more).status for text in texts)

    def storm(
        self,
        texts: Sequence[str],
        *,
        speaker: Speaker = MESSAGES,
        leave_after: int | None = None,
        at_once: int = 100,
        **more: Any,
    ) -> list[Outcome]:
        """All at once."""
        headers = speaker.headers(self.key)
        shots = [
            Shot(
                path=speaker.path.format(model=speaker.model), headers=headers, leave_after=leave_after,
                body=json.dumps({**speaker.body(speaker.model, text), **more}).encode(),
            )
            for text in texts
        ]  # fmt: skip
        return asyncio.run(volley(self.world.gateway.url, shots, at_once=at_once))

    def health(self, number: int = 0) -> dict[str, Any]:
        return dict(self.world.gateway.api("GET", f"/admin/accounts/{self.accounts[number]}/health"))

    @property
    def states(self) -> str:
        """`down, healthy`: of every account in turn."""
        return ", ".join(self.health(number)["state"] for number in range(len(self.accounts)))

    def causes(self, number: int = 0) -> str:
        """Of the account's cooldowns."""
        return ", ".join(cooldown["cause"] for cooldown in self.health(number)["cooldowns"]) or "none"

    def left_s(self, number: int = 0) -> int:
        """Of the account's only cooldown, from its beginning."""
        (cooldown,) = self.health(number)["cooldowns"]
        begins, ends = (_moment(cooldown[name]) for name in ("since", "until"))
        return round(ends - begins)

    @property
    def calls(self) -> list[int]:
        """Requests that reached each account."""
        counted: Counter[str] = Counter()
        for call in self.world.simulator.bill()["calls"]:
            counted[call["key"]] += call["count"]
        return [counted[key] for key in self.upstream_keys]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The provider's bill for these accounts."""
        bill = self.world.simulator.settled_bill()["lines"]
        return [line for line in bill if line["key"] in self.upstream_keys]

    @property
    def most_at_once(self) -> int:
        """Answers under way at the same time, on the provider's side."""
        moments = [(line["started_ms"], 1) for line in self.lines] + [
            (line["ended_ms"], -1) for line in self.lines
        ]
        running = most = 0
        for _, step in sorted(moments):
            running += step
            most = max(most, running)
        return most

    def trace(self, answer: Answer) -> dict[str, Any]:
        """Why: of this answer's exchange."""
        name = answer.headers["x-headgate-exchange-id"]
        return dict(self.world.gateway.api("GET", f"/admin/requests/{name}/explain"))


def tally(values: Any) -> str:
    """`38x200, 2x503`, most frequent first."""
    return ", ".join(f"{times}x{value}" for value, times in Counter(values).most_common()) or "nothing"


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Started as a process of its own, and ended by its id."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.scenarios.server", str(folder)]
    environment = {**os.environ, **SETTINGS, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    log_file = folder / "gateway.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, cwd=ROOT)
    try:
        ours, theirs = _announced(process, log_file)
        host, _, port = theirs.removeprefix("http://").partition(":")
        gateway = Gateway(
            url=ours, process=process, log_file=log_file, data_dir=folder / "data", environment=environment,
            port=int(ours.rpartition(":")[2]),
        )  # fmt: skip
        yield World(gateway, RunningSimulator(host, int(port), process.pid), rich_user(gateway))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        if process.stdout is not None:
            process.stdout.close()


def _announced(process: subprocess.Popen[bytes], log_file: Path) -> list[str]:
    assert process.stdout is not None
    while select.select([process.stdout], [], [], START_S)[0]:
        line = process.stdout.readline()
        if not line:
            break
        if line.startswith(b"["):
            urls: list[str] = json.loads(line)
            return urls
    raise AssertionError(f"the gateway did not start: {log_file.read_text()[-2000:]}")


def rich_user(gateway: Gateway) -> str:
    """Who pays for everything; their token."""
    email, password = "scenarios@headgate.test", "user-password"
    wish = {"email": email, "password": password, "concurrency": 1000}
    user_id = gateway.api("POST", "/admin/users", wish)["id"]
    gateway.api("POST", f"/admin/users/{user_id}/balance", {"balance": 1_000_000, "operation": "add"})
    return gateway.login(email, password)
