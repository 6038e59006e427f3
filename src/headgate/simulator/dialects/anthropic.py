"""Anthropic Messages, as api.anthropic.com speaks it (version 2023-06-01 and later)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from headgate.kit import json
from headgate.simulator.dialects.contract import Family, Frame, Header, running
from headgate.simulator.identity import Identity
from headgate.simulator.plan import Plan
from headgate.simulator.prompt import (
    Ask,
    Block,
    CacheMark,
    Tool,
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
from headgate.simulator.tokens import Tokens

_STOPS = {"end": "end_turn", "max_tokens": "max_tokens", "tool": "tool_use"}
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def sse(kind: str, payload: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **payload}))


class AnthropicMessages:
    name = "anthropic_messages"
    family: Family = "anthropic"
    stream_type = b"text/event-stream; charset=utf-8"
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'

    def request_id(self, identity: Identity) -> str:
        return f"req_011{identity.word[:21]}"

    def read(self, body: Mapping[str, Any]) -> Ask:
        max_tokens = optional_count(body, "max_tokens")
        if max_tokens is None:
            raise Refused(400, "max_tokens: Field required", param="max_tokens")
        return self._ask(body, max_tokens)

    def read_for_count(self, body: Mapping[str, Any]) -> Ask:
        """`count_tokens` takes the same body without `max_tokens`."""
        return self._ask(body, None)

    def _ask(self, body: Mapping[str, Any], max_tokens: int | None) -> Ask:
        messages = as_items(require_list(body, "messages"))
        tools = as_items(body.get("tools"))
        return Ask(
            model=require_text(body, "model"),
            blocks=_blocks(body, tools, messages),
            last_text=_last_text(messages),
            stream=flag(body, "stream"),
            tools=tuple(Tool(str(t.get("name", "tool")), as_mapping(t.get("input_schema"))) for t in tools),
            forced_tool=_forced(as_mapping(body.get("tool_choice"))),
            thinks=as_mapping(body.get("thinking")).get("type") in ("enabled", "adaptive"),
            max_tokens=max_tokens,
            include_usage=True,
            explicit_cache=True,
            tier="standard",
        )

    def answer(self, plan: Plan) -> bytes:
        content: list[dict[str, Any]] = []
        if plan.thinking:
            content.append({"type": "thinking", "thinking": plan.full_thinking, "signature": plan.signature})
        if plan.text:
            content.append({"type": "text", "text": plan.full_text, "citations": None})
        if plan.tool:
            arguments = json.loads(plan.tool.arguments)
            content.append(
                {"type": "tool_use", "id": _tool_id(plan), "name": plan.tool.name, "input": arguments}
            )
        message = _message(plan, content, _STOPS[plan.stop])
        if not plan.hides_usage:
            message["usage"] = _usage(plan, plan.usage.output)
        return json.dumps(message)

    def frames(self, plan: Plan) -> Iterator[Frame]:
        start = _message(plan, [], None)
        if not plan.hides_usage:
            start["usage"] = _usage(plan, 1)
        first = None if plan.hides_usage else plan.usage.with_output(1)
        yield Frame(sse("message_start", {"message": start}), 1, first)
        index, output = 0, 0
        for block, deltas in _stream_blocks(plan):
            yield Frame(sse("content_block_start", {"index": index, "content_block": block}), max(1, output))
            if index == 0:
                yield Frame(self.ping, max(1, output))
            base = output
            for delta, output in deltas(base):
                yield Frame(sse("content_block_delta", {"index": index, "delta": delta}), max(1, output))
            yield Frame(sse("content_block_stop", {"index": index}), max(1, output))
            index += 1
        yield self._final(plan)
        yield Frame(sse("message_stop", {}), plan.usage.output)

    def _final(self, plan: Plan) -> Frame:
        payload: dict[str, Any] = {"delta": {"stop_reason": _STOPS[plan.stop], "stop_sequence": None}}
        if not plan.hides_usage:
            usage = _usage(plan, plan.usage.output)
            payload["usage"] = {name: usage[name] for name in _DELTA_USAGE if name in usage}
        return Frame(
            sse("message_delta", payload), plan.usage.output, None if plan.hides_usage else plan.usage
        )

    def malformed(self) -> bytes:
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"typ\n\n'

    def error(self, refused: Refused, request_id: str) -> bytes:
        kind = _KINDS.get(refused.status, "api_error" if refused.status >= 500 else "invalid_request_error")
        error = {"type": kind, "message": refused.message}
        return json.dumps({"type": "error", "error": error, "request_id": request_id})

    def error_event(self, request_id: str) -> bytes:
        body = self.error(Refused(529, "Overloaded"), request_id)
        return b"event: error\ndata: %b\n\n" % body

    def headers(self, request_id: str, plan: Plan | None, now_s: int) -> Sequence[Header]:
        used = 0.02 if plan is None or plan.window_used is None else plan.window_used
        return [(b"request-id", request_id.encode()), *_ratelimits(now_s, used)]

    def limit_headers(self, status: int, reset_s: int, now_s: int) -> Sequence[Header]:
        reset = b"%d" % (now_s + reset_s)
        headers: list[Header] = [(b"retry-after", b"%d" % reset_s), (b"x-should-retry", b"true")]
        if status == 429:
            headers += [
                (b"anthropic-ratelimit-unified-status", b"rejected"),
                (b"anthropic-ratelimit-unified-5h-status", b"rejected"),
                (b"anthropic-ratelimit-unified-5h-utilization", b"1.0"),
                (b"anthropic-ratelimit-unified-5h-reset", reset),
                (b"anthropic-ratelimit-unified-reset", reset),
                (b"anthropic-ratelimit-requests-remaining", b"0"),
                (b"anthropic-ratelimit-requests-reset", _iso(now_s + reset_s)),
            ]
        return headers


_DELTA_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
)
_Deltas = list[tuple[dict[str, Any], int]]


def _stream_blocks(plan: Plan) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each content block with a function from its base token count to its deltas."""
    if plan.thinking:
        yield {"type": "thinking", "thinking": "", "signature": ""}, lambda base: _thinking_deltas(plan, base)
    if plan.text:
        yield {"type": "text", "text": ""}, lambda base: _text_deltas(plan, base)
    if plan.tool:
        start = {"type": "tool_use", "id": _tool_id(plan), "name": plan.tool.name, "input": {}}
        yield start, lambda base: _tool_deltas(plan, base)


