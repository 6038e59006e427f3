"""Reservations as a user meets them: real gateway and simulator, money that runs out while an answer runs."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.money_books import Books, same_money, show
from tests.e2e.money_load import DIALECTS, PLATFORMS, SPEAK
from tests.support.databases import *  # noqa: F403
from tests.support.gateway import Gateway, Provisioned, running_gateway, two_workers
from tests.support.load import Outcome, Shot, volley
from tests.support.postgres import PostgresServer
from tests.support.simulator import RunningSimulator

MODELS = {
    "messages": "claude-sonnet-4-6", "chat": "gpt-5", "responses": "gpt-5", "gemini": "gemini-2.5-pro",
}  # fmt: skip
USD = 1_000_000_000
LONG = "[[sim: tokens=4000 events=400 event_delay=0.002]]"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    settings = {
        "HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "10000",
        "HEADGATE_LIMITS__FIRST_OUTPUT_SLICE_TOKENS": "300",
    }
    with running_gateway(tmp_path_factory.mktemp("gateway"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def books(gateway: Gateway) -> Books:
    return Books(f"sqlite:///{gateway.data_dir / 'headgate.db'}")


Payers = Callable[..., Provisioned]


_numbers = count(1)


@pytest.fixture
def payer(gateway: Gateway, simulator: RunningSimulator) -> Payers:
    """A user with so much money, in a group of its own."""

    def make(dialect: str, balance: float, **more: Any) -> Provisioned:
        name = f"payer{next(_numbers)}"
        return gateway.provision(PLATFORMS[dialect], simulator.url, balance=balance, name=name, **more)

    return make


def ask(
    gateway: Gateway,
    key: str,
    dialect: str,
    text: str,
    *,
    stream: bool = True,
    most: int | None = 8000,
    headers: dict[str, str] | None = None,
) -> Outcome:
    path, own, body = SPEAK[dialect](MODELS[dialect], text, stream=stream, most=most, key=key)
    shot = Shot(path=path, headers={**own, **(headers or {})}, body=json.dumps(body).encode())
    (outcome,) = asyncio.run(volley(gateway.url, [shot]))
    return outcome


def balance(books: Books, user_id: int) -> int:
    return books.value(f"SELECT balance_nano FROM users WHERE id = {user_id}")


def last_record(books: Books, user_id: int) -> dict[str, Any]:
    (row,) = books.rows(f"SELECT * FROM usage_records WHERE user_id = {user_id} ORDER BY id DESC LIMIT 1")
    return row


def events(outcome: Outcome) -> list[dict[str, Any]]:
    lines = outcome.body.replace(b"\r\n", b"\n").split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


ENDINGS: dict[str, Callable[[Outcome], bool]] = {
    "messages": lambda got: (
        [event["type"] for event in events(got)][-3:]
        == ["content_block_stop", "message_delta", "message_stop"]
        and events(got)[-2]["delta"]["stop_reason"] == "max_tokens"
    ),
    "chat": lambda got: (
        b"data: [DONE]\n\n" in got.body
        and any(
            choice.get("finish_reason") == "length" for event in events(got) for choice in event["choices"]
        )
    ),
    "responses": lambda got: (
        events(got)[-1]["type"] == "response.incomplete"
        and events(got)[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    ),
    "gemini": lambda got: events(got)[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_that_outgrows_the_balance_ends_properly_and_never_overdraws(
    gateway: Gateway, books: Books, payer: Payers, dialect: str
) -> None:
    """Some 4,000 tokens are asked for; the money is there for about half of them."""
    who = payer(dialect, 0.025 if dialect == "messages" else 0.015)
    got = ask(gateway, who.key, dialect, LONG)
    assert (got.status, got.ending) == (200, "complete")
    assert ENDINGS[dialect](got), got.body[-600:]
    record = last_record(books, who.user_id)
    assert (record["outcome"], record["fault"], record["review"]) == ("partial", "budget_ended", "estimated")
    assert 400 < record["output_tokens"] < 4000
    assert record["input_tokens"] > 0, "what was asked is paid as well"
    assert 0 <= balance(books, who.user_id) < 0.008 * USD
    same_money(books)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_stream_whose_money_lasts_is_untouched_and_extended_on_the_way(
    gateway: Gateway, books: Books, payer: Payers, dialect: str
) -> None:
    who = payer(dialect, 5)
    got = ask(gateway, who.key, dialect, LONG)
    record = last_record(books, who.user_id)
    assert (record["outcome"], record["fault"], record["usage_source"]) == ("completed", None, "reported")
    trace = json.loads(books.rows(
        f"SELECT trace FROM exchange_traces WHERE exchange_id = '{record['exchange_id']}'"
    )[0]["trace"])  # fmt: skip
    assert trace["attempts"][0]["reservation_extended"] >= 5
    assert got.header("x-headgate-edits") == ""


def test_an_overdraft_lets_the_stream_end_by_itself_within_the_stated_amount(
    gateway: Gateway, books: Books, payer: Payers
) -> None:
    group = {"overrun_policy": "overdraft", "overdraft_limit_usd": 0.2}
    who = payer("messages", 0.025, group=group)
    got = ask(gateway, who.key, "messages", LONG)
    assert events(got)[-1]["type"] == "message_stop"
    assert last_record(books, who.user_id)["outcome"] == "completed"
    assert -0.2 * USD <= balance(books, who.user_id) < 0
    assert ask(gateway, who.key, "messages", "again").status == 403


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_in_one_piece_gets_the_output_limit_that_can_be_paid_for(
    gateway: Gateway, books: Books, payer: Payers, dialect: str
) -> None:
    who = payer(dialect, 0.02)
    got = ask(gateway, who.key, dialect, "[[sim: tokens=5000]]", stream=False, most=64_000)
    assert got.status == 200
    limit = int(got.header("x-headgate-edits").removeprefix("max_output_tokens="))
    record = last_record(books, who.user_id)
    assert record["output_tokens"] <= limit < 3000
    assert balance(books, who.user_id) >= 0


def test_an_estimate_never_says_more_than_the_provider_was_allowed_to_say(
    gateway: Gateway, books: Books, payer: Payers
) -> None:
    """Without reported usage output is estimated from bytes, of which this dialect has many per token."""
    who = payer("responses", 5)
    text = "[[sim: tokens=90 events=90 missing_usage]]"
    assert ask(gateway, who.key, "responses", text, most=100).status == 200
    record = last_record(books, who.user_id)
    assert record["usage_source"] == "estimated"
    assert 0 < record["output_tokens"] <= 100


def test_what_no_answer_fits_into_is_refused_with_the_amounts(gateway: Gateway, payer: Payers) -> None:
    who = payer("messages", 0.0005)
    got = ask(gateway, who.key, "messages", "hi", stream=False)
    assert got.status == 403
    error = json.loads(got.body)["error"]
    assert "Insufficient account balance: this request may cost up to 0.00" in error["message"]
    assert "0.0005 USD left" in error["message"]


def test_a_thousand_at_once_spend_a_balance_worth_a_hundred_and_nothing_more(
    gateway: Gateway, books: Books, payer: Payers
) -> None:
    spend_a_hundred(gateway, books, payer("messages", 1))


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> str:
    return await postgres_server.create_database(f"reservations_{time.monotonic_ns()}")


@pytest.fixture
def pair(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    with two_workers(tmp_path, database_url) as running:
        yield running


@pytest.mark.pg
@pytest.mark.redis
def test_two_workers_spend_it_together_and_nothing_more(
    pair: Gateway, simulator: RunningSimulator, database_url: str
) -> None:
    who = pair.provision("anthropic", simulator.url, balance=1, name="pair")
    spend_a_hundred(pair, Books(database_url), who)


def spend_a_hundred(gateway: Gateway, books: Books, who: Provisioned) -> None:
    """Every request costs the same; a hundred of them cost the whole balance; a thousand come at once."""
    text = "How much is one? [[sim: tokens=60]]"
    first = ask(gateway, who.key, "messages", text, most=100)
    assert first.status == 200
    price = last_record(books, who.user_id)["charge_nano"]
    money = {"balance": 100 * price / 1e9, "operation": "set"}
    gateway.api("POST", f"/admin/users/{who.user_id}/balance", money)
    gateway.api("PUT", f"/admin/users/{who.user_id}", {"concurrency": 0})
    path, headers, body = SPEAK["messages"](MODELS["messages"], text, stream=True, most=100, key=who.key)
    shot = Shot(path=path, headers=headers, body=json.dumps(body).encode())
    outcomes = asyncio.run(volley(gateway.url, [shot] * 1000, at_once=1000, timeout_s=60))
    ends = Counter(_what_came(outcome) for outcome in outcomes)
    show(f"1000 at once: {dict(ends)}, {balance(books, who.user_id)} nano-USD left, one costs {price}")
    assert balance(books, who.user_id) >= 0
    assert 95 <= ends["answered"] <= 100
    assert set(ends) == {"answered", "refused"}, {o.body for o in outcomes if _what_came(o) not in _EXPECTED}
    same_money(books)


_EXPECTED = ("answered", "refused")


def _what_came(outcome: Outcome) -> str:
    """A request that waits for held money longer than the keep-alive interval gets pings, and with them the
    head: on a busy machine most refusals come in such a stream, with status 200."""
    if outcome.status == 403 or (outcome.status == 200 and b"event: error" in outcome.body):
        error = json.loads(outcome.body) if outcome.status == 403 else events(outcome)[-1]
        return "refused" if "Insufficient account balance" in error["error"]["message"] else "failed"
    is_whole = outcome.status == 200 and b"event: message_stop" in outcome.body
    return "answered" if is_whole else f"{outcome.status} {outcome.ending}"


def test_ten_cents_hold_a_claude_code_conversation_until_they_are_really_gone(
    gateway: Gateway, books: Books, payer: Payers
) -> None:
    """The client's own requests (max_tokens 32,000 and more, cached system prompt), answered with 400 tokens
    each: the first does not reserve its worst case, the last is refused with almost nothing left."""
    who = payer("messages", 0.10)
    recorded = Path(__file__).parent / "recordings" / "claude_code.json"
    body = json.loads(recorded.read_text()) if recorded.exists() else claude_code_body()
    turns = 0
    for turn in range(400):
        question = {"role": "user", "content": f"turn {turn} [[sim: tokens=400]]"}
        payload = {**body, "max_tokens": 128_000, "stream": True, "messages": [*body["messages"], question]}
        headers = {
            "x-api-key": who.key, "anthropic-version": "2023-06-01", "x-claude-code-session-id": "s-1",
        }  # fmt: skip
        shot = Shot(path="/v1/messages", headers=headers, body=json.dumps(payload).encode())
        (got,) = asyncio.run(volley(gateway.url, [shot]))
        if got.status != 200:
            break
        turns += 1
        body["messages"] += [question, {"role": "assistant", "content": "Done. " * 60}]
    left = balance(books, who.user_id)
    show(f"{turns} turns for 0.10 USD, {left / USD:.6f} USD left")
    assert got.status == 403
    assert turns >= 5
    assert -0.002 * USD <= left < 0.02 * USD


def claude_code_body() -> dict[str, Any]:
    """As large as Claude Code's: 12 KB of instructions and 20 KB of tools, cached."""
    mark = {"cache_control": {"type": "ephemeral"}}
    tools = [
        {"name": f"tool{n}", "description": "What it does. " * 60, "input_schema": {"type": "object"}}
        for n in range(20)
    ]
    return {
        "model": "claude-haiku-4-5-20251001",
        "system": [{"type": "text", "text": "You are a careful engineer. " * 430, **mark}],
        "tools": tools,
        "messages": [],
    }


