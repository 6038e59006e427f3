"""Byte for byte: what the simulator's bill says it sent is what the client received, each edit named."""

import gzip
import json
import zlib
from hashlib import sha256
from typing import Any

import brotli
import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import (
    CHAT,
    CHAT_SSE_NO_USAGE,
    STREAMS,
    WHOLE,
    Speaker,
)
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

KEYS = {platform: f"sim-bytes-{platform}" for platform in ("anthropic", "openai", "gemini")}
SHAPES = (
    "split=1 tokens=30",
    "split=7",
    "split=4096 event_bytes=70000 events=3",
    "events=400",
    "pings=3",
    "thinking tokens=40",
    "stop=max_tokens",
    "missing_usage split=100",
    "event_delay=0.01 events=5",
)
named = pytest.mark.parametrize("speaker", STREAMS, ids=lambda speaker: speaker.name)


@pytest.fixture(scope="module")
def callers(gateway: Gateway, simulator: RunningSimulator) -> dict[str, Provisioned]:
    return {
        platform: gateway.provision(platform, simulator.url, upstream_keys=(key,), name="bytes")
        for platform, key in KEYS.items()
    }


def last_line(simulator: RunningSimulator, speaker: Speaker) -> dict[str, Any]:
    line: dict[str, Any] = simulator.settled_bill(key=KEYS[speaker.platform])["lines"][-1]
    return line


def billed(line: dict[str, Any]) -> dict[str, int]:
    """The bill's buckets, named as usage records name them."""
    usage = line["usage"]
    return {
        "input_tokens": usage["input"],
        "output_tokens": usage["output"],
        "cache_read_tokens": usage["cache_read"],
        "cache_creation_5m_tokens": usage["cache_write_5m"],
        "cache_creation_1h_tokens": usage["cache_write_1h"],
        "reasoning_tokens": usage["reasoning"],
    }


def recorded(gateway: Gateway, caller: Provisioned) -> dict[str, int]:
    record = gateway.usage(api_key_id=caller.key_id)[-1]
    return {
        name: record[name]
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_creation_5m_tokens",
            "cache_creation_1h_tokens",
            "reasoning_tokens",
        )
    }


@named
@pytest.mark.parametrize("shape", SHAPES)
def test_a_stream_arrives_as_it_was_sent(
    gateway: Gateway,
    simulator: RunningSimulator,
    callers: dict[str, Provisioned],
    speaker: Speaker,
    shape: str,
) -> None:
    caller = callers[speaker.platform]
    answer = speaker.ask(gateway, caller.key, f"hi [[sim: {shape}]]")
    line = last_line(simulator, speaker)
    assert (answer.status, len(answer.body), answer.sha256) == (200, line["bytes_sent"], line["sha256"])
    if "missing_usage" not in shape:
        assert recorded(gateway, caller) == billed(line)


@named
def test_a_stream_of_a_tool_call_arrives_as_it_was_sent(
    gateway: Gateway, simulator: RunningSimulator, callers: dict[str, Provisioned], speaker: Speaker
) -> None:
    answer = speaker.ask(gateway, callers[speaker.platform].key, "hi [[sim: tool=weather split=3]]")
    assert answer.sha256 == last_line(simulator, speaker)["sha256"]
    assert b"weather" in answer.body


@pytest.mark.parametrize("speaker", WHOLE, ids=lambda speaker: speaker.name)
@pytest.mark.parametrize("shape", ["tokens=20", "split=5", "event_bytes=1500000 split=8192"])
def test_a_json_answer_arrives_as_it_was_sent(
    gateway: Gateway,
    simulator: RunningSimulator,
    callers: dict[str, Provisioned],
    speaker: Speaker,
    shape: str,
) -> None:
    answer = speaker.ask(gateway, callers[speaker.platform].key, f"hi [[sim: {shape}]]")
    assert answer.sha256 == last_line(simulator, speaker)["sha256"]


