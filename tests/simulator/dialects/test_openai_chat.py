"""The official OpenAI SDK accepts every chat, embedding, image and model answer under strict validation."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.simulator import raw
from tests.support.simulator import RunningSimulator

HI: list[Any] = [{"role": "user", "content": "hi"}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture
def client(simulator: RunningSimulator, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{simulator.url}/v1", api_key=key, max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def test_a_completion_validates_and_is_billed_as_it_says(
    client: openai.OpenAI, simulator: RunningSimulator, key: str
) -> None:
    usage = client.chat.completions.create(model="gpt-4o", messages=HI).usage
    (line,) = simulator.bill(key=key)["lines"]
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (line["usage"]["input"], line["usage"]["output"])


def test_a_stream_adds_up_to_the_same_text_as_json(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HI)
    with client.chat.completions.create(model="gpt-4o", messages=HI, stream=True) as chunks:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content


@pytest.mark.parametrize("wanted", [False, True])
def test_the_usage_chunk_comes_only_when_asked_for(
    simulator: RunningSimulator, key: str, *, wanted: bool
) -> None:
    more = {"stream_options": {"include_usage": True}} if wanted else {}
    body = raw.chat(simulator, key, "hi", **more).body
    assert body.endswith(b"data: [DONE]\n\n")
    assert (b'"prompt_tokens"' in body) is wanted


def test_reasoning_is_counted_inside_the_completion(
    client: openai.OpenAI, simulator: RunningSimulator, key: str
) -> None:
    usage = client.chat.completions.create(model="gpt-5", messages=HI, reasoning_effort="high").usage
    (line,) = simulator.bill(key=key)["lines"]
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == line["usage"]["reasoning"] > 0
    assert usage.completion_tokens == line["usage"]["output"] > line["usage"]["reasoning"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_required_tool_is_called(client: openai.OpenAI, *, stream: bool) -> None:
    wish: Any = {"model": "gpt-4o", "messages": HI, "tools": [TOOL], "tool_choice": "required"}
    if stream:
        with client.chat.completions.create(**wish, stream=True) as chunks:
            calls = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or []]
        arguments = "".join(call.function.arguments or "" for call in calls)
        name = calls[0].function.name
    else:
        choice = client.chat.completions.create(**wish).choices[0]
        assert choice.finish_reason == "tool_calls"
        function = choice.message.tool_calls[0].function
        arguments, name = function.arguments, function.name
    assert (name, arguments) == ("weather", '{"city":"demo"}')


def test_a_repeated_prefix_is_cached_inside_the_prompt(
    client: openai.OpenAI, simulator: RunningSimulator, key: str
) -> None:
    prompt: list[Any] = [{"role": "system", "content": "s" * 800}, *HI]
    usages = [client.chat.completions.create(model="gpt-4o", messages=prompt).usage for _ in range(2)]
    first, second = usages
    lines = simulator.bill(key=key)["lines"]
    assert first is not None
    assert second is not None
    assert second.prompt_tokens_details is not None
    assert second.prompt_tokens == first.prompt_tokens
    assert second.prompt_tokens_details.cached_tokens == lines[1]["usage"]["cache_read"] >= 200
    assert lines[1]["usage"]["input"] + lines[1]["usage"]["cache_read"] == second.prompt_tokens


def test_embeddings_are_deterministic_and_billed(
    client: openai.OpenAI, simulator: RunningSimulator, key: str
) -> None:
    answers = [
        client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], encoding_format="float")
        for _ in range(2)
    ]
    assert answers[0].data[0].embedding == answers[1].data[0].embedding != answers[0].data[1].embedding
    assert simulator.bill(key=key)["totals"][key]["input"] == 2 * answers[0].usage.prompt_tokens


def test_the_sdks_default_base64_embeddings_decode(simulator: RunningSimulator, key: str) -> None:
    with openai.OpenAI(base_url=f"{simulator.url}/v1", api_key=key, max_retries=0) as lenient:
        answer = lenient.embeddings.create(model="text-embedding-3-small", input="a", dimensions=16)
    assert len(answer.data[0].embedding) == 16


def test_pictures_are_png_and_counted(client: openai.OpenAI, simulator: RunningSimulator, key: str) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt="a lock", n=2)
    assert answer.data is not None
    assert [str(image.b64_json)[:5] for image in answer.data] == ["iVBOR", "iVBOR"]
    assert simulator.bill(key=key)["lines"][0]["usage"]["images"] == 2


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert client.models.retrieve(names[0]).id == names[0]


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=HI)


def test_an_in_band_error_reaches_the_sdk(client: openai.OpenAI) -> None:
    with (
        pytest.raises(openai.APIError, match="error while processing"),
        client.chat.completions.create(model="gpt-4o~error_after=2", messages=HI, stream=True) as chunks,
    ):
        list(chunks)