@pytest.mark.parametrize("stream", [True, False])
def test_a_callers_own_limit_on_the_cost_is_kept(
    gateway: Gateway, books: Books, payer: Payers, stream: bool
) -> None:
    who = payer("messages", 5)
    limit = {"x-headgate-max-cost": "0.01"}
    got = ask(gateway, who.key, "messages", "[[sim: tokens=5000]]", stream=stream, headers=limit)
    assert got.status == 200
    assert got.header("x-headgate-edits").startswith("max_output_tokens=")
    assert last_record(books, who.user_id)["charge_nano"] <= 0.01 * USD


@pytest.mark.parametrize(
    ("value", "status", "says"),
    [
        ("0.0000001", 400, "may cost"), ("-1", 400, "must be an amount"), ("NaN", 400, "must be an amount"),
        ("1e9", 400, "must be an amount"), ("99999999999999999999", 400, "must be an amount"),
    ],
)  # fmt: skip
def test_a_limit_that_is_none_or_too_small_is_refused(
    gateway: Gateway, payer: Payers, value: str, status: int, says: str
) -> None:
    who = payer("messages", 5)
    got = ask(gateway, who.key, "messages", "hi", headers={"x-headgate-max-cost": value})
    assert got.status == status
    assert says in json.loads(got.body)["error"]["message"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_preview_tells_what_the_same_call_would_reserve_and_could_cost(
    gateway: Gateway, books: Books, payer: Payers, dialect: str
) -> None:
    who = payer(dialect, 1, group={"rate_multiplier": 2})
    path, headers, body = SPEAK[dialect](MODELS[dialect], "hello", stream=True, most=500, key=who.key)
    query = f"?model={MODELS[dialect]}" if dialect == "gemini" else ""
    shot = Shot(path=f"/v1/cost/preview{query}", headers=headers, body=json.dumps(body).encode())
    (got,) = asyncio.run(volley(gateway.url, [shot]))
    told = json.loads(got.body)
    assert told["rate_multiplier"] == 2
    assert told["is_affordable"]
    assert told["usd_per_million_tokens"]["output"] > told["usd_per_million_tokens"]["input"] > 0
    assert 0 < told["reserved_usd"] <= told["worst_case_usd"]
    (bound,) = told["limits"]
    assert (bound["limit"], bound["remaining"]) == (f"user:{who.user_id}:balance", 1)
    assert books.value(f"SELECT COUNT(*) FROM usage_records WHERE user_id = {who.user_id}") == 0
    real = ask(gateway, who.key, dialect, "hello", most=500)
    assert real.status == 200
    assert last_record(books, who.user_id)["charge_nano"] <= told["worst_case_usd"] * USD


def test_an_answers_head_says_what_is_left(gateway: Gateway, payer: Payers) -> None:
    got = ask(gateway, payer("messages", 1).key, "messages", "hi")
    assert 0.9 < float(got.header("x-headgate-budget-remaining")) < 1
