"""The endpoints beside generation: token counts, embeddings, pictures, compaction, stored responses."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headgate.kit import json
from headgate.simulator.call import Call
from headgate.simulator.dialects.anthropic import AnthropicMessages
from headgate.simulator.dialects.gemini import Gemini, usage_metadata
from headgate.simulator.dialects.openai_chat import OpenAIChat
from headgate.simulator.dialects.openai_responses import OpenAIResponses
from headgate.simulator.dialects.openai_responses import usage as responses_usage
from headgate.simulator.plan import picture_png
from headgate.simulator.prompt import (
    Ask,
    as_items,
    as_mapping,
    optional_count,
    require_list,
    require_text,
    text_block,
)
from headgate.simulator.refusal import Refused
from headgate.simulator.service import Service
from headgate.simulator.tokens import PICTURE_OUTPUT_TOKENS, Tokens, count_text
from headgate.simulator.vectors import DEFAULT_DIMENSIONS, MAX_DIMENSIONS, as_base64, vector

Body = Mapping[str, Any]
SUMMARY_TOKENS = 40
"""Output tokens of one compaction."""


class SideEndpoints:
    """Each method answers one endpoint; those that return a value are not billed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._anthropic = AnthropicMessages()
        self._chat = OpenAIChat()
        self._responses = OpenAIResponses()
        self._gemini = Gemini()

    async def count_messages(self, call: Call, key: str, body: Body) -> Body:
        ask = self._anthropic.read_for_count(body)
        await self._service.suffer(call, key, ask)
        return {"input_tokens": ask.prompt_tokens}

    async def count_responses(self, call: Call, key: str, body: Body) -> Body:
        ask = self._responses.read({"model": "gpt-5", **body})
        await self._service.suffer(call, key, ask)
        return {"object": "response.input_tokens", "input_tokens": ask.prompt_tokens}

    async def count_gemini(self, call: Call, key: str, body: Body, model: str) -> Body:
        ask = self._gemini.read({**(as_mapping(body.get("generateContentRequest")) or body), "model": model})
        await self._service.suffer(call, key, ask)
        details = [{"modality": "TEXT", "tokenCount": ask.prompt_tokens}]
        return {"totalTokens": ask.prompt_tokens, "promptTokensDetails": details}

    async def compact(self, call: Call, key: str, body: Body) -> None:
        ask = replace(self._responses.read(body), stream=False)
        script = await self._service.suffer(call, key, ask)
        plan = self._service.plain_plan(ask, Tokens(input=ask.prompt_tokens, output=SUMMARY_TOKENS), script)
        item = {"id": f"cmp_{plan.identity.hex}", "type": "compaction", "encrypted_content": plan.signature}
        answer = {
            "id": f"resp_{plan.identity.hex}",
            "object": "response.compaction",
            "created_at": plan.identity.created,
            "output": [item],
            "usage": responses_usage(plan),
        }
        await self._service.deliver_whole(
            call, self._responses, key, plan, script, json.dumps(answer), endpoint="responses_compact"
        )

    async def embeddings(self, call: Call, key: str, body: Body) -> None:
        texts = _inputs(body)
        ask = Ask(model=require_text(body, "model"), blocks=[text_block(text) for text in texts])
        script = await self._service.suffer(call, key, ask)
        usage = Tokens(input=sum(count_text(text) for text in texts))
        plan = self._service.plain_plan(ask, usage, script)
        size = _dimensions(body, "dimensions")
        vectors: list[Any] = [vector(text, size) for text in texts]
        if body.get("encoding_format") == "base64":
            vectors = [as_base64(values) for values in vectors]
        answer = {
            "object": "list",
            "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)],
            "model": plan.model,
            "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
        }
        await self._service.deliver_whole(
            call, self._chat, key, plan, script, _shown(answer, plan.hides_usage), endpoint="embeddings"
        )

    async def images(self, call: Call, key: str, body: Body) -> None:
        prompt = require_text(body, "prompt")
        count = optional_count(body, "n") or 1
        if count > 10:
            raise Refused(400, "n: Input should be at most 10", param="n", code="invalid_value")
        ask = Ask(
            model=str(body.get("model") or "gpt-image-1"), blocks=[text_block(prompt)], last_text=prompt
        )
        script = await self._service.suffer(call, key, ask)
        usage = Tokens(input=count_text(prompt), output=count * PICTURE_OUTPUT_TOKENS, images=count)
        plan = self._service.plain_plan(ask, usage, script)
        picture = base64.b64encode(picture_png(plan.identity)).decode()
        answer = {
            "created": plan.identity.created,
            "background": "opaque",
            "output_format": "png",
            "quality": "low",
            "size": "1024x1024",
            "data": [{"b64_json": picture}] * count,
            "usage": {
                "input_tokens": usage.input,
                "output_tokens": usage.output,
                "total_tokens": usage.input + usage.output,
                "input_tokens_details": {"text_tokens": usage.input, "image_tokens": 0},
            },
        }
        await self._service.deliver_whole(
            call,
            self._chat,
            key,
            plan,
            script,
            _shown(answer, plan.hides_usage),
            endpoint="images_generations",
        )

    async def embed_gemini(self, call: Call, key: str, body: Body, model: str) -> None:
        text = _content_text(body)
        answer = {"embedding": {"values": vector(text, _gemini_size(body))}}
        await self._embedded(call, key, model, [text], answer, endpoint="embed_content")

    async def batch_embed_gemini(self, call: Call, key: str, body: Body, model: str) -> None:
        requests = as_items(require_list(body, "requests"))
        texts = [_content_text(request) for request in requests]
        vectors = [{"values": vector(t, _gemini_size(r))} for t, r in zip(texts, requests, strict=True)]
        await self._embedded(
            call, key, model, texts, {"embeddings": vectors}, endpoint="batch_embed_contents"
        )

    async def _embedded(
        self, call: Call, key: str, model: str, texts: Sequence[str], answer: dict[str, Any], *, endpoint: str
    ) -> None:
        ask = Ask(model=model, blocks=[text_block(text) for text in texts])
        script = await self._service.suffer(call, key, ask)
        usage = Tokens(input=sum(count_text(text) for text in texts))
        plan = self._service.plain_plan(ask, usage, script)
        answer["usageMetadata"] = usage_metadata(usage)
        body = _shown(answer, plan.hides_usage)
        await self._service.deliver_whole(call, self._gemini, key, plan, script, body, endpoint=endpoint)

    def stored_response(self, key: str, response_id: str) -> Body:
        stored = self._service.stored.get(response_id)
        if stored is None or stored.key != key:
            raise Refused(404, f"Response with id '{response_id}' not found.", code="response_not_found")
        return stored.response

    def delete_response(self, key: str, response_id: str) -> Body:
        self.stored_response(key, response_id)
        del self._service.stored[response_id]
        return {"id": response_id, "object": "response", "deleted": True}


