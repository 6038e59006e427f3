"""The official OpenAI SDK accepts every Responses answer under strict validation."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from headgate.kit import json
from tests.simulator import raw
from tests.support.simulator import RunningSimulator

REASONING: Any = {"effort": "high", "summary": "auto"}
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def client(simulator: RunningSimulator, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{simulator.url}/v1", api_key=key, max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def test_a_response_validates_and_is_billed_as_it_says(
    client: openai.OpenAI, simulator: RunningSimulator, key: str
) -> None:
    usage = client.responses.create(model="gpt-5", input="hi", reasoning=REASONING).usage
    (line,) = simulator.bill(key=key)["lines"]
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (line["usage"]["input"], line["usage"]["output"])
    assert usage.output_tokens_details.reasoning_tokens == line["usage"]["reasoning"] > 0


def test_reasoning_carries_encrypted_content_when_included(client: openai.OpenAI) -> None:
    answer = client.responses.create(
        model="gpt-5", input="hi", reasoning=REASONING, include=["reasoning.encrypted_content"]
    )
    item = answer.output[0]
    assert item.type == "reasoning"
    assert item.encrypted_content
    assert item.summary[0].text


def test_a_stream_ends_with_the_finished_response(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="gpt-5", input="hi")
    with client.responses.create(model="gpt-5", input="hi", stream=True) as events:
        seen = list(events)
    last = seen[-1]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert last.type == "response.completed"
    assert last.response.output_text == whole.output_text
    assert "".join(e.delta for e in seen if e.type == "response.output_text.delta") == whole.output_text


def test_every_event_of_a_stream_is_one_of_the_sdks_event_types(
    simulator: RunningSimulator, key: str
) -> None:
    body = {
        "model": "gpt-5",
        "input": "hi [[sim: tool=1]]",
        "stream": True,
        "tools": [TOOL],
        "reasoning": REASONING,
    }
    answer = raw.call(
        simulator,
        "POST",
        "/v1/responses",
        headers={"authorization": f"Bearer {key}"},
        body=json.dumps(body),
    )
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    kinds = []
    for event in answer.body.decode().strip().split("\n\n"):
        name, data = event.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        adapter.validate_python(value)
        kinds.append(value["type"])
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert "response.reasoning_summary_text.delta" in kinds
    assert "response.function_call_arguments.done" in kinds


def test_an_output_limit_makes_the_response_incomplete(client: openai.OpenAI) -> None:
    with client.responses.create(model="gpt-5", input="hi", max_output_tokens=16, stream=True) as events:
        last = list(events)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details is not None
    assert last.response.incomplete_details.reason == "max_output_tokens"


def test_a_stored_response_is_fetched_continued_and_deleted(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-5", input="x" * 400)
    assert client.responses.retrieve(first.id).output_text == first.output_text
    second = client.responses.create(model="gpt-5", input="hi", previous_response_id=first.id)
    assert second.usage is not None
    assert second.usage.input_tokens_details.cached_tokens == 100
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_a_response_of_another_key_is_not_found(client: openai.OpenAI, simulator: RunningSimulator) -> None:
    made = client.responses.create(model="gpt-5", input="hi")
    other = raw.call(
        simulator, "GET", f"/v1/responses/{made.id}", headers={"authorization": "Bearer sim-somebody-else"}
    )
    assert other.status == 404


def test_nothing_is_stored_when_the_client_says_so(client: openai.OpenAI) -> None:
    made = client.responses.create(model="gpt-5", input="hi", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_counting_and_compaction_validate(
    client: openai.OpenAI, simulator: RunningSimulator, key: str
) -> None:
    counted = client.responses.input_tokens.count(model="gpt-5", input="hello").input_tokens
    compacted = client.responses.compact(model="gpt-5", input="hello")
    assert compacted.usage.input_tokens == counted
    assert [line["endpoint"] for line in simulator.bill(key=key)["lines"]] == ["responses_compact"]


def test_a_websocket_upgrade_is_answered_426(simulator: RunningSimulator, key: str) -> None:
    headers = {
        "authorization": f"Bearer {key}",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
    }
    assert raw.call(simulator, "GET", "/v1/responses", headers=headers).status == 426
