"""Scripted faults on the wire, and what the bill says about each."""

import gzip
import json
import socket
from hashlib import sha256

import pytest

from tests.simulator import raw
from tests.support.simulator import RunningSimulator


def _events(body: bytes) -> list[bytes]:
    return [event for event in body.split(b"\n\n") if event]


def test_the_bill_hashes_exactly_the_bytes_that_arrived(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: split=7]]")
    line = simulator.line(answer.request_id)
    assert line["sha256"] == sha256(answer.body).hexdigest()
    assert line["bytes_sent"] == len(answer.body)


def test_a_compressed_answer_is_hashed_as_sent(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: encoding=gzip]]", accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body).endswith(b'data: {"type":"message_stop"}\n\n')
    assert simulator.line(answer.request_id)["sha256"] == sha256(answer.body).hexdigest()


def test_splitting_changes_no_byte(simulator: RunningSimulator, key: str) -> None:
    body = raw.messages(simulator, key, "hi [[sim: split=3 tokens=20]]").body
    assert _events(body)[-1] == b'event: message_stop\ndata: {"type":"message_stop"}'


def test_a_cut_ends_the_connection_after_so_many_events(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: cut_after=5]]")
    line = simulator.settled_bill(key=key)["lines"][0]
    assert not answer.is_complete
    assert len(_events(answer.body)) == 5
    assert line["status"] == "cut"
    assert line["sha256"] == sha256(answer.body).hexdigest()


def test_a_cut_bills_the_output_of_the_events_that_were_sent(simulator: RunningSimulator, key: str) -> None:
    # message_start, content_block_start and ping, then two deltas of ten tokens each
    raw.messages(simulator, key, "hi [[sim: cut_after=5 tokens=100 events=10]]")
    line = simulator.settled_bill(key=key)["lines"][0]
    assert line["usage"]["output"] == 20
    assert line["reported"]["output"] == 1


def test_a_cut_chat_stream_reported_nothing(simulator: RunningSimulator, key: str) -> None:
    raw.chat(
        simulator, key, "hi [[sim: cut_after=3 tokens=100 events=10]]", stream_options={"include_usage": True}
    )
    line = simulator.settled_bill(key=key)["lines"][0]
    assert (line["usage"]["output"], line["reported"]) == (20, None)


def test_a_cut_gemini_stream_reported_the_usage_so_far(simulator: RunningSimulator, key: str) -> None:
    raw.gemini(simulator, key, "hi [[sim: cut_after=3 tokens=100 events=10]]")
    line = simulator.settled_bill(key=key)["lines"][0]
    assert line["usage"] == line["reported"]
    assert line["usage"]["output"] == 30


def test_a_cut_json_answer_is_half_a_body_billed_whole(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: cut_after=1 tokens=50]]", stream=False)
    line = simulator.settled_bill(key=key)["lines"][0]
    assert not answer.is_complete
    assert (line["status"], line["usage"]["output"]) == ("cut", 50)


@pytest.mark.parametrize("after", [0, 4])
def test_an_in_band_error_comes_after_so_many_events(
    simulator: RunningSimulator, key: str, after: int
) -> None:
    answer = raw.messages(simulator, key, f"hi [[sim: error_after={after}]]")
    events = _events(answer.body)
    assert answer.is_complete
    assert len(events) == after + 1
    assert events[-1].startswith(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"')
    assert simulator.line(answer.request_id)["status"] == "error"


def test_a_malformed_event_stands_between_sound_ones(simulator: RunningSimulator, key: str) -> None:
    events = _events(raw.messages(simulator, key, "hi [[sim: malformed_after=4]]").body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(events[4].split(b"data: ")[1])
    assert events[-1].startswith(b"event: message_stop")


def test_hidden_usage_is_billed_and_flagged(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: missing_usage]]")
    line = simulator.line(answer.request_id)
    assert b'"usage"' not in answer.body
    assert line["usage_hidden"]
    assert line["usage"]["output"] > 0
    assert line["reported"] is None


def test_a_huge_event_has_the_wanted_size(simulator: RunningSimulator, key: str) -> None:
    body = raw.messages(simulator, key, "hi [[sim: event_bytes=100000]]").body
    assert max(len(event) for event in _events(body)) > 100_000


def test_tokens_and_events_are_exactly_as_many_as_scripted(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: tokens=500 events=25]]")
    assert answer.body.count(b"text_delta") == 25
    assert simulator.line(answer.request_id)["usage"]["output"] == 500


def test_served_model_and_tier_can_differ_from_what_was_asked(simulator: RunningSimulator, key: str) -> None:
    text = "hi [[sim: served_model=claude-other tier=priority]]"
    answer = raw.messages(simulator, key, text, stream=False)
    line = simulator.line(answer.request_id)
    assert (answer.json["model"], answer.json["usage"]["service_tier"]) == ("claude-other", "priority")
    assert (line["model"], line["asked_model"]) == ("claude-other", "claude-sonnet-4-6")


def test_extra_pings_follow_the_first_event(simulator: RunningSimulator, key: str) -> None:
    body = raw.messages(simulator, key, "hi [[sim: pings=3]]").body
    assert [event.split(b"\n")[0] for event in _events(body)[1:4]] == [b"event: ping"] * 3


def test_a_key_script_holds_for_the_named_number_of_requests(simulator: RunningSimulator, key: str) -> None:
    simulator.script(key, {"status": 529, "message": "too busy"}, times=2)
    answers = [raw.messages(simulator, key, "hi") for _ in range(3)]
    assert [answer.status for answer in answers] == [529, 529, 200]
    assert answers[0].json["error"]["message"] == "too busy"
    assert simulator.bill(key=key)["totals"][key]["unbilled"] == 2


def test_a_client_that_leaves_is_billed_for_what_was_generated(simulator: RunningSimulator, key: str) -> None:
    body = raw.message_body("hi [[sim: tokens=1000 events=100 event_delay=0.02]]")
    head = f"POST /v1/messages HTTP/1.1\r\nhost: sim\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n"
    with socket.create_connection((simulator.host, simulator.port), timeout=5) as connection:
        connection.sendall(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        received = b""
        while received.count(b"text_delta") < 3:
            received += connection.recv(4096)
    line = simulator.settled_bill(key=key)["lines"][0]
    assert line["status"] == "client_gone"
    assert 30 <= line["usage"]["output"] < 1000


def test_a_client_that_leaves_before_the_first_byte_is_not_billed(
    simulator: RunningSimulator, key: str
) -> None:
    body = raw.message_body("hi [[sim: delay=30]]")
    head = f"POST /v1/messages HTTP/1.1\r\nhost: sim\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n"
    with socket.create_connection((simulator.host, simulator.port), timeout=5) as connection:
        connection.sendall(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
    raw.messages(simulator, key, "hi")
    bill = simulator.settled_bill(key=key)
    assert [line["status"] for line in bill["lines"]] == ["complete"]


def test_a_stall_goes_silent_after_so_many_events_and_then_goes_on(
    simulator: RunningSimulator, key: str
) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: stall_after=3 stall=0.05]]")
    line = simulator.line(answer.request_id)
    assert answer.is_complete
    assert line["ended_ms"] - line["started_ms"] >= 40
