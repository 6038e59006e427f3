"""What we book is what the provider bills: under faults, leavers and failover. Deaths are in tests/crash."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.money_books import Books, by_request_id, compare, same_money, show, summary, total, usage_of
from tests.e2e.money_load import START_BALANCE, Payer, provide, shots
from tests.support.databases import *  # noqa: F403 -- fixtures
from tests.support.gateway import Gateway, running_gateway
from tests.support.load import Outcome, Shot, fire, volley
from tests.support.postgres import PostgresServer
from tests.support.simulator import RunningSimulator, running_simulator

QUICK = {"HEADGATE_GATEWAY__OVERLOAD_COOLDOWN_S": "0", "HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "10000"}
BACKENDS = [("sqlite", 2_000), pytest.param(("postgresql", 500), marks=pytest.mark.pg)]


@pytest.fixture
def provider() -> Iterator[RunningSimulator]:
    """A simulator of this test's own: the whole bill is about this test."""
    with running_simulator(seed=5) as running:
        yield running


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend[0])
def amount(request: pytest.FixtureRequest) -> int:
    """Requests in all; the backend comes with it."""
    return int(request.param[1])


@pytest.fixture
def books(request: pytest.FixtureRequest, amount: int, tmp_path: Path) -> Books:
    if amount == 2_000:
        return Books(f"sqlite:///{tmp_path / 'gateway' / 'data' / 'headgate.db'}")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"money_{tmp_path.name}".replace("-", "_").lower()
    return Books(asyncio.run(server.create_database(name)))


@pytest.fixture
def gateway(books: Books, tmp_path: Path) -> Iterator[Gateway]:
    is_ours = books.url.startswith("sqlite")
    database = {} if is_ours else {"HEADGATE_DATABASE_URL": books.url}
    with running_gateway(tmp_path / "gateway", **QUICK, **database) as running:
        yield running


def wait_until_settled(gateway: Gateway, provider: RunningSimulator, books: Books) -> None:
    """Nobody is served any more and nothing is open: leavers' answers are read to their end first."""
    deadline = time.monotonic() + 30
    while metric(gateway, "headgate_exchanges_in_flight") or books.open_intents():
        assert time.monotonic() < deadline, "exchanges stay open"
        time.sleep(0.1)
    provider.settled_bill(timeout_s=15)


def metric(gateway: Gateway, name: str) -> float:
    """Sum over all labels."""
    _, text = gateway.get("/metrics")
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.decode().splitlines()
        if line.startswith((f"{name} ", f"{name}{{"))
    )


def send(gateway: Gateway, shot: Shot) -> Outcome:
    return asyncio.run(fire("127.0.0.1", gateway.port, shot))


def test_records_equal_the_bill_token_for_token(
    gateway: Gateway, provider: RunningSimulator, books: Books, amount: int
) -> None:
    payers = provide(gateway, provider, "load")
    began = time.monotonic()
    outcomes = asyncio.run(volley(gateway.url, shots(payers, amount)))
    wait_until_settled(gateway, provider, books)
    took = time.monotonic() - began
    lines = {line["request_id"]: line for line in provider.bill()["lines"]}
    records = books.records()
    named = by_request_id(records)
    assert lines.keys() <= named.keys(), "billed and not recorded"
    for record in records:
        line = lines.get(record["upstream_request_id"] or "")
        if line is None:
            assert not record["charge_nano"], record
            assert record["outcome"] == "failed", record
        else:
            compare(record, line)
    told = [r for r in records if r["usage_source"] == "reported"]
    ours = total([usage_of(r) for r in told])
    theirs = total([lines[r["upstream_request_id"]]["usage"] for r in told])
    assert ours == theirs
    charged = same_money(books)
    assert metric(gateway, "headgate_slots_held") == 0
    show(f"{amount} requests in {took:.1f} s: {Counter((o.ending, o.status) for o in outcomes)}")
    show(f"{len(records)} records ({summary(records)}), {len(lines)} bill lines, charged {charged} nano-USD")
    show(f"reported buckets, ours = theirs: {ours}")
    show(f"bill statuses {Counter(line['status'] for line in lines.values())}")
    provider.clear_scripts()
    time.sleep(1.1)  # the scripted cooldowns end
    assert_no_reservation_is_left(gateway, books, payers)


def assert_no_reservation_is_left(gateway: Gateway, books: Books, payers: dict[str, list[Payer]]) -> None:
    """A user whose balance is exactly what a request wants to reserve gets all of it; who has nothing is
    refused."""
    payer = payers["messages"][0]
    (shot,) = shots(payers, 1, script="pings=1")
    assert send(gateway, shot).status == 200
    (last,) = books.rows("SELECT trace FROM exchange_traces ORDER BY created_at_ms DESC LIMIT 1")
    wanted = json.loads(last["trace"])["reserved"]
    needed = wanted["bounds"][f"user:{payer.user_id}:balance"]
    for nano, status in ((0, 403), (needed, 200)):
        money = {"balance": nano / 1e9, "operation": "set"}
        gateway.api("POST", f"/admin/users/{payer.user_id}/balance", money)
        time.sleep(1.1)  # a refused bound is read again after a second
        assert send(gateway, shot).status == status
    (last,) = books.rows("SELECT trace FROM exchange_traces ORDER BY created_at_ms DESC LIMIT 1")
    assert json.loads(last["trace"])["reserved"] == wanted


async def _volley_with_kill(gateway: Gateway, batch: list[Shot], delay: float | None) -> list[Outcome]:
    load = asyncio.ensure_future(volley(gateway.url, batch, at_once=48))
    if delay is not None:
        await asyncio.sleep(delay)
        await asyncio.to_thread(gateway.kill)
    return await load


def test_a_kill_in_mid_stream_charges_the_input_that_was_told(
    gateway: Gateway, provider: RunningSimulator, books: Books
) -> None:
    payers = provide(gateway, provider, "mid", with_broken=False)
    (shot,) = shots(payers, 1, first=4, script="event_delay=0.2 events=60")
    asyncio.run(_volley_with_kill(gateway, [shot], 3.0))
    gateway.restart()
    wait_until_settled(gateway, provider, books)
    (record,) = books.records()
    (line,) = provider.bill()["lines"]
    assert record["outcome"] == "interrupted"
    assert record["upstream_request_id"] == line["request_id"]
    told = {**line["reported"], "reasoning": 0}  # message_start does not say how much of it is thinking
    assert usage_of(record) == told
    assert told["input"] > 0
    assert same_money(books) == record["charge_nano"] > 0
    shown = gateway.api("GET", f"/admin/users/{payers['messages'][1].user_id}")["balance"]
    assert shown == pytest.approx(START_BALANCE - record["charge_nano"] / 1e9, abs=1e-9)
