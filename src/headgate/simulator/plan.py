"""The whole answer, decided before its first byte: every dialect renders the same plan in its own words."""

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from headgate.kit import json
from headgate.simulator import prose
from headgate.simulator.identity import Identity
from headgate.simulator.prompt import Ask, Tool
from headgate.simulator.script import MAX_TEXT_BYTES, Script
from headgate.simulator.tokens import PICTURE_OUTPUT_TOKENS, Tokens, count_text

Stop = Literal["end", "max_tokens", "tool"]
TRUNCATED_THINKING_SHARE = 2  # at most half of a small output limit is spent on thinking


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    name: str
    arguments: str
    pieces: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One answer. `usage` is what the vendor bills when all of it is sent."""

    identity: Identity
    ask: Ask
    model: str
    """The served model, as the answer names it."""
    thinking: Sequence[str]
    text: Sequence[str]
    tool: ToolCall | None
    picture: bytes | None
    usage: Tokens
    stop: Stop
    tier: str | None
    hides_usage: bool
    pings: int = 0
    window_used: float | None = None

    @property
    def full_text(self) -> str:
        return "".join(self.text)

    @property
    def full_thinking(self) -> str:
        return "".join(self.thinking)

    @property
    def signature(self) -> str:
        """The opaque proof that vendors attach to thinking."""
        return base64.b64encode(bytes.fromhex(self.identity.hex) * 3).decode()


def make_plan(ask: Ask, prompt: Tokens, script: Script, identity: Identity, *, seed: int) -> Plan:
    """Decide what is said, and what it costs."""
    thinking = _thinking(ask, script)
    tool = _tool(ask, script)
    text = "" if tool else _text(ask, script, seed)
    room = None if script.event_bytes is not None else ask.max_tokens
    if room is not None:
        thinking = thinking[: 4 * (room // TRUNCATED_THINKING_SHARE)]
    left = None if room is None else 4 * max(1, room - count_text(thinking))
    is_cut = left is not None and len(text) > left
    text = text[:left] if is_cut else text
    picture = picture_png(identity) if ask.draws else None
    reasoning = count_text(thinking)
    output = reasoning + count_text(text) + (count_text(tool.arguments) if tool else 0)
    return Plan(
        identity=identity,
        ask=ask,
        model=script.served_model or ask.model,
        thinking=prose.words(thinking) if thinking else (),
        text=_pieces(text, script) if text else (),
        tool=tool,
        picture=picture,
        usage=_priced(prompt, output + (PICTURE_OUTPUT_TOKENS if picture else 0), reasoning, int(ask.draws)),
        stop="max_tokens" if is_cut or script.stop == "max_tokens" else "tool" if tool else "end",
        tier=script.tier or ask.tier,
        hides_usage=script.missing_usage,
        pings=script.pings,
        window_used=script.window_used,
    )


def _priced(prompt: Tokens, output: int, reasoning: int, pictures: int) -> Tokens:
    return Tokens(
        input=prompt.input,
        cache_read=prompt.cache_read,
        cache_write_5m=prompt.cache_write_5m,
        cache_write_1h=prompt.cache_write_1h,
        output=output,
        reasoning=reasoning,
        images=pictures,
    )


def _thinking(ask: Ask, script: Script) -> str:
    wanted = ask.thinks if script.thinking is None else script.thinking
    return "".join(prose.THOUGHTS) if wanted else ""


def _text(ask: Ask, script: Script, seed: int) -> str:
    if script.event_bytes is not None:
        return prose.filler(min(script.event_bytes * (script.events or 1), MAX_TEXT_BYTES))
    if script.tokens is not None:
        return prose.filler(4 * script.tokens)
    text = prose.reply_to(ask.last_text, seed=seed)
    if script.events is not None and script.events > len(text):
        return prose.filler(8 * script.events)
    return text


def _pieces(text: str, script: Script) -> list[str]:
    if script.event_bytes is not None:
        size = max(1, script.event_bytes)
        return [text[start : start + size] for start in range(0, len(text), size)]
    return prose.in_pieces(text, script.events) if script.events is not None else prose.words(text)


def _tool(ask: Ask, script: Script) -> ToolCall | None:
    wanted = script.tool if script.tool is not None else ask.forced_tool
    if wanted is None:
        return None
    offered: Mapping[str, Tool] = {tool.name: tool for tool in ask.tools}
    any_tool = wanted in ("", "1", "true")
    if any_tool and not offered:
        return None
    name = next(iter(offered)) if any_tool else wanted
    schema: Mapping[str, Any] = offered[name].schema if name in offered else {}
    arguments = json.dumps(prose.sample_value({"type": "object", **schema})).decode()
    return ToolCall(
        name=name, arguments=arguments, pieces=prose.in_pieces(arguments, 1 + len(arguments) // 12)
    )


def picture_png(identity: Identity) -> bytes:
    """A valid PNG of one pixel whose colour comes from the identity."""
    pixel = b"\0" + bytes.fromhex(identity.hex[:6])
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(pixel)),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body
