"""`headgate serve --workers 2` on a real Redis and PostgreSQL: one gateway in several processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.bad_input_client import CHAT, MESSAGES, ask
from tests.support.databases import *  # noqa: F403 - fixtures
from tests.support.gateway import Gateway, running_gateway
from tests.support.postgres import PostgresServer
from tests.support.redis_server import running_redis
from tests.support.simulator import RunningSimulator

pytestmark = [pytest.mark.pg, pytest.mark.redis]


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> str:
    return await postgres_server.create_database(f"workers_{time.monotonic_ns()}")


@pytest.fixture
def pair(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    with (
        running_redis(tmp_path) as redis_url,
        running_gateway(
            tmp_path / "gateway", HEADGATE_REDIS_URL=redis_url, HEADGATE_DATABASE_URL=database_url,
            HEADGATE_SERVER__WORKERS="2", HEADGATE_LIMITS__SLOT_LEASE_S="3",
            HEADGATE_GATEWAY__USER_WAIT_TIMEOUT_S="1",
            HEADGATE_REDIS__DEADLINE_S="5",  # a busy test machine is not an outage
        ) as running,
    ):  # fmt: skip
        yield running


def workers(gateway: Gateway) -> list[int]:
    pid = gateway.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(holds: Callable[[], bool], *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.exhaustive
def test_slots_are_shared_and_a_killed_worker_is_replaced_and_its_exchanges_recorded(
    pair: Gateway, simulator: RunningSimulator
) -> None:
    caller = pair.provision("openai", simulator.url, upstream_keys=("sim-workers",), name="w", concurrency=2)
    statuses = [ask(pair.url, CHAT.path, CHAT.body, CHAT.headers(caller.key)).status for _ in range(20)]
    assert statuses == [200] * 20
    simulator.script("sim-workers", {"delay": 4})
    try:
        got = _at_once(pair, caller.key, 6)
        assert sorted(set(got)) == [200, 429]
        assert got.count(200) == 2
        running = threading.Thread(target=_at_once, args=(pair, caller.key, 2))
        running.start()
        time.sleep(1)
        before = workers(pair)
        os.kill(before[0], signal.SIGKILL)
        os.kill(before[1], signal.SIGKILL)
        running.join(30)
    finally:
        simulator.clear_scripts()
    until(lambda: len(workers(pair)) == 2 and not set(workers(pair)) & set(before), timeout_s=10)
    until(lambda: _is_served(pair, caller.key), timeout_s=20)
    records = pair.usage(user_id=caller.user_id)
    assert len(records) >= 22
    until(lambda: len(pair.usage(user_id=caller.user_id)) >= 25, timeout_s=120)


def _is_served(gateway: Gateway, key: str) -> bool:
    try:
        return ask(gateway.url, CHAT.path, CHAT.body, CHAT.headers(key)).status == 200
    except OSError:
        return False


def _at_once(gateway: Gateway, key: str, count: int) -> list[int]:
    statuses: list[int] = []

    def one() -> None:
        try:
            statuses.append(ask(gateway.url, CHAT.path, CHAT.body, CHAT.headers(key)).status)
        except OSError:
            statuses.append(0)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return statuses


def test_sigterm_ends_all_workers_with_exit_code_0(pair: Gateway) -> None:
    until(lambda: len(workers(pair)) == 2, timeout_s=5)
    assert pair.stop() == 0


def test_a_running_answer_ends_well_on_sigterm(tmp_path: Path, simulator: RunningSimulator) -> None:
    with running_gateway(tmp_path / "one") as gateway:
        caller = gateway.provision("anthropic", simulator.url, upstream_keys=("sim-term",), name="s")
        simulator.script("sim-term", {"delay": 2})
        answers: list[int] = []
        body, headers = MESSAGES.body, MESSAGES.headers(caller.key)
        thread = threading.Thread(
            target=lambda: answers.append(ask(gateway.url, MESSAGES.path, body, headers).status)
        )
        thread.start()
        time.sleep(0.7)
        code = gateway.stop()
        thread.join(10)
        simulator.clear_scripts()
    assert (answers, code) == ([200], 0)


def test_the_second_start_of_demo_mode_is_quick_and_prints_no_key_again(tmp_path: Path) -> None:
    first, first_said = _demo(tmp_path)
    second, second_said = _demo(tmp_path)
    assert "shown this once: sk-" in first_said
    assert "shown this once" not in second_said
    assert second < 3 + first  # 3 s on an idle machine; the first start bounds what this one is worth


def _demo(folder: Path) -> tuple[float, str]:
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "headgate", "serve", "--demo", "--port", "0", "--data-dir", str(folder / "d")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    first_line = process.stdout.readline()
    took = time.monotonic() - started
    assert "Headgate serves on" in first_line
    process.terminate()
    rest = process.stdout.read()  # to the end; `communicate` would lose what `readline` has read ahead
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    return took, first_line + rest
