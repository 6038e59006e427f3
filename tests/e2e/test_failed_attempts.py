"""An attempt that cost tokens and failed is on record with its cost; the user pays for the answer alone."""

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.money_books import Books, same_money
from tests.support.gateway import Gateway, Provisioned
from tests.support.load import Outcome, Shot, volley
from tests.support.simulator import RunningSimulator


@pytest.fixture
def books(gateway: Gateway) -> Books:
    return Books(f"sqlite:///{gateway.data_dir / 'headgate.db'}")


@pytest.fixture
def caller(gateway: Gateway, provision: Provision, upstream_key: str) -> Provisioned:
    """Two accounts; the first one is tried first."""
    made = provision("anthropic", upstream_keys=(upstream_key, f"{upstream_key}-b"))
    gateway.api("PUT", f"/admin/accounts/{made.account_ids[0]}", {"priority": 1})
    return made


def ask(gateway: Gateway, key: str, *, stream: bool, words: str = "What does a failure cost?") -> Outcome:
    body = {
        "model": "claude-sonnet-4-6", "max_tokens": 500, "stream": stream,
        "messages": [{"role": "user", "content": words}],
    }  # fmt: skip
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    shot = Shot(path="/v1/messages", headers=headers, body=json.dumps(body).encode())
    (outcome,) = asyncio.run(volley(gateway.url, [shot]))
    return outcome


def records_of(books: Books, outcome: Outcome) -> list[dict[str, Any]]:
    name = outcome.header("x-headgate-exchange-id")
    return books.rows(f"SELECT * FROM usage_records WHERE exchange_id = '{name}' ORDER BY attempt")


@pytest.mark.parametrize(
    ("fault", "tries", "stream"),
    [
        ("cut_after=0", 2, True),
        ("cut_after=0", 2, False),
        ("malformed_after=0", 1, True),
        ("malformed_after=0", 1, False),
    ],
)
def test_an_attempt_that_broke_off_costs_the_operator_and_not_the_user(
    gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, books: Books, upstream_key: str,
    fault: str, tries: int, stream: bool,
) -> None:  # fmt: skip
    """The provider accepted it and read the prompt, which it bills; nothing usable came. Another account
    answers in the end."""
    simulator.script(upstream_key, fault, times=tries)
    outcome = ask(gateway, caller.key, stream=stream)
    assert (outcome.status, outcome.ending) == (200, "complete")
    *failed, answered = records_of(books, outcome)
    assert len(failed) == tries, "a cut is tried again, nonsense is not; then the other account"
    for record in failed:
        assert (record["outcome"], record["account_id"]) == ("failed", caller.account_ids[0])
        assert (record["usage_source"], record["charge_nano"]) == ("estimated", 0)
        assert simulator.line(record["upstream_request_id"])["usage"]["input"] > 0
        assert record["input_tokens"] > 0
        assert record["account_cost_nano"] > 0
    assert (answered["outcome"], answered["account_id"]) == ("completed", caller.account_ids[1])
    assert answered["usage_source"] == "reported"
    assert answered["charge_nano"] > 0
    same_money(books)


def test_what_failed_attempts_cost_is_shown_to_the_operator_and_not_to_the_user(
    gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, upstream_key: str
) -> None:
    simulator.script(upstream_key, "cut_after=0", times=1)
    ask(gateway, caller.key, stream=True)
    seen = gateway.usage(user_id=caller.user_id)
    assert [row["outcome"] for row in seen] == ["failed", "completed"]
    balance = gateway.api("GET", f"/admin/users/{caller.user_id}")["balance"]
    assert balance == pytest.approx(1000 - seen[1]["actual_cost"], abs=1e-9)
    own = gateway.api("GET", "/usage", token=caller.user_token)["items"]
    assert all("account_cost" not in row for row in own)


def test_an_answer_that_breaks_off_is_charged_for_what_was_delivered(
    gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, books: Books
) -> None:
    """The provider bills what it wrote; its first event told one token of that."""
    outcome = ask(gateway, caller.key, stream=True, words="[[sim: tokens=300 events=30 cut_after=25]]")
    (record,) = records_of(books, outcome)
    assert (record["outcome"], record["fault"]) == ("partial", "upstream_cut")
    assert (record["usage_source"], record["review"]) == ("estimated", "estimated")
    line = simulator.line(record["upstream_request_id"])
    assert record["input_tokens"] == line["usage"]["input"]
    assert line["usage"]["output"] / 2 < record["output_tokens"] < line["usage"]["output"] * 2
    (row,) = books.rows(f"SELECT trace FROM exchange_traces WHERE exchange_id = '{record['exchange_id']}'")
    assert 0 < record["list_cost_nano"] <= json.loads(row["trace"])["reserved"]["list_nano"]
    same_money(books)
