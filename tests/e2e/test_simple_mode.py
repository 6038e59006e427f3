"""Simple mode: who has a key is served, usage is on record, nobody is charged (spec 7.9)."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.money_books import Books
from tests.e2e.speakers import CHAT, CHAT_SSE, GEMINI, GEMINI_SSE, MESSAGES, MESSAGES_SSE, RESPONSES, Speaker
from tests.support.databases import *  # noqa: F403 -- fixtures
from tests.support.gateway import Gateway, running_gateway
from tests.support.postgres import PostgresServer
from tests.support.simulator import RunningSimulator

SPEAKERS = (MESSAGES, MESSAGES_SSE, CHAT, CHAT_SSE, RESPONSES, GEMINI, GEMINI_SSE)
SIMPLE = {"HEADGATE_RUN_MODE": "simple", "SIMPLE_MODE_CONFIRM": "true"}
EMAIL, PASSWORD = "penniless@headgate.test", "user-password"
Start = Callable[[Mapping[str, str]], Any]


@dataclass
class Penniless:
    """A user without money and a key per platform whose quota is next to nothing."""

    token: str
    keys: dict[str, str]
    ids: dict[str, int]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.pg)])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    if request.param == "sqlite":
        return Books(f"sqlite:///{tmp_path / 'gateway' / 'data' / 'headgate.db'}")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"simple_{tmp_path.name}".replace("-", "_").lower()
    return Books(asyncio.run(server.create_database(name)))


@pytest.fixture
def start(books: Books, tmp_path: Path) -> Start:
    """`start(SIMPLE)`: a gateway on this test's database."""
    database = {} if books.url.startswith("sqlite") else {"HEADGATE_DATABASE_URL": books.url}
    return lambda mode: running_gateway(tmp_path / "gateway", **mode, **database)


@pytest.fixture
def gateway(start: Start) -> Iterator[Gateway]:
    with start(SIMPLE) as running:
        yield running


def provide(gateway: Gateway, simulator: RunningSimulator) -> Penniless:
    """Accounts without a group, and keys of groups that have no account of their own."""
    gateway.api("POST", "/admin/users", {"email": EMAIL, "password": PASSWORD, "concurrency": 50})
    made = Penniless(token=gateway.login(EMAIL, PASSWORD), keys={}, ids={})
    for platform in ("anthropic", "openai", "gemini"):
        gateway.api("POST", "/admin/accounts", {
            "name": f"simple-{platform}", "platform": platform, "type": "apikey", "concurrency": 50,
            "credentials": {"api_key": f"sim-simple-{platform}", "base_url": simulator.url},
        })  # fmt: skip
        group = gateway.api("POST", "/admin/groups", {"name": f"dear-{platform}", "platform": platform})["id"]
        draft = {"name": "k", "group_id": group, "quota": 1e-6, "rate_limit_5h": 1e-6}
        key = gateway.api("POST", "/keys", draft, token=made.token)
        plan = {"rate_multiplier": 3, "subscription_type": "subscription", "daily_limit_usd": 1e-6}
        gateway.api("PUT", f"/admin/groups/{group}", plan)
        made.keys[platform], made.ids[platform] = key["key"], key["id"]
    return made


def ask(gateway: Gateway, who: Penniless, speaker: Speaker, text: str = "hi") -> int:
    return speaker.ask(gateway, who.keys[speaker.platform], text).status


def test_without_money_quota_or_subscription_everybody_is_served_and_nothing_is_charged(
    gateway: Gateway, simulator: RunningSimulator, books: Books
) -> None:
    who = provide(gateway, simulator)
    for round_number in range(2):
        for speaker in SPEAKERS:
            assert ask(gateway, who, speaker, f"round {round_number}") == 200, speaker.name
    records = books.records()
    assert len(records) == 2 * len(SPEAKERS)
    assert all(record["outcome"] == "completed" for record in records)
    assert all(record["list_cost_nano"] > 0 for record in records)
    assert all(record["account_cost_nano"] == record["list_cost_nano"] for record in records)
    assert {(record["charge_nano"], record["charge_multiplier"]) for record in records} == {(0, 0)}
    assert books.value("SELECT COUNT(*) FROM ledger_entries WHERE kind = 'charge'") == 0
    assert books.value("SELECT SUM(amount_nano) FROM ledger_entries WHERE kind = 'cost'") == sum(
        record["account_cost_nano"] for record in records
    )
    assert books.value("SELECT SUM(balance_nano) FROM users") == 0
    assert books.value("SELECT SUM(quota_used_nano + used_5h_nano) FROM api_keys") == 0
    assert books.value("SELECT COUNT(*) FROM exchange_traces WHERE trace LIKE '%reserved%'") == 0
    assert books.verify().is_sound


def test_who_is_not_let_in_otherwise_is_not_let_in_now(gateway: Gateway, simulator: RunningSimulator) -> None:
    who = provide(gateway, simulator)
    key = f"/keys/{who.ids['openai']}"
    for change, status in (
        ({"expires_at": "2020-01-01T00:00:00Z"}, 403),
        ({"expires_at": "", "status": "inactive"}, 401),
        ({"status": "active", "ip_blacklist": ["127.0.0.1"]}, 403),
        ({"ip_blacklist": []}, 200),
    ):
        gateway.api("PUT", key, change, token=who.token)
        assert ask(gateway, who, CHAT) == status, change


def test_the_same_database_charges_again_in_standard_mode(
    start: Start, simulator: RunningSimulator, books: Books
) -> None:
    with start(SIMPLE) as gateway:
        who = provide(gateway, simulator)
        assert ask(gateway, who, CHAT) == 200
    with start({}) as gateway:
        assert ask(gateway, who, CHAT) == 403
    assert len(books.records()) == 1


def test_it_does_not_start_unconfirmed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headgate", "serve", "--port", "0", "--data-dir", str(tmp_path / "data")]
    environment = {**os.environ, "HEADGATE_RUN_MODE": "simple"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    (line,) = (done.stdout + done.stderr).strip().splitlines()
    assert line.startswith("headgate: configuration run_mode:")
    assert "SIMPLE_MODE_CONFIRM=true" in line
    assert not (tmp_path / "data").exists(), "refused before anything was made"


@pytest.mark.parametrize(
    ("more", "said"),
    [({}, "SIMPLE_MODE_CONFIRM=true"), ({"SIMPLE_MODE_CONFIRM": "true"}, "simple: nobody is charged")],
    ids=["unconfirmed", "confirmed"],
)
def test_the_doctor_says_what_is_missing(tmp_path: Path, more: dict[str, str], said: str) -> None:
    command = [sys.executable, "-m", "headgate", "doctor", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "HEADGATE_RUN_MODE": "simple", **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert said in done.stdout
