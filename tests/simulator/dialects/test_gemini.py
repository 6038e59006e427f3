"""The official Google SDK and raw HTTP against the Gemini dialect, on /v1beta and /v1."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from headgate.kit import json
from tests.simulator import raw
from tests.support.simulator import RunningSimulator


@pytest.fixture(params=["v1beta", "v1"])
def client(request: pytest.FixtureRequest, simulator: RunningSimulator, key: str) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=simulator.url, api_version=request.param)
    with genai.Client(api_key=key, http_options=options) as made:
        yield made


def test_an_answer_validates_and_is_billed_as_it_says(
    client: genai.Client, simulator: RunningSimulator, key: str
) -> None:
    usage = client.models.generate_content(model="gemini-2.5-flash", contents="hi").usage_metadata
    (line,) = simulator.bill(key=key)["lines"]
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count) == (
        line["usage"]["input"],
        line["usage"]["output"],
    )


def test_a_stream_adds_up_to_the_same_text_as_json(client: genai.Client) -> None:
    whole = client.models.generate_content(model="gemini-2.5-flash", contents="hi")
    chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert chunks[-1].usage_metadata == whole.usage_metadata


def test_thoughts_are_counted_beside_the_candidates(
    client: genai.Client, simulator: RunningSimulator, key: str
) -> None:
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    chunks = list(client.models.generate_content_stream(model="gemini-2.5-pro", contents="hi", config=config))
    usage = chunks[-1].usage_metadata
    (line,) = simulator.bill(key=key)["lines"]
    assert usage is not None
    assert usage.thoughts_token_count
    assert usage.thoughts_token_count == line["usage"]["reasoning"]
    assert (usage.candidates_token_count or 0) + usage.thoughts_token_count == line["usage"]["output"]


def test_a_function_is_called_in_mode_any(client: genai.Client) -> None:
    schema = types.Schema(type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)})
    function = types.FunctionDeclaration(name="weather", parameters=schema)
    mode = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=[function])],
        tool_config=types.ToolConfig(function_calling_config=mode),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="hi", config=config)
    assert answer.function_calls is not None
    assert (answer.function_calls[0].name, answer.function_calls[0].args) == ("weather", {"city": "demo"})


def test_an_image_model_draws_a_png(client: genai.Client, simulator: RunningSimulator, key: str) -> None:
    answer = client.models.generate_content(model="gemini-2.5-flash-image", contents="a lock")
    part: Any = answer.candidates[0].content.parts[-1]  # type: ignore[index, union-attr]
    assert part.inline_data.data.startswith(b"\x89PNG")
    assert simulator.bill(key=key)["lines"][0]["usage"]["images"] == 1


def test_counting_embedding_and_listing_validate(
    client: genai.Client, simulator: RunningSimulator, key: str
) -> None:
    assert client.models.count_tokens(model="gemini-2.5-flash", contents="hi").total_tokens == 4
    embedded = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    assert embedded.embeddings is not None
    assert len(embedded.embeddings) == 2
    assert "models/gemini-2.5-flash" in [model.name for model in client.models.list()]
    assert client.models.get(model="gemini-2.5-flash").name == "models/gemini-2.5-flash"
    assert [line["endpoint"] for line in simulator.bill(key=key)["lines"]] == ["batch_embed_contents"]


def test_a_rate_limit_carries_googles_retry_info(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-2.5-flash~status=429,retry_after=9", contents="hi")
    assert caught.value.code == 429
    assert caught.value.details["error"]["details"][0]["retryDelay"] == "9s"


def test_sse_has_data_lines_only_and_crlf(simulator: RunningSimulator, key: str) -> None:
    body = raw.gemini(simulator, key, "hi").body
    events = body.removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
    assert all(event.startswith(b"data: {") and b"\n" not in event for event in events)


def test_without_alt_sse_the_stream_is_one_json_array(simulator: RunningSimulator, key: str) -> None:
    answer = raw.gemini(simulator, key, "hi", action="streamGenerateContent")
    sse = raw.gemini(simulator, key, "hi")
    chunks = json.loads(answer.body)
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    assert len(chunks) == sse.body.count(b"data: ")
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"


def test_a_single_embedding_has_its_own_form(simulator: RunningSimulator, key: str) -> None:
    body = json.dumps({"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8})
    path = "/v1beta/models/gemini-embedding-001:embedContent"
    answer = raw.call(simulator, "POST", path, headers={"x-goog-api-key": key}, body=body)
    assert len(answer.json["embedding"]["values"]) == 8


def test_inline_images_are_valid_base64(simulator: RunningSimulator, key: str) -> None:
    answer = raw.gemini(simulator, key, "draw", action="generateContent", model="gemini-2.5-flash-image")
    data = answer.json["candidates"][0]["content"]["parts"][-1]["inlineData"]["data"]
    assert base64.b64decode(data, validate=True).endswith(b"IEND\xaeB`\x82")
