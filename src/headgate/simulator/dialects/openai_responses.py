"""OpenAI Responses: typed output items, each announced, filled and closed by its own events."""

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
    require_text,
    text_block,
    value_block,
)
from headgate.simulator.refusal import Refused

_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "top_p": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "max_output_tokens": None,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "store": True,
    "truncation": "disabled",
    "user": None,
    "text": {"format": {"type": "text"}},
    "reasoning": {"effort": None, "summary": None},
}


class OpenAIResponses:
    name = "openai_responses"
    family: Family = "openai"
    stream_type = shared.STREAM_TYPE
    ping = b": keepalive\n\n"

    def request_id(self, identity: Identity) -> str:
        return f"req_{identity.hex}"

    def read(self, body: Mapping[str, Any]) -> Ask:
        model = require_text(body, "model")
        tools = as_items(body.get("tools"))
        items = _items(body)
        reasoning = as_mapping(body.get("reasoning"))
        instructions = body.get("instructions")
        head = [text_block(instructions)] if isinstance(instructions, str) else []
        return Ask(
            model=model,
            blocks=[value_block(tool) for tool in tools]
            + head
            + [b for item in items for b in _blocks(item)],
            last_text=_last_text(items),
            stream=flag(body, "stream"),
            tools=tuple(shared.tool_of(tool) for tool in tools if tool.get("type", "function") == "function"),
            forced_tool=shared.forced_tool(body.get("tool_choice")),
            thinks=bool(reasoning) and reasoning.get("effort") not in ("none", "minimal"),
            shows_thinking=reasoning.get("summary") is not None,
            max_tokens=optional_count(body, "max_output_tokens"),
            include_usage=True,
            tier=shared.tier_of(body),
            details=body,
        )

    def answer(self, plan: Plan) -> bytes:
        return json.dumps(self.response(plan))

    def response(self, plan: Plan) -> dict[str, Any]:
        """The finished response object, as stored and as carried by the last event."""
        items = [item for item, _ in _Stream(plan).items()]
        incomplete = {"reason": "max_output_tokens"} if plan.stop == "max_tokens" else None
        return {
            **_envelope(plan),
            "status": "incomplete" if incomplete else "completed",
            "incomplete_details": incomplete,
            "output": items,
            **({} if plan.hides_usage else {"usage": usage(plan)}),
        }

    def frames(self, plan: Plan) -> Iterator[Frame]:
        stream = _Stream(plan)
        opened = {**_envelope(plan), "status": "in_progress", "output": [], "usage": None}
        yield stream.event("response.created", response=opened)
        yield stream.event("response.in_progress", response=opened)
        yield from stream.body()
        final = self.response(plan)
        kind = "response.incomplete" if final["incomplete_details"] else "response.completed"
        last = stream.event(kind, response=final)
        yield Frame(last.data, plan.usage.output, None if plan.hides_usage else plan.usage)

    def malformed(self) -> bytes:
        return (
            b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"bro\n\n'
        )

    def error(self, refused: Refused, request_id: str) -> bytes:
        return shared.error_body(refused)

    def error_event(self, request_id: str) -> bytes:
        message = f"The server had an error processing your request (request ID {request_id})."
        event = {
            "type": "error",
            "sequence_number": 0,
            "code": "server_error",
            "message": message,
            "param": None,
        }
        return b"event: error\ndata: %b\n\n" % json.dumps(event)

    def headers(self, request_id: str, plan: Plan | None, now_s: int) -> Sequence[Header]:
        return shared.headers(request_id, plan)

    def limit_headers(self, status: int, reset_s: int, now_s: int) -> Sequence[Header]:
        return shared.limit_headers(status, reset_s)


def response_id(plan: Plan) -> str:
    return f"resp_{plan.identity.hex}"


def usage(plan: Plan) -> dict[str, Any]:
    tokens = plan.usage
    return {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cache_read, "cache_write_tokens": 0},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.output,
    }


def _envelope(plan: Plan) -> dict[str, Any]:
    asked = plan.ask.details
    echoed = {name: default if asked.get(name) is None else asked[name] for name, default in _ECHOED.items()}
    return {
        "id": response_id(plan),
        "object": "response",
        "created_at": plan.identity.created,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": plan.model,
        "service_tier": plan.tier,
        **echoed,
    }


