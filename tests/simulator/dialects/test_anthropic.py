"""The official Anthropic SDK accepts every answer under strict validation."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from headgate.kit import json
from tests.simulator import raw
from tests.support.simulator import RunningSimulator

WEATHER = {
    "name": "weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
HI: list[Any] = [{"role": "user", "content": "hi"}]


@pytest.fixture
def client(simulator: RunningSimulator, key: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=simulator.url, api_key=key, max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def test_a_message_validates_and_is_billed_as_it_says(
    client: anthropic.Anthropic, simulator: RunningSimulator, key: str
) -> None:
    message = client.messages.create(model="claude-sonnet-4-6", max_tokens=500, messages=HI)
    (line,) = simulator.bill(key=key)["lines"]
    assert message.content[0].type == "text"
    assert (line["usage"]["input"], line["usage"]["output"]) == (
        message.usage.input_tokens,
        message.usage.output_tokens,
    )


def test_a_stream_adds_up_to_the_same_message_as_json(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model="claude-sonnet-4-6", max_tokens=500, messages=HI)
    with client.messages.stream(model="claude-sonnet-4-6", max_tokens=500, messages=HI) as stream:
        streamed = stream.get_final_message()
    assert streamed.content[0].text == whole.content[0].text  # type: ignore[union-attr]
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_thinking_comes_with_a_signature_and_its_own_count(client: anthropic.Anthropic) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    with client.messages.stream(
        model="claude-sonnet-4-6", max_tokens=2000, thinking=thinking, messages=HI
    ) as stream:
        message = stream.get_final_message()
    block = message.content[0]
    assert block.type == "thinking"
    assert block.signature
    assert message.usage.output_tokens_details is not None
    assert 0 < message.usage.output_tokens_details.thinking_tokens < message.usage.output_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_a_forced_tool_is_called_with_arguments_of_its_schema(
    client: anthropic.Anthropic, *, stream: bool
) -> None:
    wish: Any = {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "weather"}}
    if stream:
        with client.messages.stream(model="claude-sonnet-4-6", max_tokens=500, messages=HI, **wish) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(model="claude-sonnet-4-6", max_tokens=500, messages=HI, **wish)
    block = message.content[0]
    assert message.stop_reason == "tool_use"
    assert block.type == "tool_use"
    assert block.input == {"city": "demo"}


def test_an_output_limit_ends_with_max_tokens(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model="claude-sonnet-4-6", max_tokens=5, messages=HI)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)


def test_counting_agrees_with_the_bill_and_costs_nothing(
    client: anthropic.Anthropic, simulator: RunningSimulator, key: str
) -> None:
    counted = client.messages.count_tokens(model="claude-sonnet-4-6", messages=HI).input_tokens
    assert simulator.bill(key=key)["lines"] == []
    client.messages.create(model="claude-sonnet-4-6", max_tokens=5, messages=HI)
    assert simulator.bill(key=key)["lines"][0]["usage"]["input"] == counted


def test_a_marked_prefix_is_written_once_and_read_afterwards(client: anthropic.Anthropic) -> None:
    system: Any = [
        {"type": "text", "text": "a" * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "b" * 200, "cache_control": {"type": "ephemeral"}},
    ]
    usages = [
        client.messages.create(model="claude-sonnet-4-6", max_tokens=5, system=system, messages=HI).usage
        for _ in range(2)
    ]
    first, second = usages
    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens == 100
    assert first.cache_creation.ephemeral_5m_input_tokens == 50
    assert first.cache_read_input_tokens == 0
    assert (second.cache_read_input_tokens, second.cache_creation_input_tokens) == (150, 0)
    assert first.input_tokens == second.input_tokens


def test_models_are_listed_and_found(client: anthropic.Anthropic) -> None:
    listed = [model.id for model in client.models.list(limit=2)]
    assert "claude-sonnet-4-6" in listed
    assert client.models.retrieve(listed[0]).id == listed[0]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("status=400", anthropic.BadRequestError),
        ("status=401", anthropic.AuthenticationError),
        ("status=403", anthropic.PermissionDeniedError),
        ("status=404", anthropic.NotFoundError),
        ("status=429", anthropic.RateLimitError),
        ("status=529", anthropic.InternalServerError),
    ],
)
def test_scripted_statuses_become_the_sdks_errors(
    client: anthropic.Anthropic, script: str, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as caught:
        client.messages.create(model=f"claude-sonnet-4-6~{script}", max_tokens=5, messages=HI)
    assert caught.value.request_id


def test_every_event_of_a_stream_is_one_of_the_sdks_event_types(
    simulator: RunningSimulator, key: str
) -> None:
    answer = raw.messages(simulator, key, "hi", thinking={"type": "adaptive"})
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    names = []
    for event in answer.body.decode().strip().split("\n\n"):
        name, data = event.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        names.append(value["type"])
        if value["type"] != "ping":
            adapter.validate_python(value)
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_rate_limit_headers_name_both_families_of_windows(simulator: RunningSimulator, key: str) -> None:
    headers = raw.messages(simulator, key, "hi").headers
    assert headers["anthropic-ratelimit-unified-5h-status"] == "allowed"
    assert int(headers["anthropic-ratelimit-requests-remaining"]) > 0
    assert headers["request-id"].startswith("req_")


@pytest.mark.parametrize("script", ["status=529", "status=429 retry_after=-1"])
def test_a_refusal_without_reset_has_no_retry_after(
    simulator: RunningSimulator, key: str, script: str
) -> None:
    assert "retry-after" not in raw.messages(simulator, key, f"hi [[sim: {script}]]").headers


def test_a_rate_limit_names_its_chosen_reset(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: status=429 retry_after=7]]")
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["anthropic-ratelimit-unified-status"] == "rejected"
    assert answer.json["error"]["type"] == "rate_limit_error"
