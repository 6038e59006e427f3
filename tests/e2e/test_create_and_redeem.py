"""A payment front-end, and a gateway that dies right before or after the commit of a sale (spec 11.2)."""

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.money_books import Books
from tests.e2e.wire import Answer, send
from tests.support.gateway import Gateway, running_gateway
from tests.support.postgres import PostgresServer, running_postgres

SELL = "/api/v1/admin/redeem-codes/create-and-redeem"
LOCK_S = 2


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.pg)])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    if request.param == "sqlite":
        return Books(f"sqlite:///{tmp_path / 'gateway' / 'headgate.db'}")
    server: PostgresServer = request.getfixturevalue("postgres")
    return Books(asyncio.run(server.create_database(f"sale_{time.monotonic_ns()}")))


@pytest.fixture
def gateway(books: Books, tmp_path: Path) -> Iterator[Gateway]:
    settings = {"HEADGATE_DATABASE_URL": books.url, "HEADGATE_IDEMPOTENCY__LOCK_S": str(LOCK_S)}
    with running_gateway(tmp_path / "gateway", **settings) as running:
        yield running


def sell(gateway: Gateway, user_id: int, *, key: str) -> Answer:
    headers = [
        ("Authorization", f"Bearer {gateway.admin_token}"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", key),
    ]
    body = {"code": "s2p_1", "value": 10, "user_id": user_id}
    return send(gateway.url, "POST", SELL, headers, json.dumps(body).encode())


def dies_at(gateway: Gateway, fail_point: str, user_id: int) -> None:
    """The sale that the process does not survive, and the start after it."""
    plain = dict(gateway.environment)
    gateway.stop()
    gateway.environment = {**plain, "HEADGATE_FAIL_POINT": fail_point}
    gateway.restart()
    with pytest.raises((http.client.HTTPException, OSError)):
        sell(gateway, user_id, key="pay-1")
    assert gateway.process.wait(10) == -9
    gateway.environment = plain
    gateway.restart()


def new_user(gateway: Gateway) -> int:
    body = {"email": "ann@headgate.test", "password": "user-password", "balance": 1}
    user_id: int = gateway.api("POST", "/admin/users", body)["id"]
    return user_id


def balance_nano(books: Books) -> int:
    return books.value("SELECT balance_nano FROM users WHERE email = 'ann@headgate.test'")


def test_a_sale_that_died_before_its_commit_left_nothing_and_is_made_by_the_retry(
    gateway: Gateway, books: Books
) -> None:
    user_id = new_user(gateway)
    dies_at(gateway, "before_management_commit", user_id)
    assert books.value("SELECT COUNT(*) FROM redeem_codes WHERE code = 's2p_1'") == 0
    assert balance_nano(books) == 1 * 10**9
    retry = sell(gateway, user_id, key="pay-1-again")
    assert (retry.status, retry.json["data"]["redeem_code"]["status"]) == (200, "used")
    time.sleep(LOCK_S)
    late = sell(gateway, user_id, key="pay-1")
    assert (late.status, late.json["data"]) == (200, retry.json["data"])
    assert balance_nano(books) == 11 * 10**9
    assert books.verify().is_sound


def test_a_sale_that_died_after_its_commit_is_answered_by_the_retry_and_not_made_again(
    gateway: Gateway, books: Books
) -> None:
    user_id = new_user(gateway)
    dies_at(gateway, "after_management_commit", user_id)
    assert balance_nano(books) == 11 * 10**9
    replay = sell(gateway, user_id, key="pay-1")
    assert (replay.status, replay.headers["x-idempotency-replayed"]) == (200, "true")
    fresh = sell(gateway, user_id, key="pay-1-again")
    assert (fresh.status, fresh.json["data"]) == (200, replay.json["data"])
    assert balance_nano(books) == 11 * 10**9
    assert books.verify().is_sound
