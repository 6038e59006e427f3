"""Lines of traffic: what is read, and what is refused by its line."""

import json
from typing import Any

import pytest

from headgate.simulation.outcome import jain, percentile
from headgate.simulation.recording import request_of
from headgate.simulation.traffic import Profile, TrafficUnreadable, generate, read_traffic

LINE = {"at_ms": 5, "user": "u", "group": "g", "model": "m", "input_tokens": 9, "output_tokens": 1}


def lines(*changes: dict[str, Any]) -> list[bytes]:
    return [json.dumps(LINE | change).encode() for change in changes]


def test_traffic_begins_at_zero_in_order_of_time() -> None:
    found = read_traffic([*lines({"at_ms": 900}, {"at_ms": 500, "user": "v"}), b"\n"])
    assert [(request.at_ms, request.user) for request in found] == [(0, "v"), (400, "u")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "line 1: "),
        (b"\xff", "line 1: "),
        (lines({"at_ms": "x"})[0], "line 1: Expected `int`"),
        (lines({"prompt": "canary"})[0], "unknown field `prompt`"),
        (lines({"input_tokens": -1})[0], "token counts must be"),
        (lines({"cacheable_tokens": 10})[0], "cacheable_tokens is more than input_tokens"),
        (lines({"at_ms": -1})[0], "at_ms is no instant"),
        (lines({"ttft_ms": -1})[0], "must not be negative"),
        (b"", "no requests"),
    ],
)
def test_what_cannot_be_traffic_is_named_by_its_line(line: bytes, problem: str) -> None:
    with pytest.raises(TrafficUnreadable) as error:
        read_traffic([line])
    assert problem in str(error.value)


def test_generated_conversations_grow_by_each_turn() -> None:
    found = generate(Profile(group="g", users=1, sessions_per_user=1, turns=4), 1)
    sizes = [request.input_tokens for request in found]
    assert sizes == sorted(sizes)
    assert sizes[0] > 12_000
    assert {request.session for request in found} == {"1-1"}


def test_a_record_becomes_a_request_without_its_waiting() -> None:
    row = {
        "created_at_ms": 100_000, "duration_ms": 4_000, "first_byte_ms": 1_500, "user_id": 7,
        "group_name": "g",
        "client_model": "m", "input_tokens": 10, "cache_read_tokens": 20, "cache_write_5m_tokens": 5,
        "cache_write_1h_tokens": 1, "output_tokens": 3, "is_stream": True, "dialect": "anthropic_messages",
        "trace": '{"session": "ab12", "waits": [{"waited_ms": 600}]}',
    }  # fmt: skip
    request = request_of(row)
    assert (request.at_ms, request.ttft_ms, request.duration_ms) == (95_400, 900, 4_000)
    assert (request.user, request.session, request.input_tokens) == ("user-7", "ab12", 36)
    assert request.cacheable_tokens == 26
    assert request_of(row | {"trace": "not json"}).session == ""
    assert request_of(row | {"dialect": "openai_chat"}).cacheable_tokens == 36


def test_percentiles_and_fairness() -> None:
    assert [percentile([5, 1, 3], p) for p in (0, 50, 95)] == [1, 3, 5]
    assert jain([2, 2, 2]) == 1
    assert jain([1, 0, 0, 0]) == 0.25
