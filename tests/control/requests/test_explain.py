"""One request explained (issue 4, item 10): everything for staff, the own part for users."""

import json
from typing import Any

import msgspec
import pytest

from headgate.control.requests.jobs import DAY_MS, delete_old_traces
from headgate.control.requests.reasons import WHY, rule_meaning
from headgate.core.routing.verdicts import Reason
from headgate.settings import TraceSettings
from headgate.storage.models import ExchangeTraceRow, LedgerEntryRow
from tests.control.usage.records import record, store

SCORE = {"total": 2.5, "priority": 1.0, "load": 1.0, "queue": 0.5, "error_rate": 0.0, "ttft": 0.0}


def a_trace(main: int, cold: int) -> dict[str, Any]:
    """As the relay writes it: a first account that failed, then one that had to be waited for."""
    return {
        "attempts": [
            {"n": 0, "account_id": cold, "upstream_model": "m", "status": 529, "fault": "upstream_overloaded",
             "outcome": "failed", "ms": 40, "cooldown": {"cause": "overloaded", "until_ms": 99}},
            {"n": 1, "account_id": main, "upstream_model": "m", "status": 200, "edits": ["model"],
             "outcome": "completed", "ms": 1200},
        ],
        "session_rule": "x-session-id",
        "selections": [
            [{"account_id": cold, "outcome": "selected", "sticky": False, "score": SCORE},
             {"account_id": main, "outcome": "rejected", "reason": "lower_score", "score": SCORE}],
            [{"account_id": main, "outcome": "wait", "sticky": True, "upstream_model": "m", "timeout_s": 30,
              "max_waiting": 5},
             {"account_id": cold, "outcome": "rejected", "reason": "cooling_down", "until_ms": 99,
              "detail": "overloaded"}],
        ],
        "waits": [{"for": f"account:{main}", "waited_ms": 70, "first_position": 2, "result": "SlotLease"}],
        "reserved": {"list_nano": 9000, "output_tokens": 1024, "bounds": {}},
        "failover": [{"account_id": cold, "fault": "upstream_overloaded", "decision": "switch"}],
        "model_route": "claude-*",
        "bill": {"lines_nano": {"input": 1000, "output": 2000}, "list_cost_nano": 3070, "charge_nano": 6140,
                 "account_cost_nano": 3070, "charge_multiplier": 20_000, "price_version": "v1"},
    }  # fmt: skip


def line(kind: str, debit: str, credit: str, amount: int) -> LedgerEntryRow:
    return LedgerEntryRow(
        exchange_id="e1", attempt=1, kind=kind, debit_book=debit, credit_book=credit, amount_nano=amount,
        price_version="v1", tariff="input=1000 output=2000", multiplier=20_000, created_at_ms=5,
    )  # fmt: skip


@pytest.fixture
async def story(control: Any) -> dict[str, Any]:
    """Anna's request e1, over two accounts."""
    main, cold = await control.add_account("main-canary"), await control.add_account("cold-canary")
    mine, now = control.anna.user_id, control.clock.now_ms()
    trace = msgspec.json.encode(a_trace(main, cold)).decode()
    ids = await store(
        control,
        record(user_id=mine, created_at_ms=now, account_id=cold, outcome="failed", charge_nano=0,
               fault="upstream_overloaded"),
        record(user_id=mine, created_at_ms=now, account_id=main, attempt=1),
        ExchangeTraceRow(exchange_id="e1", user_id=mine, trace=trace, created_at_ms=now),
        line("charge", f"user:{mine}", "revenue", 6140),
        line("cost", "cost", f"account:{main}", 3070),
    )  # fmt: skip
    return {"main": main, "cold": cold, "records": ids}


@pytest.mark.parametrize("by", ["exchange", "record"])
async def test_staff_see_every_term_reason_wait_attempt_and_line(
    control: Any, story: dict[str, Any], by: str
) -> None:
    reference = "e1" if by == "exchange" else story["records"][1]
    data = (await control.admin("GET", f"/admin/requests/{reference}/explain")).data
    main, cold = story["main"], story["cold"]
    assert data["session"] == {"rule": "x-session-id", "meaning": "the header x-session-id", "sticky": True}
    first, second = data["selections"]
    assert [first["chosen"], second["chosen"]] == [cold, main]
    assert first["candidates"][1]["score"] == SCORE
    passed = second["candidates"][1]
    assert (passed["account"], passed["reason"], passed["why"]) == (
        "cold-canary", "cooling_down", "it was cooling down",
    )  # fmt: skip
    assert passed["evidence"] == {"until_ms": 99, "detail": "overloaded"}
    assert data["waits"][0]["waited_for"] == f"account:{main}"
    failed, answered = data["attempts"]
    assert (failed["account"], failed["fault"], failed["status"]) == (
        "cold-canary", "upstream_overloaded", 529,
    )  # fmt: skip
    assert failed["facts"] == {"cooldown": {"cause": "overloaded", "until_ms": 99}}
    assert (answered["record_id"], answered["tokens"]["input"], answered["edits"]) == (
        story["records"][1], 10, ["model"],
    )  # fmt: skip
    assert data["tariff"]["lines"][0] == {"name": "input", "list_cost": 1e-06}
    assert (data["tariff"]["list_cost"], data["tariff"]["rate_multiplier"]) == (3.07e-06, 2.0)
    assert [(entry["kind"], entry["amount"]) for entry in data["ledger"]] == [
        ("charge", 6.14e-06), ("cost", 3.07e-06),
    ]  # fmt: skip
    assert data["facts"] == {"model_route": "claude-*"}
    assert data["user"]["email"] == "anna@example.com"


