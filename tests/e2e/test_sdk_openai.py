"""The official OpenAI SDK (present generation) through the gateway, answers under strict validation."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Provision
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

HI: list[Any] = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "strict": True, "parameters": SCHEMA}


def client_of(gateway: Gateway, key: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=20, _strict_response_validation=True
    )


@pytest.fixture
def client(gateway: Gateway, caller_openai: Provisioned) -> Iterator[openai.OpenAI]:
    with client_of(gateway, caller_openai.key) as made:
        yield made


def test_a_completion_and_its_stream_say_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-5", messages=HI)
    with client.chat.completions.create(model="gpt-5", messages=HI, stream=True) as stream:
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content != ""
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_comes_last_when_the_client_asks_for_it(client: openai.OpenAI) -> None:
    wish: Any = {"stream": True, "stream_options": {"include_usage": True}}
    with client.chat.completions.create(model="gpt-5", messages=HI, **wish) as stream:
        last = list(stream)[-1]
    assert last.choices == []
    assert last.usage.completion_tokens > 0


def test_the_stream_helper_of_the_sdk_works(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="gpt-5", messages=HI) as stream:
        stream.until_done()
        final = stream.get_final_completion()
    assert final.choices[0].message.content


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_chat_tool_is_called_and_its_result_answered(client: openai.OpenAI, *, is_stream: bool) -> None:
    def ask(messages: list[Any], **more: Any) -> Any:
        wish: dict[str, Any] = {"model": "gpt-5", "messages": messages, "tools": [CHAT_TOOL], **more}
        if not is_stream:
            return client.chat.completions.create(**wish).choices[0]
        with client.chat.completions.stream(**wish) as stream:
            return stream.get_final_completion().choices[0]

    called = ask(HI, tool_choice={"type": "function", "function": {"name": "weather"}})
    (call,) = called.message.tool_calls
    assert (called.finish_reason, call.function.name) == ("tool_calls", "weather")
    assert call.function.arguments == '{"city":"demo"}'
    said = called.message.model_dump(exclude_none=True, exclude={"parsed"}, warnings=False)
    answered = ask([*HI, said, {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}])
    assert (answered.finish_reason, bool(answered.message.content)) == ("stop", True)


def test_reasoning_is_counted(client: openai.OpenAI) -> None:
    usage = client.chat.completions.create(model="gpt-5", messages=HI, reasoning_effort="high").usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert 0 < (usage.completion_tokens_details.reasoning_tokens or 0) < usage.completion_tokens


def test_a_response_and_its_stream_say_the_same(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="gpt-5", input="hi")
    with client.responses.create(model="gpt-5", input="hi", stream=True) as events:
        seen = list(events)
    last = seen[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == whole.output_text != ""
    assert "".join(e.delta for e in seen if e.type == "response.output_text.delta") == whole.output_text


def test_a_response_reasons_and_calls_a_tool(client: openai.OpenAI) -> None:
    wish: Any = {
        "tools": [RESPONSES_TOOL],
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "tool_choice": {"type": "function", "name": "weather"},
    }
    with client.responses.stream(model="gpt-5", input="hi", **wish) as stream:
        stream.until_done()
        first = stream.get_final_response()
    reasoning, call = first.output[0], first.output[-1]
    assert reasoning.type == "reasoning"
    assert reasoning.encrypted_content
    assert call.type == "function_call"
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    second = client.responses.create(model="gpt-5", input=[result], previous_response_id=first.id)
    assert second.output_text


def test_a_stored_response_is_fetched_and_deleted(client: openai.OpenAI) -> None:
    made = client.responses.create(model="gpt-5", input="hi")
    assert client.responses.retrieve(made.id).output_text == made.output_text
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_counting_and_compacting_validate(client: openai.OpenAI) -> None:
    counted = client.responses.input_tokens.count(model="gpt-5", input="hello").input_tokens
    compacted = client.responses.compact(model="gpt-5", input="hello")
    assert compacted.usage.input_tokens == counted > 0


def test_embeddings_come_in_floats_and_base64(client: openai.OpenAI) -> None:
    # The SDK asks for base64, and decodes it only after its own validation for a list of floats.
    lenient = client.copy(_extra_kwargs={"_strict_response_validation": False})
    one = lenient.embeddings.create(model="text-embedding-3-small", input="hi", dimensions=8)
    assert len(one.data[0].embedding) == 8
    wish: Any = {"encoding_format": "float", "dimensions": 8}
    two = client.embeddings.create(model="text-embedding-3-small", input=["hi", "you"], **wish)
    assert two.data[0].embedding == pytest.approx(one.data[0].embedding, abs=1e-6)
    assert two.usage.total_tokens > 0


def test_an_image_is_generated(client: openai.OpenAI) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt="a lock")
    assert answer.data is not None
    assert answer.data[0].b64_json
    assert answer.usage is not None


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    assert "gpt-5" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-5").id == "gpt-5"


def test_a_wrong_key_is_an_authentication_error(gateway: Gateway) -> None:
    with client_of(gateway, "sk-nobody") as client:
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="gpt-5", messages=HI)
        with pytest.raises(openai.AuthenticationError):
            client.responses.create(model="gpt-5", input="hi")


def test_a_model_outside_the_mapping_is_not_found(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision
) -> None:
    mapping = {"model_mapping": {"gpt-known": "gpt-5"}, "api_key": "sim-mapped", "base_url": simulator.url}
    mapped = provision("openai", account={"credentials": mapping})
    with client_of(gateway, mapped.key) as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="gpt-unknown", messages=HI)
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="gpt-unknown", input="hi")
        assert client.responses.create(model="gpt-known", input="hi").model == "gpt-known"
        assert client.chat.completions.create(model="gpt-known", messages=HI).model == "gpt-known"


def test_a_request_that_the_provider_refuses_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gpt-5", messages=[])
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="gpt-5", input="hi", previous_response_id="resp_unknown")
    assert caught.value.code == "previous_response_not_found"


def test_a_rate_limit_reaches_the_client_with_its_retry_after(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("openai", upstream_keys=(upstream_key,))
    simulator.script(upstream_key, "status=429 retry_after=7")
    with client_of(gateway, caller.key) as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-5", messages=HI)
    assert caught.value.response.headers["retry-after"] == "7"


def test_an_error_inside_a_stream_is_raised_by_the_sdk(client: openai.OpenAI) -> None:
    broken: list[Any] = [{"role": "user", "content": "hi [[sim: error_after=5 events=20]]"}]
    with (
        pytest.raises(openai.APIError, match="server had an error"),
        client.chat.completions.create(model="gpt-5", messages=broken, stream=True) as chunks,
    ):
        list(chunks)


async def test_the_asynchronous_client_gets_the_same(gateway: Gateway, caller_openai: Provisioned) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1",
        api_key=caller_openai.key,
        max_retries=0,
        timeout=20,
        _strict_response_validation=True,
    ) as client:
        whole = await client.chat.completions.create(model="gpt-5", messages=HI)
        async with await client.chat.completions.create(model="gpt-5", messages=HI, stream=True) as stream:
            spoken = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        async with client.responses.stream(model="gpt-5", input="hi") as events:
            response = await events.get_final_response()
    assert spoken == whole.choices[0].message.content
    assert response.output_text


@pytest.mark.parametrize("is_stream", [False, True])
def test_our_own_rate_limit_is_a_rate_limit_error_with_its_headers(
    gateway: Gateway, provision: Provision, *, is_stream: bool
) -> None:
    caller = provision("openai", key={"rpm_limit": 2})
    with client_of(gateway, caller.key) as client:
        answered = client.chat.completions.with_raw_response.create(model="gpt-5", messages=HI)
        assert answered.headers["x-ratelimit-remaining-requests"] == "1"
        client.responses.create(model="gpt-5", input="hi")
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model="gpt-5", messages=HI, stream=is_stream)
    headers = caught.value.response.headers
    assert 20 <= int(headers["retry-after"]) <= 30
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert headers["x-ratelimit-reset-requests"] in {"60s", "1m0s", "59s", "58s"}
    assert caught.value.code == "rate_limit_exceeded"
