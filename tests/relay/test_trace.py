"""The record of decisions: in order, filled while it happens, rendered once."""

import json

from headgate.relay.trace import TraceBuilder


def test_a_trace_without_attempts_says_so() -> None:
    assert json.loads(TraceBuilder().render()) == {"attempts": []}


def test_attempts_are_in_order_and_filled_while_they_run() -> None:
    trace = TraceBuilder()
    first = trace.attempt(n=0, account_id=7)
    trace.attempt(n=1, account_id=8)
    first["outcome"] = "failed"
    assert json.loads(trace.render())["attempts"] == [
        {"n": 0, "account_id": 7, "outcome": "failed"},
        {"n": 1, "account_id": 8},
    ]


def test_a_fact_noted_again_is_replaced() -> None:
    trace = TraceBuilder()
    trace.note("reserved", {"nano": 1})
    trace.note("reserved", {"nano": 2})
    assert json.loads(trace.render())["reserved"] == {"nano": 2}
