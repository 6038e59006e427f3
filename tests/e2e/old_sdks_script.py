"""Drives a gateway with the SDKs of the generation before; run by the interpreter of `.venv-old-sdks`.

Stands alone. Reads `{"root", "keys", "mapped", "limited"}` as JSON from standard input (the last three: a
key per platform), and writes one JSON line per case: `{"case", "ok", "seen"}`; `seen` is what the SDK showed,
or its exception.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import errors as google_errors
from google.genai import types

HI: list[Any] = [{"role": "user", "content": "hi"}]
CLAUDE, GPT, GEMINI = "claude-sonnet-4-6", "gpt-5", "gemini-2.5-flash"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLAUDE_TOOL: Any = {"name": "weather", "input_schema": SCHEMA}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
RESPONSES_TOOL: Any = {"type": "function", "name": "weather", "strict": True, "parameters": SCHEMA}
Case = Callable[[dict[str, Any]], Any]
CASES: dict[str, Case] = {}
STRICT: Any = {"max_retries": 0, "timeout": 20, "_strict_response_validation": True}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def claude(given: dict[str, Any], key: str | None = None) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=given["root"], api_key=key or given["keys"]["anthropic"], **STRICT)


def gpt(given: dict[str, Any], key: str | None = None) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{given['root']}/v1", api_key=key or given["keys"]["openai"], **STRICT)


def google(given: dict[str, Any], version: str, key: str | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=given["root"], api_version=version, timeout=20_000)
    return genai.Client(api_key=key or given["keys"]["gemini"], http_options=options)


def refused(act: Callable[[], Any], *kinds: type[Exception]) -> str:
    """The name of the SDK's own exception."""
    try:
        act()
    except kinds as error:
        return type(error).__name__
    return "no error"


@case
def generations(given: dict[str, Any]) -> Any:
    return [module.__version__.split(".")[0] for module in (anthropic, openai, genai)]


@case
def anthropic_json_and_stream(given: dict[str, Any]) -> Any:
    client = claude(given)
    whole = client.messages.create(model=CLAUDE, max_tokens=500, messages=HI)
    with client.messages.stream(model=CLAUDE, max_tokens=500, messages=HI) as stream:
        final = stream.get_final_message()
    same = [b.text for b in whole.content if b.type == "text"] == [
        b.text for b in final.content if b.type == "text"
    ]
    return {"same": same, "stop": final.stop_reason, "output": final.usage.output_tokens > 0}


@case
def anthropic_tool_round(given: dict[str, Any]) -> Any:
    client = claude(given)
    wish: Any = {"model": CLAUDE, "max_tokens": 500, "tools": [CLAUDE_TOOL]}
    called = client.messages.create(messages=HI, tool_choice={"type": "tool", "name": "weather"}, **wish)
    use: Any = called.content[-1]
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "21 degrees"}
    said: list[Any] = [
        {"role": "assistant", "content": called.content},
        {"role": "user", "content": [result]},
    ]
    with client.messages.stream(messages=[*HI, *said], **wish) as stream:
        answered = stream.get_final_message()
    return {"input": use.input, "stops": [called.stop_reason, answered.stop_reason]}


@case
def anthropic_thinking(given: dict[str, Any]) -> Any:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    with claude(given).messages.stream(
        model=CLAUDE, max_tokens=2000, thinking=thinking, messages=HI
    ) as stream:
        return {"kinds": [block.type for block in stream.get_final_message().content]}


@case
def anthropic_count_and_models(given: dict[str, Any]) -> Any:
    client = claude(given)
    counted = client.messages.count_tokens(model=CLAUDE, messages=HI).input_tokens
    beta = client.beta.messages.create(
        model=CLAUDE, max_tokens=5, messages=HI, betas=["context-1m-2025-08-07"]
    )
    return {
        "counted": counted == beta.usage.input_tokens,
        "listed": CLAUDE in [model.id for model in client.models.list(limit=100)],
        "found": client.models.retrieve(CLAUDE).id,
    }


@case
def anthropic_errors(given: dict[str, Any]) -> Any:
    def ask(key: str | None = None, model: str = CLAUDE, messages: list[Any] = HI) -> Callable[[], Any]:
        return lambda: claude(given, key).messages.create(model=model, max_tokens=5, messages=messages)

    kind = anthropic.APIStatusError
    return [
        refused(ask("sk-nobody"), kind),
        refused(ask(given["mapped"]["anthropic"], "claude-unknown"), kind),
        refused(ask(messages=[]), kind),
        refused(ask(given["limited"]["anthropic"]), kind),
    ]