def _thinking_deltas(plan: Plan, base: int) -> _Deltas:
    deltas: _Deltas = [
        ({"type": "thinking_delta", "thinking": p}, n) for p, n in running(plan.thinking, base)
    ]
    deltas.append(({"type": "signature_delta", "signature": plan.signature}, deltas[-1][1]))
    return deltas


def _text_deltas(plan: Plan, base: int) -> Iterator[tuple[dict[str, Any], int]]:
    return (({"type": "text_delta", "text": piece}, n) for piece, n in running(plan.text, base))


def _tool_deltas(plan: Plan, base: int) -> _Deltas:
    pieces = plan.tool.pieces if plan.tool else ()
    return [({"type": "input_json_delta", "partial_json": p}, n) for p, n in running(["", *pieces], base)]


def _message(plan: Plan, content: list[dict[str, Any]], stop: str | None) -> dict[str, Any]:
    return {
        "id": f"msg_01{plan.identity.word}",
        "type": "message",
        "role": "assistant",
        "model": plan.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
    }


def _usage(plan: Plan, output: int) -> dict[str, Any]:
    tokens: Tokens = plan.usage
    usage: dict[str, Any] = {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": output,
        "service_tier": plan.tier or "standard",
    }
    if plan.thinking and output == tokens.output:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return usage


def _tool_id(plan: Plan) -> str:
    return f"toolu_01{plan.identity.word}"


def _forced(choice: Mapping[str, Any]) -> str | None:
    match choice.get("type"):
        case "any":
            return ""
        case "tool":
            return str(choice.get("name", ""))
        case _:
            return None


def _blocks(
    body: Mapping[str, Any], tools: list[Mapping[str, Any]], messages: list[Mapping[str, Any]]
) -> list[Block]:
    blocks = [_block(tool) for tool in tools]
    blocks += _content_blocks(body.get("system"))
    for message in messages:
        blocks += _content_blocks(message.get("content"))
    mark = _mark(body)
    if mark and blocks:
        blocks[-1] = Block(blocks[-1].digest, blocks[-1].tokens, mark)
    return blocks


def _content_blocks(content: object) -> list[Block]:
    if isinstance(content, str):
        return [text_block(content)]
    return [_block(item) for item in as_items(content)]


def _block(item: Mapping[str, Any]) -> Block:
    mark = _mark(item)
    text = item.get("text")
    if item.get("type") == "text" and isinstance(text, str):
        return text_block(text, mark)
    bare = {name: value for name, value in item.items() if name != "cache_control"}
    return value_block(bare, mark, is_image=item.get("type") == "image")


def _mark(item: Mapping[str, Any]) -> CacheMark | None:
    control = item.get("cache_control")
    if not isinstance(control, dict):
        return None
    return "1h" if control.get("ttl") == "1h" else "5m"


def _last_text(messages: list[Mapping[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "system":
            continue
        if message.get("role") != "user":
            return ""
        content = message.get("content")
        if isinstance(content, str):
            return content
        return "\n".join(str(i.get("text", "")) for i in as_items(content) if i.get("type") == "text")
    return ""


def _iso(at_s: int) -> bytes:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _ratelimits(now_s: int, used: float) -> Sequence[Header]:
    """Plenty left; resets at the next full minute, five hours and week, as the vendor's windows do."""
    minute = _iso(now_s - now_s % 60 + 60)
    week = b"%d" % (now_s - now_s % 604_800 + 604_800)
    five_hours = b"%d" % (now_s - now_s % 18_000 + 18_000)
    limits: list[Header] = []
    for name, limit in (
        (b"requests", 4000),
        (b"tokens", 2_400_000),
        (b"input-tokens", 2_000_000),
        (b"output-tokens", 400_000),
    ):
        limits += [
            (b"anthropic-ratelimit-%b-limit" % name, b"%d" % limit),
            (b"anthropic-ratelimit-%b-remaining" % name, b"%d" % (limit - 1)),
            (b"anthropic-ratelimit-%b-reset" % name, minute),
        ]
    return [
        *limits,
        (b"anthropic-ratelimit-unified-status", b"allowed"),
        (b"anthropic-ratelimit-unified-5h-status", b"allowed"),
        (b"anthropic-ratelimit-unified-5h-utilization", b"%.2f" % used),
        (b"anthropic-ratelimit-unified-5h-reset", five_hours),
        (b"anthropic-ratelimit-unified-7d-status", b"allowed"),
        (b"anthropic-ratelimit-unified-7d-utilization", b"0.01"),
        (b"anthropic-ratelimit-unified-7d-reset", week),
        (b"anthropic-ratelimit-unified-representative-claim", b"five_hour"),
        (b"anthropic-ratelimit-unified-reset", five_hours),
    ]
