"""The benchmark's models answer like the normal ones, from templates, and are billed as they say."""

from hashlib import sha256

import pytest

from headgate.kit import json
from tests.simulator import raw
from tests.support.simulator import RunningSimulator


def _events(body: bytes) -> list[dict[str, object]]:
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def test_a_fast_stream_has_the_wanted_number_of_text_events(simulator: RunningSimulator, key: str) -> None:
    body = raw.messages(simulator, key, "hi", model="sim-fast-50").body
    assert body.count(b"text_delta") == 50
    assert b"PLACEHOLDER" not in body


def test_a_fast_answer_is_billed_as_it_says(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi", model="sim-fast", stream=False)
    line = simulator.line(answer.request_id)
    usage = answer.json["usage"]
    assert (line["usage"]["input"], line["usage"]["output"]) == (
        usage["input_tokens"],
        usage["output_tokens"],
    )
    assert line["sha256"] == sha256(answer.body).hexdigest()


def test_the_input_of_a_fast_answer_is_a_quarter_of_the_body(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "x" * 1000, model="sim-fast", stream=False)
    size = len(raw.message_body("x" * 1000, model="sim-fast", stream=False))
    assert answer.json["usage"]["input_tokens"] == (size + 3) // 4


@pytest.mark.parametrize("wanted", [False, True])
def test_a_fast_chat_stream_states_its_usage_only_when_asked(
    simulator: RunningSimulator, key: str, *, wanted: bool
) -> None:
    more = {"stream_options": {"include_usage": True}} if wanted else {}
    answer = raw.chat(simulator, key, "hi", model="sim-fast-5", **more)
    line = simulator.line(answer.request_id)
    assert (line["reported"] == line["usage"]) is wanted
    assert line["usage"]["output"] == 10


def test_fast_gemini_chunks_count_up_to_the_total(simulator: RunningSimulator, key: str) -> None:
    answer = raw.gemini(simulator, key, "hi", model="sim-fast-3")
    line = simulator.line(answer.request_id)
    totals = [event["usageMetadata"]["totalTokenCount"] for event in _events(answer.body)]  # type: ignore[index]
    prompt = line["usage"]["input"]
    assert totals == [prompt + 2, prompt + 4, prompt + 6, prompt + 6]


def test_a_paced_fast_stream_takes_its_time(simulator: RunningSimulator, key: str) -> None:
    line = simulator.line(raw.messages(simulator, key, "hi", model="sim-fast-5-10").request_id)
    assert line["ended_ms"] - line["started_ms"] >= 40


def test_a_key_with_a_script_takes_the_normal_way(simulator: RunningSimulator, key: str) -> None:
    simulator.script(key, "status=500", times=1)
    assert raw.messages(simulator, key, "hi", model="sim-fast").status == 500