@case
def openai_chat_json_and_stream(given: dict[str, Any]) -> Any:
    client = gpt(given)
    whole = client.chat.completions.create(model=GPT, messages=HI)
    chunks = list(client.chat.completions.create(model=GPT, messages=HI, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    with_usage = list(client.chat.completions.create(model=GPT, messages=HI, **options))
    return {
        "same": text == whole.choices[0].message.content != "",
        "usage": [any(chunk.usage for chunk in chunks), bool(with_usage[-1].usage)],
    }


@case
def openai_chat_tool_round(given: dict[str, Any]) -> Any:
    client = gpt(given)
    wish: Any = {"model": GPT, "tools": [CHAT_TOOL]}
    forced: Any = {"type": "function", "function": {"name": "weather"}}
    called = client.chat.completions.create(messages=HI, tool_choice=forced, **wish).choices[0]
    call: Any = (called.message.tool_calls or [])[0]
    said: Any = called.message.model_dump(exclude_none=True)
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    answered = client.chat.completions.create(messages=[*HI, said, result], **wish).choices[0]
    return {"arguments": call.function.arguments, "stops": [called.finish_reason, answered.finish_reason]}


@case
def openai_responses(given: dict[str, Any]) -> Any:
    client = gpt(given)
    whole = client.responses.create(model=GPT, input="hi")
    events = list(client.responses.create(model=GPT, input="hi", stream=True))
    last: Any = events[-1]
    fetched = client.responses.retrieve(whole.id).output_text == whole.output_text
    client.responses.delete(whole.id)
    gone = refused(lambda: client.responses.retrieve(whole.id), openai.APIStatusError)
    return {
        "same": last.response.output_text == whole.output_text != "",
        "fetched": fetched,
        "gone": gone,
    }


@case
def openai_responses_reasoning_and_tool(given: dict[str, Any]) -> Any:
    forced: Any = {"type": "function", "name": "weather"}
    effort: Any = {"effort": "high", "summary": "auto"}
    wish: Any = {"model": GPT, "tools": [RESPONSES_TOOL], "reasoning": effort, "tool_choice": forced}
    with gpt(given).responses.stream(input="hi", **wish) as stream:
        stream.until_done()
        first = stream.get_final_response()
    call: Any = first.output[-1]
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    second = gpt(given).responses.create(model=GPT, input=[result], previous_response_id=first.id)
    return {"kinds": [item.type for item in first.output], "answered": bool(second.output_text)}


@case
def openai_models_embeddings_images(given: dict[str, Any]) -> Any:
    client = gpt(given)
    options: Any = {"encoding_format": "float", "dimensions": 8}
    vector = client.embeddings.create(model="text-embedding-3-small", input="hi", **options).data[0].embedding
    picture = client.images.generate(model="gpt-image-1", prompt="a lock").data
    return {
        "listed": GPT in [model.id for model in client.models.list()],
        "found": client.models.retrieve(GPT).id,
        "size": len(vector),
        "picture": bool(picture and picture[0].b64_json),
    }


@case
def openai_errors(given: dict[str, Any]) -> Any:
    def ask(key: str | None = None, model: str = GPT, messages: list[Any] = HI) -> Callable[[], Any]:
        return lambda: gpt(given, key).chat.completions.create(model=model, messages=messages)

    kind = openai.APIStatusError
    return [
        refused(ask("sk-nobody"), kind),
        refused(ask(given["mapped"]["openai"], "gpt-unknown"), kind),
        refused(ask(messages=[]), kind),
        refused(ask(given["limited"]["openai"]), kind),
    ]


def _gemini_round(client: genai.Client) -> Any:
    whole = client.models.generate_content(model=GEMINI, contents="hi")
    chunks = list(client.models.generate_content_stream(model=GEMINI, contents="hi"))
    asked = []

    def weather(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return "21 degrees"

    config = types.GenerateContentConfig(tools=[weather])
    answer = client.models.generate_content(model=GEMINI, contents="hi [[sim: tool=weather]]", config=config)
    thinking = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    thought = client.models.generate_content(model="gemini-2.5-pro", contents="hi", config=thinking)
    embedded = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    return {
        "same": "".join(chunk.text or "" for chunk in chunks) == whole.text != "",
        "asked": asked,
        "answered": bool(answer.text),
        "thoughts": bool(thought.usage_metadata and thought.usage_metadata.thoughts_token_count),
        "counted": bool(client.models.count_tokens(model=GEMINI, contents="hi").total_tokens),
        "embedded": len(embedded.embeddings or []),
        "listed": f"models/{GEMINI}" in [model.name for model in client.models.list()],
        "found": client.models.get(model=GEMINI).name,
    }


@case
def gemini_on_v1beta(given: dict[str, Any]) -> Any:
    return _gemini_round(google(given, "v1beta"))


@case
def gemini_on_v1(given: dict[str, Any]) -> Any:
    return _gemini_round(google(given, "v1"))


@case
def gemini_errors(given: dict[str, Any]) -> Any:
    def code_of(key: str | None, model: str, contents: str = "hi") -> int:
        client = google(given, "v1beta", key)  # kept: a client that nobody holds closes itself
        try:
            client.models.generate_content(model=model, contents=contents)
        except google_errors.ClientError as error:
            return error.code
        return 200

    return [
        code_of("sk-nobody", GEMINI),
        code_of(given["mapped"]["gemini"], "gemini-unknown"),
        code_of(None, GEMINI, "hi [[sim: status=400]]"),
        code_of(given["limited"]["gemini"], GEMINI),
    ]


@case
def asynchronous_clients(given: dict[str, Any]) -> Any:
    async def run() -> Any:
        keys, root = given["keys"], given["root"]
        async with anthropic.AsyncAnthropic(base_url=root, api_key=keys["anthropic"], **STRICT) as first:
            async with first.messages.stream(model=CLAUDE, max_tokens=500, messages=HI) as stream:
                message = await stream.get_final_message()
        async with openai.AsyncOpenAI(base_url=f"{root}/v1", api_key=keys["openai"], **STRICT) as second:
            chunks = await second.chat.completions.create(model=GPT, messages=HI, stream=True)
            spoken = [chunk.choices[0].delta.content or "" async for chunk in chunks]
        third = google(given, "v1beta").aio
        parts = await third.models.generate_content_stream(model=GEMINI, contents="hi")
        texts = [part.text or "" async for part in parts]
        return {"stop": message.stop_reason, "chat": bool("".join(spoken)), "gemini": bool("".join(texts))}

    return asyncio.run(run())


def main() -> None:
    given = json.load(sys.stdin)
    for name, function in CASES.items():
        try:
            line = {"case": name, "ok": True, "seen": function(given)}
        except Exception as error:  # noqa: BLE001  # every case reports for itself
            line = {"case": name, "ok": False, "seen": f"{type(error).__name__}: {error}"[:2000]}
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
