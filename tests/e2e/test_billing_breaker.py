"""PostgreSQL, or Redis, goes away under the gateway: 503 within a bounded time, then at once; back by itself
(spec 4.6)."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.money_books import Books
from tests.e2e.speakers import CHAT, GEMINI, MESSAGES, Speaker
from tests.e2e.wire import Answer
from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.postgres import PostgresServer, running_postgres
from tests.support.redis_server import free_port, redis_process
from tests.support.simulator import RunningSimulator

COMMIT_TIMEOUT_S, OPEN_S, FAILURES = 1.0, 2.0, 3
SETTINGS = {
    "HEADGATE_DATABASE__COMMIT_TIMEOUT_S": str(COMMIT_TIMEOUT_S),
    "HEADGATE_DATABASE__STATEMENT_TIMEOUT_S": "2",
    "HEADGATE_BILLING__CIRCUIT_BREAKER__FAILURE_THRESHOLD": str(FAILURES),
    "HEADGATE_BILLING__CIRCUIT_BREAKER__RESET_TIMEOUT_S": str(OPEN_S),
}
SLACK_S = 2.0
"""A machine that is busy with other tests."""
AT_ONCE_S = 0.5
SPEAKERS = (MESSAGES, CHAT, GEMINI)


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of this test's own: it will be stopped."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def books(postgres: PostgresServer) -> Books:
    return Books(asyncio.run(postgres.create_database("breaker")))


@pytest.fixture
def gateway(books: Books, tmp_path: Path) -> Iterator[Gateway]:
    with running_gateway(tmp_path / "gateway", HEADGATE_DATABASE_URL=books.url, **SETTINGS) as running:
        yield running


def timed(gateway: Gateway, caller: Provisioned, speaker: Speaker) -> tuple[Answer, float]:
    began = time.monotonic()
    return speaker.ask(gateway, caller.key), time.monotonic() - began


def wait_until_served(gateway: Gateway, caller: Provisioned, speaker: Speaker) -> None:
    deadline = time.monotonic() + 30
    while timed(gateway, caller, speaker)[0].status != 200:
        assert time.monotonic() < deadline, "does not recover by itself"
        time.sleep(0.2)


def breaker_state(gateway: Gateway) -> float:
    _, text = gateway.get("/metrics")
    (line,) = [
        line for line in text.decode().splitlines() if line.startswith("headgate_billing_breaker_state ")
    ]
    return float(line.split()[1])


def readiness(gateway: Gateway) -> tuple[int, str]:
    status, body = gateway.get("/ready")
    return status, json.loads(body)["checks"]["billing"]


@pytest.mark.pg
def test_while_the_books_are_away_everybody_is_refused_quickly_and_served_again_when_they_are_back(
    gateway: Gateway, postgres: PostgresServer, simulator: RunningSimulator, books: Books
) -> None:
    callers = {s.name: gateway.provision(s.platform, simulator.url, name=s.name) for s in SPEAKERS}
    for speaker in SPEAKERS:
        assert timed(gateway, callers[speaker.name], speaker)[0].status == 200
    records = len(books.records())

    postgres.stop()
    for _ in range(FAILURES):
        answer, took = timed(gateway, callers[CHAT.name], CHAT)
        assert answer.status == 503
        assert took < COMMIT_TIMEOUT_S + SLACK_S, "bounded by the commit deadline"
    assert breaker_state(gateway) == 2
    status, why = readiness(gateway)
    assert (status, why) == (503, "circuit breaker open: storage_unavailable")
    for speaker in SPEAKERS:
        answer, took = timed(gateway, callers[speaker.name], speaker)
        assert took < AT_ONCE_S, speaker.name
        assert answer.status == 503
        assert 1 <= int(answer.headers["retry-after"]) <= OPEN_S + 1
        assert answer.json["error"]["message"].startswith("Billing service temporarily unavailable")
        assert b"billing_service_error" in answer.body

    postgres.start()
    wait_until_served(gateway, callers[MESSAGES.name], MESSAGES)
    for speaker in SPEAKERS:
        assert timed(gateway, callers[speaker.name], speaker)[0].status == 200
    assert breaker_state(gateway) == 0
    assert readiness(gateway) == (200, "ok")
    assert len(books.records()) == records + 1 + len(SPEAKERS), "no refusal left a call on record"
    assert books.open_intents() == 0
    assert books.verify().is_sound
    log = gateway.log_file.read_text()
    assert "billing_breaker_opened" in log
    assert "billing_breaker_closed" in log


@pytest.mark.redis
def test_the_same_when_redis_goes_away(tmp_path: Path, simulator: RunningSimulator) -> None:
    port = free_port()
    with ExitStack() as server:
        url, _ = server.enter_context(redis_process(tmp_path, port=port))
        with running_gateway(tmp_path / "gateway", HEADGATE_REDIS_URL=url, **SETTINGS) as gateway:
            caller = gateway.provision("openai", simulator.url)
            assert timed(gateway, caller, CHAT)[0].status == 200
            server.close()
            for _ in range(FAILURES):
                assert timed(gateway, caller, CHAT)[0].status == 503
            assert readiness(gateway)[1] == "circuit breaker open: state_unavailable"
            answer, took = timed(gateway, caller, CHAT)
            assert (answer.status, answer.json["error"]["code"]) == (503, "billing_service_error")
            assert took < AT_ONCE_S
            with redis_process(tmp_path, port=port):
                wait_until_served(gateway, caller, CHAT)
                assert breaker_state(gateway) == 0
