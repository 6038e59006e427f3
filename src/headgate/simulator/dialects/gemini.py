"""Google's Gemini API (generativelanguage.googleapis.com), the same on /v1beta and /v1."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgate.kit import json
from headgate.simulator.dialects.contract import Family, Frame, Header, running
from headgate.simulator.identity import Identity
from headgate.simulator.plan import Plan
from headgate.simulator.prompt import (
    Ask,
    Block,
    Tool,
    as_items,
    as_mapping,
    optional_count,
    require_list,
    text_block,
    value_block,
)
from headgate.simulator.refusal import Refused
from headgate.simulator.tokens import Tokens

_CAPITAL = re.compile("[A-Z]")
_FINISH = {"end": "STOP", "max_tokens": "MAX_TOKENS", "tool": "STOP"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Gemini:
    """The SSE form; `GeminiArray` is the same stream as one JSON array."""

    name = "gemini"
    family: Family = "gemini"
    stream_type = b"text/event-stream"
    ping = b""

    def request_id(self, identity: Identity) -> str:
        return identity.word

    def read(self, body: Mapping[str, Any]) -> Ask:
        contents = as_items(require_list(body, "contents"))
        config = as_mapping(_get(body, "generationConfig"))
        model = str(body["model"])
        declared = _declarations(body)
        system = as_mapping(_get(body, "systemInstruction"))
        blocks = [value_block(tool) for tool in declared]
        blocks += [b for content in (system, *contents) for b in _blocks(content)]
        thinking = as_mapping(_get(config, "thinkingConfig"))
        return Ask(
            model=model,
            blocks=blocks,
            last_text=_last_text(contents),
            tools=tuple(_tool(item) for item in declared),
            forced_tool=_forced(
                as_mapping(_get(as_mapping(_get(body, "toolConfig")), "functionCallingConfig"))
            ),
            thinks=_thinks(thinking),
            shows_thinking=_get(thinking, "includeThoughts") is True,
            max_tokens=optional_count(config, "maxOutputTokens", "max_output_tokens"),
            include_usage=True,
            draws="image" in model or "IMAGE" in (_get(config, "responseModalities") or ()),
        )

    def answer(self, plan: Plan) -> bytes:
        parts: list[dict[str, Any]] = []
        if plan.thinking and plan.ask.shows_thinking:
            parts.append({"text": plan.full_thinking, "thought": True})
        if plan.text:
            parts.append({"text": plan.full_text})
        parts += _closing_parts(plan)
        return json.dumps(_response(plan, parts, plan.usage, _FINISH[plan.stop]))

    def frames(self, plan: Plan) -> Iterator[Frame]:
        for frame, _ in _chunks(plan):
            yield Frame(b"data: %b\r\n\r\n" % frame.data, frame.output, frame.reported)

    def malformed(self) -> bytes:
        return b'data: {"candidates": [{"content": {"parts": [{"text": "bro\r\n\r\n'

    def error(self, refused: Refused, request_id: str) -> bytes:
        return json.dumps({"error": _error(refused)})

    def error_event(self, request_id: str) -> bytes:
        body = json.dumps({"error": _error(Refused(503, "The model is overloaded. Please try again later."))})
        return b"data: %b\r\n\r\n" % body

    def headers(self, request_id: str, plan: Plan | None, now_s: int) -> Sequence[Header]:
        return [
            (b"x-request-id", request_id.encode()),
            (b"vary", b"Origin, X-Origin, Referer"),
            (b"server-timing", b"gfet4t7; dur=12"),
            (b"x-gemini-service-tier", (plan.tier if plan and plan.tier else "standard").encode()),
        ]

    def limit_headers(self, status: int, reset_s: int, now_s: int) -> Sequence[Header]:
        return [(b"retry-after", b"%d" % reset_s)]


class GeminiArray(Gemini):
    """`streamGenerateContent` without `alt=sse`: one JSON array, written element by element."""

    stream_type = b"application/json; charset=UTF-8"

    def frames(self, plan: Plan) -> Iterator[Frame]:
        opening = b"["
        for frame, is_last in _chunks(plan):
            closing = b"\n]\n" if is_last else b"\n"
            yield Frame(opening + frame.data + closing, frame.output, frame.reported)
            opening = b",\r\n"

    def malformed(self) -> bytes:
        return b',\r\n{"candidates": [{"content": {"parts": [{"text": "bro\n'

    def error_event(self, request_id: str) -> bytes:
        body = json.dumps({"error": _error(Refused(503, "The model is overloaded. Please try again later."))})
        return b",\r\n%b\n]\n" % body


def _chunks(plan: Plan) -> Iterator[tuple[Frame, bool]]:
    """Response objects with the usage so far; the last one carries the finish reason."""
    base = 0
    if plan.thinking and plan.ask.shows_thinking:
        for piece, base in running(plan.thinking):
            yield _chunk(plan, [{"text": piece, "thought": True}], base), False
    base = plan.usage.reasoning
    for piece, output in running(plan.text, base):
        yield _chunk(plan, [{"text": piece}], output), False
    last = _response(plan, _closing_parts(plan) or [{"text": ""}], plan.usage, _FINISH[plan.stop])
    yield Frame(json.dumps(last), plan.usage.output, None if plan.hides_usage else plan.usage), True


def _chunk(plan: Plan, parts: list[dict[str, Any]], output: int) -> Frame:
    tokens = plan.usage.with_output(output)
    return Frame(
        json.dumps(_response(plan, parts, tokens, None)), output, None if plan.hides_usage else tokens
    )


def _response(plan: Plan, parts: list[dict[str, Any]], tokens: Tokens, finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {} if plan.hides_usage else {"usageMetadata": usage_metadata(tokens)}
    return {"candidates": [candidate], **usage, "modelVersion": plan.model, "responseId": plan.identity.word}


def usage_metadata(tokens: Tokens) -> dict[str, Any]:
    """Google counts cached tokens inside the prompt, and thoughts beside the candidates."""
    usage: dict[str, Any] = {
        "promptTokenCount": tokens.prompt,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "totalTokenCount": tokens.prompt + tokens.output,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.prompt}],
    }
    if tokens.cache_read:
        usage["cachedContentTokenCount"] = tokens.cache_read
        usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": tokens.cache_read}]
    if tokens.reasoning:
        usage["thoughtsTokenCount"] = tokens.reasoning
    return usage


def _closing_parts(plan: Plan) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if plan.picture:
        parts.append(
            {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(plan.picture).decode()}}
        )
    if plan.tool:
        call: dict[str, Any] = {
            "functionCall": {"name": plan.tool.name, "args": json.loads(plan.tool.arguments)}
        }
        if plan.thinking:
            call["thoughtSignature"] = plan.signature
        parts.append(call)
    return parts


def _error(refused: Refused) -> dict[str, Any]:
    status = _STATUSES.get(refused.status, "INTERNAL" if refused.status >= 500 else "UNKNOWN")
    error: dict[str, Any] = {"code": refused.status, "message": refused.message, "status": status}
    if refused.status == 401 or refused.code == "API_KEY_INVALID":
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": refused.code or "CREDENTIALS_MISSING",
        }
        error["details"] = [{**info, "domain": "googleapis.com"}]
    if refused.status == 429:
        retry = {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": f"{refused.retry_after_s or 30}s",
        }
        error["details"] = [retry]
    return error


def _get(item: Mapping[str, Any], name: str) -> Any:
    """A field under its JSON or its proto name: Google takes both, and its SDKs send both."""
    value = item.get(name)
    return value if value is not None else item.get(_CAPITAL.sub(r"_\g<0>", name).lower())


def _declarations(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        item for tool in as_items(body.get("tools")) for item in as_items(_get(tool, "functionDeclarations"))
    ]


def _tool(item: Mapping[str, Any]) -> Tool:
    return Tool(
        str(item.get("name", "tool")),
        as_mapping(item.get("parameters") or _get(item, "parametersJsonSchema")),
    )


def _forced(config: Mapping[str, Any]) -> str | None:
    if config.get("mode") != "ANY":
        return None
    allowed = _get(config, "allowedFunctionNames")
    return str(allowed[0]) if isinstance(allowed, list) and allowed else ""


def _thinks(thinking: Mapping[str, Any]) -> bool:
    if _get(thinking, "thinkingBudget") == 0:
        return False
    return any(_get(thinking, name) for name in ("includeThoughts", "thinkingBudget", "thinkingLevel"))


def _blocks(content: Mapping[str, Any]) -> list[Block]:
    return [_part(part) for part in as_items(content.get("parts"))]


def _part(part: Mapping[str, Any]) -> Block:
    text = part.get("text")
    if isinstance(text, str):
        return text_block(text)
    return value_block(part, is_image=_get(part, "inlineData") is not None)


def _last_text(contents: list[Mapping[str, Any]]) -> str:
    last = contents[-1] if contents else {}
    if last.get("role", "user") != "user":
        return ""
    parts = as_items(last.get("parts"))
    return "\n".join(str(part["text"]) for part in parts if isinstance(part.get("text"), str))