async def test_the_story_is_told_in_sentences(control: Any, story: dict[str, Any]) -> None:
    told = (await control.admin("GET", "/admin/requests/e1/explain")).data["summary"]
    main, cold = story["main"], story["cold"]
    assert told == [
        "The conversation was recognised by x-session-id: the header x-session-id.",
        f"Choice 1: account {cold} (cold-canary), score 2.500; 1 others were passed over (lower_score x1).",
        f"Choice 2: account {main} (main-canary) because the conversation lives there; 1 others were passed"
        " over (cooling_down x1).",
        f"It waited 70 ms for account:{main}, beginning at place 2: got it.",
        "Attempt 1 failed with upstream_overloaded (status 529) after 100 ms.",
        "Attempt 2 ended as completed (status 200) after 100 ms: 10 input, 3 cached, 20 output tokens.",
        "List cost $0.000003 by prices v1, times 2: charged $0.000006.",
    ]
    operator = await control.add_user("op@example.com", role="operator")
    assert (await operator("GET", "/admin/requests/e1/explain")).data["summary"] == told[:-1]


async def test_users_see_their_own_without_accounts_and_upstream_cost(
    control: Any, story: dict[str, Any]
) -> None:
    answer = await control.anna("GET", "/usage/e1/explain")
    data = answer.data
    assert b"canary" not in answer.body
    assert not {"selections", "failover", "facts", "user"} & set(data)
    for attempt in data["attempts"]:
        assert not {"account_id", "account", "account_cost", "facts", "record_id"} & set(attempt)
    assert [entry["kind"] for entry in data["ledger"]] == ["charge"]
    assert data["waits"] == [
        {"waited_for": None, "waited_ms": 70, "first_position": 2, "result": "SlotLease"}
    ]
    assert data["tariff"]["charge"] == 6.14e-06
    assert not any("account:" in sentence for sentence in data["summary"])


async def test_somebody_else_s_request_is_as_unknown_as_none(control: Any, story: dict[str, Any]) -> None:
    answers = [
        await control.ben("GET", f"/usage/{reference}/explain")
        for reference in ("e1", story["records"][0], "nothing")
    ]
    assert [(a.status, a.json["reason"]) for a in answers] == [(404, "USAGE_LOG_NOT_FOUND")] * 3
    assert (await control.ben("GET", "/admin/requests/e1/explain")).status == 403


async def test_a_refused_request_is_explained_without_records(control: Any) -> None:
    told = {
        "selections": [[{"account_id": 9, "outcome": "rejected", "reason": "expired", "expired_at_ms": 4}]],
        "fault": {"kind": "no_account", "blame": "gateway", "message": "canary"},
    }
    mine = control.anna.user_id
    await store(
        control, ExchangeTraceRow(exchange_id="no", user_id=mine, trace=json.dumps(told), created_at_ms=1)
    )
    data = (await control.admin("GET", "/admin/requests/no/explain")).data
    assert (data["outcome"], data["attempts"], data["fault"]["message"]) == ("refused", [], "canary")
    assert data["summary"][0] == "Choice 1: none of 1 accounts could serve it (expired x1)."
    own = (await control.anna("GET", "/usage/no/explain")).data
    assert own["fault"] == {"kind": "no_account", "blame": "gateway"}


@pytest.mark.parametrize("stored", ["[1]", "not json", '{"selections": 3, "attempts": [1], "waits": {}}'])
async def test_a_trace_of_another_shape_hides_nothing_that_the_books_know(control: Any, stored: str) -> None:
    mine = control.anna.user_id
    await store(
        control,
        record(user_id=mine),
        ExchangeTraceRow(exchange_id="e1", user_id=mine, trace=stored, created_at_ms=1),
    )
    data = (await control.admin("GET", "/admin/requests/e1/explain")).data
    assert [attempt["tokens"]["output"] for attempt in data["attempts"]] == [20]
    assert data["tariff"]["list_cost"] == 3.07e-06


async def test_old_traces_go_and_the_books_stay(control: Any) -> None:
    mine, now = control.anna.user_id, control.clock.now_ms()
    ages = (("old", 8 * DAY_MS), ("new", 6 * DAY_MS))
    await store(
        control,
        *(record(exchange_id=name, user_id=mine, created_at_ms=now - age) for name, age in ages),
        *(
            ExchangeTraceRow(exchange_id=name, user_id=mine, trace="{}", created_at_ms=now - age)
            for name, age in ages
        ),
    )
    uow, clock = control.deps.uow, control.clock
    assert await delete_old_traces(uow, clock, TraceSettings(retention_days=0)) == 0
    assert await delete_old_traces(uow, clock, TraceSettings(retention_days=7)) == 1
    told = [(await control.admin("GET", f"/admin/requests/{name}/explain")).data for name, _ in ages]
    assert [data["has_trace"] for data in told] == [False, True]
    assert told[0]["attempts"][0]["tokens"]["input"] == 10
    assert told[0]["summary"][0].startswith("The trace is no longer kept")


def test_every_reason_has_a_sentence() -> None:
    assert set(WHY) == set(Reason)
    assert rule_meaning("x-anything") == "the header x-anything"
