"""OpenAI Chat Completions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headgate.kit import json
from headgate.simulator.dialects import openai_shared as shared
from headgate.simulator.dialects.contract import Family, Frame, Header, running
from headgate.simulator.identity import Identity
from headgate.simulator.plan import Plan
from headgate.simulator.prompt import (
    Ask,
    Block,
    as_items,
    as_mapping,
    flag,
    optional_count,
    require_list,
    require_text,
    text_block,
    value_block,
)
from headgate.simulator.refusal import Refused

_FINISH = {"end": "stop", "max_tokens": "length", "tool": "tool_calls"}
DONE = b"data: [DONE]\n\n"


class OpenAIChat:
    name = "openai_chat"
    family: Family = "openai"
    stream_type = shared.STREAM_TYPE
    ping = b": keepalive\n\n"

    def request_id(self, identity: Identity) -> str:
        return f"req_{identity.hex}"

    def read(self, body: Mapping[str, Any]) -> Ask:
        model = require_text(body, "model")
        messages = as_items(require_list(body, "messages"))
        tools = as_items(body.get("tools"))
        options = as_mapping(body.get("stream_options"))
        stream = flag(body, "stream")
        if options and not stream:
            raise Refused(
                400,
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                param="stream_options",
            )
        return Ask(
            model=model,
            blocks=[value_block(tool) for tool in tools] + [b for m in messages for b in _blocks(m)],
            last_text=_last_text(messages),
            stream=stream,
            tools=tuple(shared.tool_of(tool) for tool in tools),
            forced_tool=shared.forced_tool(body.get("tool_choice")),
            thinks=body.get("reasoning_effort") not in (None, "none", "minimal"),
            shows_thinking=False,
            max_tokens=optional_count(body, "max_completion_tokens", "max_tokens"),
            include_usage=flag(options, "include_usage"),
            tier=shared.tier_of(body),
        )

    def answer(self, plan: Plan) -> bytes:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": plan.full_text or None,
            "refusal": None,
            "annotations": [],
        }
        if plan.tool:
            call = {"name": plan.tool.name, "arguments": plan.tool.arguments}
            message["tool_calls"] = [{"id": _call_id(plan), "type": "function", "function": call}]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[plan.stop]}
        completion: dict[str, Any] = {**_envelope(plan, "chat.completion"), "choices": [choice]}
        if not plan.hides_usage:
            completion["usage"] = usage(plan)
        return json.dumps(completion)

    def frames(self, plan: Plan) -> Iterator[Frame]:
        envelope = _envelope(plan, "chat.completion.chunk")
        if plan.ask.include_usage:
            envelope["usage"] = None
        output = plan.usage.reasoning
        yield _chunk(
            envelope, {"role": "assistant", "content": "" if plan.text else None, "refusal": None}, output
        )
        for piece, output in running(plan.text, plan.usage.reasoning):
            yield _chunk(envelope, {"content": piece}, output)
        if plan.tool:
            yield from _tool_chunks(plan, envelope, output)
        yield _chunk(envelope, {}, plan.usage.output, _FINISH[plan.stop])
        if plan.ask.include_usage and not plan.hides_usage:
            last = {**envelope, "choices": [], "usage": usage(plan)}
            yield Frame(_sse(last), plan.usage.output, plan.usage)
        yield Frame(DONE, plan.usage.output)

    def malformed(self) -> bytes:
        return (
            b'data: {"id":"chatcmpl-broken","object":"chat.completion.chunk","choices":[{"index":0,"del\n\n'
        )

    def error(self, refused: Refused, request_id: str) -> bytes:
        return shared.error_body(refused)

    def error_event(self, request_id: str) -> bytes:
        message = "The server had an error while processing your request. Sorry about that!"
        return b"data: %b\n\n" % shared.error_body(Refused(500, message))

    def headers(self, request_id: str, plan: Plan | None, now_s: int) -> Sequence[Header]:
        return shared.headers(request_id, plan)

    def limit_headers(self, status: int, reset_s: int, now_s: int) -> Sequence[Header]:
        return shared.limit_headers(status, reset_s)


def usage(plan: Plan) -> dict[str, Any]:
    """OpenAI counts cached tokens inside `prompt_tokens` and reasoning inside `completion_tokens`."""
    tokens = plan.usage
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.prompt + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _envelope(plan: Plan, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{plan.identity.word}",
        "object": kind,
        "created": plan.identity.created,
        "model": plan.model,
        "service_tier": plan.tier,
        "system_fingerprint": "fp_headgate",
    }


def _chunk(
    envelope: Mapping[str, Any], delta: Mapping[str, Any], output: int, finish: str | None = None
) -> Frame:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return Frame(_sse({**envelope, "choices": [choice]}), output)


def _tool_chunks(plan: Plan, envelope: Mapping[str, Any], base: int) -> Iterator[Frame]:
    if plan.tool is None:
        return
    head = {"name": plan.tool.name, "arguments": ""}
    call = {"index": 0, "id": _call_id(plan), "type": "function", "function": head}
    yield _chunk(envelope, {"tool_calls": [call]}, base)
    for piece, output in running(plan.tool.pieces, base):
        yield _chunk(envelope, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, output)


def _sse(value: Mapping[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(value)


def _call_id(plan: Plan) -> str:
    return f"call_{plan.identity.word}"


def _blocks(message: Mapping[str, Any]) -> list[Block]:
    content = message.get("content")
    blocks = (
        [text_block(content)] if isinstance(content, str) else [_part(part) for part in as_items(content)]
    )
    calls = message.get("tool_calls")
    return [*blocks, value_block(calls)] if calls else blocks


def _part(part: Mapping[str, Any]) -> Block:
    text = part.get("text")
    if isinstance(text, str):
        return text_block(text)
    return value_block(part, is_image=part.get("type") == "image_url")


def _last_text(messages: list[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") in ("system", "developer"):
            continue
        if message.get("role") != "user":
            return ""
        content = message.get("content")
        return (
            content
            if isinstance(content, str)
            else "\n".join(str(p.get("text", "")) for p in as_items(content))
        )
    return ""
