"""The simulator's ASGI app: which path is which endpoint, and how a refusal is rendered in its vendor's
words.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from headgate.kit import json
from headgate.kit.clock import Clock, SystemClock
from headgate.simulator import catalog
from headgate.simulator.bill import Bill
from headgate.simulator.call import Call, api_key, read_call
from headgate.simulator.control import Control
from headgate.simulator.dialects.anthropic import AnthropicMessages
from headgate.simulator.dialects.contract import Dialect, Family, Speaker
from headgate.simulator.dialects.gemini import Gemini, GeminiArray
from headgate.simulator.dialects.openai_chat import OpenAIChat
from headgate.simulator.dialects.openai_responses import OpenAIResponses
from headgate.simulator.fast import PREFIX, FastLane, Peek, peek
from headgate.simulator.prompt import parse_object
from headgate.simulator.refusal import Refused
from headgate.simulator.service import Service
from headgate.simulator.side import SideEndpoints
from headgate.simulator.wire import ClientGone, Receive, Send, send_whole

_GEMINI_PATH = re.compile(r"/v1(?:beta)?/models/(?P<model>[^/]+?)[:/](?P<action>[A-Za-z]+)")
_JSON = (b"content-type", b"application/json")
Answer = Mapping[str, Any] | None
Endpoint = Callable[[Call, str, Mapping[str, Any]], Awaitable[Answer]]


class Simulator:
    """Built once per process; everything it remembers hangs here."""

    def __init__(
        self, *, seed: int, pace_s: float = 0.004, keep_lines: int = 20_000, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._bill = Bill(keep_lines=keep_lines)
        self._service = Service(seed=seed, bill=self._bill, clock=self._clock, pace_s=pace_s)
        self._side = SideEndpoints(self._service)
        self._fast = FastLane(bill=self._bill, clock=self._clock, identities=self._service.identities)
        self._control = Control(self._bill, self._service.scripts)
        self._speakers: dict[Family, Speaker] = {
            "anthropic": AnthropicMessages(),
            "openai": OpenAIChat(),
            "gemini": Gemini(),
        }
        self._gemini, self._gemini_array = Gemini(), GeminiArray()
        self._generators: dict[str, tuple[Dialect, str]] = {
            "/v1/messages": (AnthropicMessages(), "messages"),
            "/v1/chat/completions": (OpenAIChat(), "chat_completions"),
            "/v1/responses": (OpenAIResponses(), "responses"),
        }
        self._posts: dict[str, tuple[Family, Endpoint]] = {
            "/v1/messages/count_tokens": ("anthropic", self._side.count_messages),
            "/v1/responses/input_tokens": ("openai", self._side.count_responses),
            "/v1/responses/compact": ("openai", self._side.compact),
            "/v1/embeddings": ("openai", self._side.embeddings),
            "/v1/images/generations": ("openai", self._side.images),
        }

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        call = read_call(scope, receive, send)
        family = family_of(call)
        key = ""
        try:
            if await self._control.handle(call):
                return
            key = api_key(call, family)
            with self._bill.at_work():
                await self._route(call, family, key)
        except Refused as refused:
            if key:
                self._bill.unbilled(key)
            await self._refuse(call, family, refused)
        except ClientGone:
            if key:
                self._bill.unbilled(key)

    async def _route(self, call: Call, family: Family, key: str) -> None:
        if call.method == "POST":
            await self._post(call, family, key)
        elif call.method in ("GET", "HEAD", "DELETE"):
            await self._answer(call, family, self._read(call, family, key))
        else:
            raise Refused(405, f"Method {call.method} is not allowed.")

    async def _post(self, call: Call, family: Family, key: str) -> None:
        body = await call.body()
        generator = self._generators.get(call.path)
        if generator is not None:
            await self._generate(call, key, body, *generator)
            return
        if family == "gemini":
            await self._google(call, key, body)
            return
        found = self._posts.get(call.path)
        if found is None:
            raise Refused(404, f"Invalid URL (POST {call.path})")
        await self._answer(call, family, await found[1](call, key, parse_object(body)))

    async def _generate(self, call: Call, key: str, raw: bytes, dialect: Dialect, endpoint: str) -> None:
        if dialect.family == "anthropic" and b"anthropic-version" not in call.headers:
            raise Refused(400, "anthropic-version: header is required")
        if b'"sim-fast' in raw and not self._service.scripts.has(key):
            peeked = peek(raw)
            if peeked is not None and peeked.model.startswith(PREFIX):
                await self._go_fast(call, dialect, peeked, key, endpoint, len(raw))
                return
        await self._service.generate(call, dialect, key, parse_object(raw), endpoint=endpoint)

    async def _go_fast(
        self, call: Call, dialect: Dialect, peeked: Peek, key: str, endpoint: str, size: int
    ) -> None:
        await self._fast.answer(
            dialect, peeked, key=key, endpoint=endpoint, body_bytes=size, receive=call.receive, send=call.send
        )

    async def _google(self, call: Call, key: str, raw: bytes) -> None:
        found = _GEMINI_PATH.fullmatch(call.path)
        if found is None:
            raise Refused(404, "The requested URL was not found on this server.")
        model, action = found["model"], found["action"]
        if action in ("generateContent", "streamGenerateContent"):
            await self._google_generate(call, key, raw, model, stream=action.startswith("stream"))
            return
        body = parse_object(raw)
        match action:
            case "countTokens":
                await self._answer(call, "gemini", await self._side.count_gemini(call, key, body, model))
            case "embedContent":
                await self._side.embed_gemini(call, key, body, model)
            case "batchEmbedContents":
                await self._side.batch_embed_gemini(call, key, body, model)
            case _:
                raise Refused(404, f"The method {action} is not found.")

    async def _google_generate(self, call: Call, key: str, raw: bytes, model: str, *, stream: bool) -> None:
        endpoint = "stream_generate_content" if stream else "generate_content"
        dialect = self._gemini if call.query.get("alt") == "sse" or not stream else self._gemini_array
        if model.startswith(PREFIX) and not self._service.scripts.has(key):
            await self._go_fast(call, dialect, Peek(model=model, stream=stream), key, endpoint, len(raw))
            return
        body = {**parse_object(raw), "model": model}
        await self._service.generate(call, dialect, key, body, endpoint=endpoint, stream=stream)

    def _read(self, call: Call, family: Family, key: str) -> Mapping[str, Any]:
        """GET and DELETE: model lists and stored responses."""
        root, _, name = call.path.partition("/models")
        if root in ("/v1", "/v1beta") and call.method != "DELETE":
            return _models(family, name.strip("/"), call.query)
        root, _, response_id = call.path.partition("/responses/")
        if root == "/v1" and response_id:
            act = self._side.delete_response if call.method == "DELETE" else self._side.stored_response
            return act(key, response_id)
        if call.path == "/v1/responses":
            raise Refused(426, "This endpoint needs a WebSocket upgrade, which the simulator does not offer.")
        if call.path in self._generators or call.path in self._posts:
            raise Refused(405, f"Not allowed to {call.method} on {call.path}")
        raise Refused(404, f"Invalid URL ({call.method} {call.path})")

    async def _answer(self, call: Call, family: Family, answer: Answer) -> None:
        """A free answer: no line on the bill."""
        if answer is None:
            return
        speaker = self._speakers[family]
        request_id = speaker.request_id(self._service.identities.new())
        headers = speaker.headers(request_id, None, self._clock.now_ms() // 1000)
        await send_whole(call.send, 200, [_JSON, *headers], json.dumps(answer))

    async def _refuse(self, call: Call, family: Family, refused: Refused) -> None:
        speaker = self._speakers[family]
        now_s = self._clock.now_ms() // 1000
        request_id = speaker.request_id(self._service.identities.new())
        limits = (
            dict(speaker.limit_headers(refused.status, refused.retry_after_s, now_s))
            if refused.retry_after_s is not None
            else {}
        )
        limits |= {name.lower().encode(): value.encode("latin-1") for name, value in refused.headers.items()}
        usual = [
            (name, value) for name, value in speaker.headers(request_id, None, now_s) if name not in limits
        ]
        headers = [_JSON, *usual, *((name, value) for name, value in limits.items() if value)]
        await send_whole(call.send, refused.status, headers, speaker.error(refused, request_id))


def family_of(call: Call) -> Family:
    """Whose endpoint a path is; model lists are told apart by the headers, as the vendors' hosts would be."""
    path, headers = call.path, call.headers
    if path.startswith("/v1beta") or _GEMINI_PATH.fullmatch(path):
        return "gemini"
    if path.startswith("/v1/messages"):
        return "anthropic"
    if path.startswith("/v1/models"):
        if b"x-goog-api-key" in headers or "key" in call.query:
            return "gemini"
        return "anthropic" if b"anthropic-version" in headers else "openai"
    return "openai"


def _models(family: Family, name: str, query: Mapping[str, str]) -> dict[str, Any]:
    match family:
        case "anthropic":
            return catalog.anthropic_model(name) if name else catalog.anthropic_list(query)
        case "openai":
            return catalog.openai_model(name) if name else catalog.openai_list()
        case "gemini":
            return catalog.gemini_model(name) if name else catalog.gemini_list()
