"""A stream that the gateway ends because the money is gone, as the official SDKs see it: an answer that
reached its output limit, with everything that came before."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.e2e.conftest import ROOM_FOR_MANY_TESTS
from tests.support.gateway import Gateway, running_gateway
from tests.support.simulator import RunningSimulator

LONG = "[[sim: tokens=4000 events=400 event_delay=0.002]]"
ASK: list[Any] = [{"role": "user", "content": LONG}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    small_steps = {"HEADGATE_LIMITS__FIRST_OUTPUT_SLICE_TOKENS": "300", **ROOM_FOR_MANY_TESTS}
    with running_gateway(tmp_path_factory.mktemp("gateway"), **small_steps) as running:
        yield running


def poor(gateway: Gateway, simulator: RunningSimulator, platform: str, name: str, balance: float) -> str:
    return gateway.provision(platform, simulator.url, balance=balance, name=name).key


def test_anthropic(gateway: Gateway, simulator: RunningSimulator) -> None:
    key = poor(gateway, simulator, "anthropic", "poor", 0.025)
    with (
        anthropic.Anthropic(
            base_url=gateway.url, api_key=key, max_retries=0, timeout=20, _strict_response_validation=True
        ) as client,
        client.messages.stream(model="claude-sonnet-4-6", max_tokens=8000, messages=ASK) as stream,
    ):
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.stop_reason == "max_tokens"
    assert len(text) > 1000
    assert final.usage.output_tokens > 200


def test_openai_chat(gateway: Gateway, simulator: RunningSimulator) -> None:
    key = poor(gateway, simulator, "openai", "poor-chat", 0.015)
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=20, _strict_response_validation=True
    ) as client:
        wish: Any = {"stream": True, "stream_options": {"include_usage": True}, "max_completion_tokens": 8000}
        chunks = list(client.chat.completions.create(model="gpt-5", messages=ASK, **wish))
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 200


def test_openai_responses(gateway: Gateway, simulator: RunningSimulator) -> None:
    key = poor(gateway, simulator, "openai", "poor-responses", 0.015)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=20) as client:
        wish: Any = {"stream": True, "max_output_tokens": 8000}
        events = list(client.responses.create(model="gpt-5", input=LONG, **wish))
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.sequence_number == events[-2].sequence_number + 1
    assert len("".join(e.delta for e in events if e.type == "response.output_text.delta")) > 1000


def test_gemini(gateway: Gateway, simulator: RunningSimulator) -> None:
    key = poor(gateway, simulator, "gemini", "poor", 0.015)
    options = types.HttpOptions(base_url=gateway.url, api_version="v1beta", timeout=20_000)
    with genai.Client(api_key=key, http_options=options) as client:
        config = types.GenerateContentConfig(max_output_tokens=8000)
        chunks = list(
            client.models.generate_content_stream(model="gemini-2.5-pro", contents=LONG, config=config)
        )
    assert chunks[-1].candidates is not None
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.MAX_TOKENS
    assert len("".join(chunk.text or "" for chunk in chunks)) > 1000
