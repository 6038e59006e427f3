"""`headgate ledger` beside a gateway that serves: what it booked is sound, replays to the same, and is what
the provider billed."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.money_books import Books
from tests.e2e.money_load import provide, shots
from tests.support.gateway import SAFE_FOR_TESTS, Gateway, running_gateway
from tests.support.load import volley
from tests.support.simulator import RunningSimulator, running_simulator

QUICK = {"HEADGATE_GATEWAY__OVERLOAD_COOLDOWN_S": "0", "HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "10000"}
CALLS = 240
Run = Callable[..., str]


@pytest.fixture(scope="module")
def provider() -> Iterator[RunningSimulator]:
    with running_simulator(seed=7) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, provider: RunningSimulator) -> Iterator[Gateway]:
    """It has served a mixed load, faults and leavers included, and goes on serving."""
    with running_gateway(tmp_path_factory.mktemp("ledger"), **QUICK) as running:
        payers = provide(running, provider, "ledger", with_broken=False)
        asyncio.run(volley(running.url, shots(payers, CALLS)))
        books = Books(f"sqlite:///{running.data_dir / 'headgate.db'}")
        deadline = time.monotonic() + 30
        while books.open_intents():
            assert time.monotonic() < deadline, "exchanges stay open"
            time.sleep(0.1)
        provider.settled_bill(timeout_s=15)
        yield running


@pytest.fixture(scope="module")
def headgate(gateway: Gateway) -> Run:
    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "ledger", *words, "--data-dir", str(gateway.data_dir)],
            capture_output=True, text=True, timeout=60, env={**os.environ, **SAFE_FOR_TESTS},
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def test_what_a_serving_gateway_booked_is_sound(headgate: Run) -> None:
    shown = headgate("verify")
    assert "the ledger is sound" in shown
    assert "BROKEN" not in shown


def test_it_replays_to_the_same_amounts(headgate: Run, gateway: Gateway) -> None:
    shown = headgate("replay", "--from", "2020-01-01", "--to", "2100-01-01", "--dry-run")
    assert ", 0 of them differ" in shown
    books = Books(f"sqlite:///{gateway.data_dir / 'headgate.db'}")
    (row,) = books.rows("SELECT price_version FROM usage_records ORDER BY id DESC LIMIT 1")
    stored = ("--price-book", row["price_version"])
    assert ", 0 of them differ" in headgate(
        "replay", "--from", "2020-01-01", "--to", "2100-01-01", *stored, "--dry-run"
    )


def test_the_simulator_billed_what_was_recorded_but_for_what_it_kept_to_itself(
    headgate: Run, gateway: Gateway, provider: RunningSimulator, tmp_path: Path
) -> None:
    """Usage that the provider hides, or that a leaver did not wait for, is where estimates come in."""
    shown = headgate("reconcile", "--simulator", provider.url)
    rows = [line.split() for line in shown.splitlines() if "ledger-" in line and "(" in line]
    assert len(rows) >= 8
    books = Books(f"sqlite:///{gateway.data_dir / 'headgate.db'}")
    estimated = {
        row["account_id"]
        for row in books.rows(
            "SELECT DISTINCT account_id FROM usage_records WHERE usage_source <> 'reported'"
        )
    }
    for row in rows:
        account = int(row[1].strip("()"))
        if account not in estimated:
            assert row[7:9] == ["+0.000", "%"], row
    some = str(rows[0][1].strip("()"))
    detail = headgate("reconcile", "--simulator", provider.url, "--account", some, "--day", rows[0][2])
    assert "calls agree" in detail
    assert "only theirs" not in detail