def _shown(answer: dict[str, Any], hides_usage: bool) -> bytes:
    if hides_usage:
        answer = {name: value for name, value in answer.items() if name not in ("usage", "usageMetadata")}
    return json.dumps(answer)


def _inputs(body: Body) -> list[str]:
    """Texts, or token lists written as text."""
    given = body.get("input")
    if isinstance(given, str) and given:
        return [given]
    items = require_list(body, "input")
    return [_token_text(items)] if isinstance(items[0], int) else [_input_text(item) for item in items]


def _input_text(item: object) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, list):
        return _token_text(item)
    raise Refused(400, "input: Input should be texts or lists of tokens", param="input", code="invalid_type")


def _token_text(tokens: list[Any]) -> str:
    return " ".join(map(str, tokens))


def _content_text(body: Body) -> str:
    parts = as_items(as_mapping(body.get("content")).get("parts"))
    if not parts:
        raise Refused(400, "content.parts: Field required")
    return " ".join(str(part.get("text", "")) for part in parts)


def _gemini_size(body: Body) -> int:
    return _dimensions(body, "outputDimensionality")


def _dimensions(body: Body, name: str) -> int:
    size = optional_count(body, name) or DEFAULT_DIMENSIONS
    if size > MAX_DIMENSIONS:
        raise Refused(
            400, f"{name}: Input should be at most {MAX_DIMENSIONS}", param=name, code="invalid_value"
        )
    return size