class _Stream:
    """Numbers the events of one streamed response and counts the output generated so far."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._sequence = 0
        self._output = 0

    def event(self, kind: str, **payload: Any) -> Frame:
        value = {"type": kind, "sequence_number": self._sequence, **payload}
        self._sequence += 1
        return Frame(b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps(value)), self._output)

    def items(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Finished output items, each with its kind."""
        plan = self._plan
        if plan.thinking:
            shown = plan.ask.shows_thinking
            summary = [{"type": "summary_text", "text": plan.full_thinking}] if shown else []
            item = {"id": f"rs_{plan.identity.hex}", "type": "reasoning", "summary": summary}
            if "reasoning.encrypted_content" in (plan.ask.details.get("include") or ()):
                item["encrypted_content"] = plan.signature
            yield item, "reasoning"
        if plan.text:
            part = _text_part(plan.full_text)
            yield {**_message_item(plan), "status": "completed", "content": [part]}, "message"
        if plan.tool:
            yield {**_call_item(plan), "status": "completed", "arguments": plan.tool.arguments}, "call"

    def body(self) -> Iterator[Frame]:
        writers = {"reasoning": self._reasoning, "message": self._message, "call": self._call}
        for index, (item, kind) in enumerate(self.items()):
            yield from writers[kind](index, item)
            yield self.event("response.output_item.done", output_index=index, item=item)

    def _reasoning(self, index: int, item: Mapping[str, Any]) -> Iterator[Frame]:
        plan = self._plan
        yield self.event("response.output_item.added", output_index=index, item={**item, "summary": []})
        if not plan.ask.shows_thinking:
            self._output += plan.usage.reasoning
            return
        where = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        yield self.event(
            "response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""}
        )
        for piece, output in running(plan.thinking, self._output):
            self._output = output
            yield self.event("response.reasoning_summary_text.delta", **where, delta=piece)
        yield self.event("response.reasoning_summary_text.done", **where, text=plan.full_thinking)
        part = {"type": "summary_text", "text": plan.full_thinking}
        yield self.event("response.reasoning_summary_part.done", **where, part=part)

    def _message(self, index: int, item: Mapping[str, Any]) -> Iterator[Frame]:
        plan = self._plan
        yield self.event("response.output_item.added", output_index=index, item=_message_item(plan))
        where = {"item_id": item["id"], "output_index": index, "content_index": 0}
        yield self.event("response.content_part.added", **where, part=_text_part(""))
        for piece, output in running(plan.text, self._output):
            self._output = output
            yield self.event("response.output_text.delta", **where, delta=piece, logprobs=[])
        yield self.event("response.output_text.done", **where, text=plan.full_text, logprobs=[])
        yield self.event("response.content_part.done", **where, part=_text_part(plan.full_text))

    def _call(self, index: int, item: Mapping[str, Any]) -> Iterator[Frame]:
        tool = self._plan.tool
        if tool is None:
            return
        yield self.event("response.output_item.added", output_index=index, item=_call_item(self._plan))
        where = {"item_id": item["id"], "output_index": index}
        for piece, output in running(tool.pieces, self._output):
            self._output = output
            yield self.event("response.function_call_arguments.delta", **where, delta=piece)
        yield self.event(
            "response.function_call_arguments.done", **where, name=tool.name, arguments=tool.arguments
        )


def _message_item(plan: Plan) -> dict[str, Any]:
    return {
        "id": f"msg_{plan.identity.hex}",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }


def _call_item(plan: Plan) -> dict[str, Any]:
    return {
        "id": f"fc_{plan.identity.hex}",
        "type": "function_call",
        "status": "in_progress",
        "call_id": f"call_{plan.identity.word}",
        "name": plan.tool.name if plan.tool else "",
        "arguments": "",
    }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if isinstance(given, list):
        return as_items(given)
    if given is None and body.get("previous_response_id"):
        return []
    raise Refused(
        400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter"
    )


def _blocks(item: Mapping[str, Any]) -> list[Block]:
    content = item.get("content")
    if isinstance(content, str):
        return [text_block(content)]
    if not isinstance(content, list):
        return [value_block(item)]
    return [_part(part) for part in as_items(content)]


def _part(part: Mapping[str, Any]) -> Block:
    text = part.get("text")
    if isinstance(text, str):
        return text_block(text)
    return value_block(part, is_image=part.get("type") == "input_image")


def _last_text(items: list[Mapping[str, Any]]) -> str:
    for item in reversed(items):
        if item.get("role") in ("system", "developer"):
            continue
        if item.get("role") != "user":
            return ""
        content = item.get("content")
        return (
            content
            if isinstance(content, str)
            else "\n".join(str(p.get("text", "")) for p in as_items(content))
        )
    return ""