@named
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_stream_for_a_client_that_takes_codings_is_intact_and_metered(
    gateway: Gateway,
    simulator: RunningSimulator,
    callers: dict[str, Provisioned],
    speaker: Speaker,
    coding: str,
) -> None:
    caller = callers[speaker.platform]
    text, offer = f"hi [[sim: encoding={coding}]]", {"accept-encoding": coding}
    answer = speaker.ask(gateway, caller.key, text, headers=offer)
    line = last_line(simulator, speaker)
    assert answer.sha256 == line["sha256"]
    assert recorded(gateway, caller) == billed(line)


@pytest.mark.parametrize("speaker", WHOLE, ids=lambda speaker: speaker.name)
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_answer_passes_compressed_and_is_metered(
    gateway: Gateway,
    simulator: RunningSimulator,
    callers: dict[str, Provisioned],
    speaker: Speaker,
    coding: str,
) -> None:
    caller = callers[speaker.platform]
    text, offer = f"hi [[sim: encoding={coding} split=11]]", {"accept-encoding": f"{coding}, identity"}
    answer = speaker.ask(gateway, caller.key, text, headers=offer)
    line = last_line(simulator, speaker)
    assert (answer.headers.get("content-encoding"), answer.sha256) == (coding, line["sha256"])
    if coding != "zstd":
        decode = {"gzip": gzip.decompress, "deflate": zlib.decompress, "br": brotli.decompress}[coding]
        assert isinstance(json.loads(decode(answer.body)), dict)
    assert recorded(gateway, caller) == billed(line)


@pytest.mark.parametrize("speaker", [*STREAMS, *WHOLE], ids=lambda speaker: speaker.name)
def test_under_a_model_mapping_only_the_name_of_the_model_differs(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    speaker: Speaker,
    upstream_key: str,
) -> None:
    secret = {"api_key": upstream_key, "base_url": simulator.url}
    credentials = {**secret, "model_mapping": {"house-model": speaker.model}}
    caller = provision(speaker.platform, account={"credentials": credentials})
    text, offer = "hi [[sim: encoding=gzip]]", {"accept-encoding": "gzip"}
    answer = speaker.ask(gateway, caller.key, text, model="house-model", headers=offer)
    (line,) = simulator.settled_bill(key=upstream_key)["lines"]
    assert line["asked_model"] == speaker.model
    assert b"house-model" in answer.body
    assert speaker.model.encode() not in answer.body
    original = answer.body.replace(b"house-model", speaker.model.encode())
    assert sha256(original).hexdigest() == line["sha256"]
    assert recorded(gateway, caller) == billed(line)


@pytest.mark.parametrize("shape", ["split=1 tokens=20", "events=50", "tool=weather", "thinking"])
def test_a_chat_stream_without_include_usage_misses_exactly_the_usage_chunk(
    gateway: Gateway, simulator: RunningSimulator, callers: dict[str, Provisioned], shape: str
) -> None:
    caller = callers["openai"]
    answer = CHAT_SSE_NO_USAGE.ask(gateway, caller.key, f"hi [[sim: {shape}]]")
    line = last_line(simulator, CHAT_SSE_NO_USAGE)
    *chunks, done, end = answer.body.split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    usage_chunk = {**json.loads(chunks[-1].removeprefix(b"data: ")), "choices": []}
    usage_chunk["usage"] = usage_of(line)
    taken_out = b"data: " + json.dumps(usage_chunk, separators=(",", ":")).encode()
    sent = b"\n\n".join([*chunks, taken_out, done, end])
    assert sha256(sent).hexdigest() == line["sha256"]
    assert recorded(gateway, caller) == billed(line)


def usage_of(line: dict[str, Any]) -> dict[str, Any]:
    """The usage object of OpenAI's last chunk, from the bill."""
    usage = line["usage"]
    prompt = usage["input"] + usage["cache_read"]
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage["output"],
        "total_tokens": prompt + usage["output"],
        "prompt_tokens_details": {"cached_tokens": usage["cache_read"], "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage["reasoning"],
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def test_a_chat_answer_in_one_piece_is_not_edited(
    gateway: Gateway, simulator: RunningSimulator, callers: dict[str, Provisioned]
) -> None:
    answer = CHAT.ask(gateway, callers["openai"].key)
    assert answer.json["usage"]["completion_tokens"] == last_line(simulator, CHAT)["usage"]["output"]
