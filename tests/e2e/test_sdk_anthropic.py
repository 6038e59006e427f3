"""The official Anthropic SDK (present generation) through the gateway, answers under strict validation."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.e2e.conftest import Provision
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

MODEL = "claude-sonnet-4-6"
HI: list[Any] = [{"role": "user", "content": "hi"}]
WEATHER: Any = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def client_of(gateway: Gateway, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=gateway.url, api_key=key, max_retries=0, timeout=20, _strict_response_validation=True
    )


@pytest.fixture
def client(gateway: Gateway, caller_anthropic: Provisioned) -> Iterator[anthropic.Anthropic]:
    with client_of(gateway, caller_anthropic.key) as made:
        yield made


def test_a_message_and_its_stream_say_the_same(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model=MODEL, max_tokens=500, messages=HI)
    with client.messages.stream(model=MODEL, max_tokens=500, messages=HI) as stream:
        spoken = "".join(stream.text_stream)
        streamed = stream.get_final_message()
    assert spoken == streamed.content[0].text == whole.content[0].text != ""  # type: ignore[union-attr]
    assert streamed.usage.output_tokens == whole.usage.output_tokens > 0
    assert streamed.stop_reason == whole.stop_reason == "end_turn"


def test_a_raw_event_stream_ends_with_its_stop_event(client: anthropic.Anthropic) -> None:
    with client.messages.create(model=MODEL, max_tokens=500, messages=HI, stream=True) as events:
        kinds = [event.type for event in events]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_tool_is_called_and_its_result_answered(client: anthropic.Anthropic, *, is_stream: bool) -> None:
    def ask(messages: list[Any], **more: Any) -> Any:
        wish: dict[str, Any] = {"model": MODEL, "max_tokens": 500, "messages": messages, "tools": [WEATHER]}
        if not is_stream:
            return client.messages.create(**wish, **more)
        with client.messages.stream(**wish, **more) as stream:
            return stream.get_final_message()

    called = ask(HI, tool_choice={"type": "tool", "name": "weather"})
    use = called.content[-1]
    assert (called.stop_reason, use.type, use.input) == ("tool_use", "tool_use", {"city": "demo"})
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "21 degrees"}
    said = [{"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    answered = ask([*HI, *said])
    assert (answered.stop_reason, answered.content[0].type) == ("end_turn", "text")


def test_thinking_arrives_with_its_signature(client: anthropic.Anthropic) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    with client.messages.stream(model=MODEL, max_tokens=2000, thinking=thinking, messages=HI) as stream:
        message = stream.get_final_message()
    block = message.content[0]
    assert block.type == "thinking"
    assert block.signature
    assert block.thinking


def test_cache_tokens_are_reported(client: anthropic.Anthropic) -> None:
    system: Any = [{"type": "text", "text": "sdk" * 400, "cache_control": {"type": "ephemeral"}}]
    first, second = (
        client.messages.create(model=MODEL, max_tokens=5, system=system, messages=HI).usage for _ in range(2)
    )
    assert first.cache_creation_input_tokens == second.cache_read_input_tokens == 300


def test_tokens_are_counted_as_they_are_billed(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model=MODEL, messages=HI).input_tokens
    assert client.messages.create(model=MODEL, max_tokens=5, messages=HI).usage.input_tokens == counted


def test_beta_calls_are_served(client: anthropic.Anthropic) -> None:
    beta: list[Any] = ["context-1m-2025-08-07"]
    message = client.beta.messages.create(model=MODEL, max_tokens=50, messages=HI, betas=beta)
    assert message.content[0].type == "text"
    assert client.beta.messages.count_tokens(model=MODEL, messages=HI, betas=beta).input_tokens > 0


def test_models_are_listed_and_found(client: anthropic.Anthropic) -> None:
    listed = [model.id for model in client.models.list(limit=100)]
    assert MODEL in listed
    assert client.models.retrieve(MODEL).id == MODEL


def test_an_auth_token_is_as_good_as_a_key(gateway: Gateway, caller_anthropic: Provisioned) -> None:
    with anthropic.Anthropic(
        base_url=gateway.url, auth_token=caller_anthropic.key, max_retries=0, timeout=20
    ) as client:
        assert client.messages.create(model=MODEL, max_tokens=50, messages=HI).content


def test_a_wrong_key_is_an_authentication_error(gateway: Gateway) -> None:
    with client_of(gateway, "sk-nobody") as client, pytest.raises(anthropic.AuthenticationError) as caught:
        client.messages.create(model=MODEL, max_tokens=5, messages=HI)
    assert caught.value.body["error"]["type"] == "authentication_error"  # type: ignore[index]


def test_a_model_outside_the_mapping_is_not_found(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision
) -> None:
    mapping = {"model_mapping": {"claude-known": MODEL}, "api_key": "sim-mapped", "base_url": simulator.url}
    mapped = provision("anthropic", account={"credentials": mapping})
    with client_of(gateway, mapped.key) as client:
        with pytest.raises(anthropic.NotFoundError):
            client.messages.create(model="claude-unknown", max_tokens=5, messages=HI)
        with pytest.raises(anthropic.NotFoundError):
            client.models.retrieve("claude-unknown")
        served = client.messages.create(model="claude-known", max_tokens=5, messages=HI)
        assert served.model == "claude-known"
        assert [model.id for model in client.models.list()] == ["claude-known"]


def test_a_request_that_the_provider_refuses_is_a_bad_request(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(model=MODEL, max_tokens=5, messages=[])


def test_a_model_that_the_provider_does_not_know_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="no-such-model", max_tokens=5, messages=HI)


def test_a_rate_limit_reaches_the_client_with_its_retry_after(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,))
    simulator.script(upstream_key, "status=429 retry_after=7")
    with client_of(gateway, caller.key) as client, pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(model=MODEL, max_tokens=5, messages=HI)
    assert caught.value.response.headers["retry-after"] == "7"


def test_an_error_inside_a_stream_is_raised_by_the_sdk(client: anthropic.Anthropic) -> None:
    broken: list[Any] = [{"role": "user", "content": "hi [[sim: error_after=5 events=20]]"}]
    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        client.messages.create(model=MODEL, max_tokens=500, messages=broken, stream=True) as events,
    ):
        list(events)
    assert caught.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]


async def test_the_asynchronous_client_gets_the_same(gateway: Gateway, caller_anthropic: Provisioned) -> None:
    async with anthropic.AsyncAnthropic(
        base_url=gateway.url,
        api_key=caller_anthropic.key,
        max_retries=0,
        timeout=20,
        _strict_response_validation=True,
    ) as client:
        whole = await client.messages.create(model=MODEL, max_tokens=500, messages=HI)
        async with client.messages.stream(model=MODEL, max_tokens=500, messages=HI) as stream:
            streamed = await stream.get_final_message()
        listed = [model.id async for model in client.models.list()]
    assert streamed.content[0].text == whole.content[0].text  # type: ignore[union-attr]
    assert MODEL in listed


@pytest.mark.parametrize("is_stream", [False, True])
def test_our_own_rate_limit_is_a_rate_limit_error_with_its_headers(
    gateway: Gateway, provision: Provision, *, is_stream: bool
) -> None:
    caller = provision("anthropic", key={"rpm_limit": 1})
    with client_of(gateway, caller.key) as client:
        answered = client.messages.with_raw_response.create(model=MODEL, max_tokens=5, messages=HI)
        assert answered.headers["anthropic-ratelimit-requests-remaining"] == "0"
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.messages.create(model=MODEL, max_tokens=5, messages=HI, stream=is_stream)
    headers = caught.value.response.headers
    assert 50 <= int(headers["retry-after"]) <= 60
    assert headers["anthropic-ratelimit-requests-limit"] == "1"
    assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert "Rate limit of this API key: 1 request a minute" in str(caught.value)
