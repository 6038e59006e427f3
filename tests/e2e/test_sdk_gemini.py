"""The official Google SDK (present generation) through the gateway, on /v1beta and on /v1."""

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from tests.e2e.conftest import Provision
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

MODEL = "gemini-2.5-flash"


def client_of(gateway: Gateway, key: str, version: str = "v1beta") -> genai.Client:
    return genai.Client(
        api_key=key, http_options=types.HttpOptions(base_url=gateway.url, api_version=version, timeout=20_000)
    )


@pytest.fixture(params=["v1beta", "v1"])
def client(
    request: pytest.FixtureRequest, gateway: Gateway, caller_gemini: Provisioned
) -> Iterator[genai.Client]:
    with client_of(gateway, caller_gemini.key, request.param) as made:
        yield made


def test_an_answer_and_its_stream_say_the_same(client: genai.Client) -> None:
    whole = client.models.generate_content(model=MODEL, contents="hi")
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="hi"))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text != ""
    assert chunks[-1].usage_metadata == whole.usage_metadata is not None


def test_a_function_is_called_and_its_result_answered(client: genai.Client) -> None:
    schema = types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)})
    tools: Any = [
        types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters=schema)])
    ]
    forced = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    manual = types.AutomaticFunctionCallingConfig(disable=True)
    called = client.models.generate_content(
        model=MODEL,
        contents="hi",
        config=types.GenerateContentConfig(
            tools=tools,
            tool_config=types.ToolConfig(function_calling_config=forced),
            automatic_function_calling=manual,
        ),
    )
    assert called.function_calls is not None
    assert (called.function_calls[0].name, called.function_calls[0].args) == ("weather", {"city": "demo"})
    said = called.candidates[0].content  # type: ignore[index]
    result = types.Part.from_function_response(name="weather", response={"result": "21 degrees"})
    contents: Any = [types.UserContent("hi"), said, types.UserContent([result])]
    config = types.GenerateContentConfig(tools=tools, automatic_function_calling=manual)
    assert client.models.generate_content(model=MODEL, contents=contents, config=config).text


def test_automatic_function_calling_completes_its_round(client: genai.Client) -> None:
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "21 degrees"

    config = types.GenerateContentConfig(tools=[weather])
    answer = client.models.generate_content(model=MODEL, contents="hi [[sim: tool=weather]]", config=config)
    assert asked == ["demo"]
    assert answer.text


def test_thoughts_arrive_and_are_counted(client: genai.Client) -> None:
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    chunks = list(client.models.generate_content_stream(model="gemini-2.5-pro", contents="hi", config=config))
    usage = chunks[-1].usage_metadata
    assert usage is not None
    assert (usage.thoughts_token_count or 0) > 0
    parts = [part for chunk in chunks for part in (chunk.candidates[0].content.parts or [])]  # type: ignore[index,union-attr]
    assert any(part.thought and part.text for part in parts)


def test_a_chat_remembers(client: genai.Client) -> None:
    chat = client.chats.create(model=MODEL)
    assert chat.send_message("hi").text
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("again"))
    assert [content.role for content in chat.get_history(curated=True)][:3] == ["user", "model", "user"]


def test_a_picture_is_drawn(client: genai.Client) -> None:
    answer = client.models.generate_content(model="gemini-2.5-flash-image", contents="a lock")
    part: Any = answer.candidates[0].content.parts[-1]  # type: ignore[index,union-attr]
    assert part.inline_data.data.startswith(b"\x89PNG")


def test_counting_embedding_and_listing_validate(client: genai.Client) -> None:
    assert client.models.count_tokens(model=MODEL, contents="hi").total_tokens
    embedded = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    assert embedded.embeddings is not None
    assert len(embedded.embeddings) == 2
    assert f"models/{MODEL}" in [model.name for model in client.models.list()]
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"


@pytest.mark.parametrize("version", ["v1beta", "v1"])
def test_a_wrong_key_is_refused_in_googles_words(gateway: Gateway, version: str) -> None:
    with client_of(gateway, "sk-nobody", version) as client, pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=MODEL, contents="hi")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")


def test_a_model_outside_the_mapping_is_not_found(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision
) -> None:
    mapping = {"model_mapping": {"gemini-known": MODEL}, "api_key": "sim-mapped", "base_url": simulator.url}
    mapped = provision("gemini", account={"credentials": mapping})
    with client_of(gateway, mapped.key) as client:
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model="gemini-unknown", contents="hi")
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
        assert client.models.generate_content(model="gemini-known", contents="hi").text


def test_a_request_that_the_provider_refuses_is_a_bad_request(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=MODEL, contents="hi [[sim: status=400]]")
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


def test_a_rate_limit_reaches_the_client_with_its_delay(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("gemini", upstream_keys=(upstream_key,))
    simulator.script(upstream_key, "status=429 retry_after=7")
    with client_of(gateway, caller.key) as client, pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model=MODEL, contents="hi")
    assert caught.value.code == 429
    assert caught.value.status == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize("version", ["v1beta", "v1"])
async def test_the_asynchronous_client_gets_the_same(
    gateway: Gateway, caller_gemini: Provisioned, version: str
) -> None:
    async with client_of(gateway, caller_gemini.key, version).aio as client:
        whole = await client.models.generate_content(model=MODEL, contents="hi")
        stream = await client.models.generate_content_stream(model=MODEL, contents="hi")
        spoken = "".join([chunk.text or "" async for chunk in stream])
    assert spoken == whole.text != ""


def test_our_own_rate_limit_says_how_long_to_wait(gateway: Gateway, provision: Provision) -> None:
    caller = provision("gemini", key={"rpm_limit": 1})
    with client_of(gateway, caller.key) as client:
        assert client.models.generate_content(model=MODEL, contents="hi").text
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model=MODEL, contents="hi")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    details: Any = caught.value.details
    (delay,) = [each["retryDelay"] for each in details["error"]["details"] if "retryDelay" in each]
    assert 50 <= int(delay.removesuffix("s")) <= 60
