"""Data-plane traffic with a canary in everything a caller sends: what goes well, and every way to fail."""

import json
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from tests.e2e import wire
from tests.e2e.canaries import Canaries
from tests.e2e.echo_upstream import BROKEN_OFF, REFUSALS, WAYS
from tests.e2e.speakers import GEMINI, MESSAGES, RESPONSES, STREAMS, WHOLE, Speaker
from tests.support.gateway import Gateway

AGENT = "canary-agent/1.0"
"""Stored on every record on purpose: the test's proof that it looks at the right bytes."""
BODY_LIMIT = 60_000
LIMITS = {
    "HEADGATE_GATEWAY__MAX_BODY_SIZE": str(BODY_LIMIT),
    "HEADGATE_GATEWAY__RESPONSE_HEADER_TIMEOUT_S": "1",
    "HEADGATE_GATEWAY__STREAM_IDLE_TIMEOUT_S": "1",
    "HEADGATE_SERVER__HEADER_TIMEOUT_S": "2",
    "HEADGATE_SERVER__BODY_TIMEOUT_S": "1",
}
_FEW_WAYS = ("401", "429", "500", "529", "inband", "late", "cut", "silent", "stalled", "malformed")
_ODD_CREDENTIALS = ("/404", "/inband")
"""Here the credential does not look like one of the vendor's: compatible providers have keys of any shape."""
_KEY_SHAPES = {"anthropic": "sk-ant-", "openai": "sk-", "gemini": "AIza"}
QUOTED = frozenset(
    {
        "system prompt", "user message", "tool name", "tool text", "user id", "query",
        "session id header", "accept-language header",
    }
)  # fmt: skip
"""What the provider is told by the caller: the caller may read it again in the provider's refusal."""
UPSTREAM = "upstream error body"
_MAY_HOLD = {way: QUOTED | {UPSTREAM} for way in REFUSALS} | {
    way: frozenset({UPSTREAM}) for way in BROKEN_OFF
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer. `may_hold`: places whose canaries are allowed in it, by design."""

    label: str
    status: int
    head: str
    body: bytes = field(repr=False)
    may_hold: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lane:
    """A key whose only account fails in one `way`, or not at all."""

    speaker: Speaker
    way: str
    key: str = field(repr=False)
    account_id: int


class Owner:
    """Admin and user of the gateway, with what they need to make lanes."""

    def __init__(self, gateway: Gateway, canaries: Canaries, *, admin: str, user: str, echo: str) -> None:
        self.gateway = gateway
        self.canaries = canaries
        self.admin = admin
        self.user = user
        self.echo = echo

    def account(self, platform: str, base_url: str, groups: list[int], **more: Any) -> int:
        place = f"credential of {platform} at {base_url.rpartition('/')[2]}"
        is_shaped = self.echo in base_url and not base_url.endswith(_ODD_CREDENTIALS)
        prefix = _KEY_SHAPES[platform] if is_shaped else "sim-"
        secret = self.canaries.new(place, prefix=prefix)
        credentials = {"api_key": secret, "base_url": base_url, **more.pop("credentials", {})}
        made: int = self.gateway.api("POST", "/admin/accounts", {
            "name": f"account-{place[-30:]}", "platform": platform, "type": "apikey", "concurrency": 100,
            "group_ids": groups, "credentials": credentials, **more,
        }, token=self.admin)["id"]  # fmt: skip
        return made

    def group(self, platform: str, name: str) -> int:
        made: int = self.gateway.api(
            "POST", "/admin/groups", {"name": name, "platform": platform}, token=self.admin
        )["id"]
        return made

    def key(self, group_id: int) -> str:
        secret = self.canaries.new("custom key")
        self.gateway.api(
            "POST",
            "/keys",
            {"name": "key-of-lane", "group_id": group_id, "custom_key": secret},
            token=self.user,
        )
        return secret

    def lane(self, speaker: Speaker, way: str, base_urls: tuple[str, ...], **account: Any) -> Lane:
        """The first account is the preferred one."""
        group = self.group(speaker.platform, f"{speaker.name}-{way}")
        accounts = [
            self.account(speaker.platform, url, [group], priority=10 * n, **account)
            for n, url in enumerate(base_urls, start=1)
        ]
        return Lane(speaker, way, self.key(group), accounts[0])


def lanes(owner: Owner, simulator: str) -> list[Lane]:
    """One per dialect, framing and way to fail; failover from a failing account; and one that works."""
    made = []
    for speaker in (*WHOLE, *STREAMS):
        made.append(owner.lane(speaker, "good", (simulator,)))
        made.append(owner.lane(speaker, "failover", (f"{owner.echo}/500", simulator)))
    ways_of = [(MESSAGES, way) for way in WAYS]
    ways_of += [(speaker, way) for speaker in (*WHOLE[1:], *STREAMS) for way in (*_FEW_WAYS, "400", "404")]
    return made + [owner.lane(speaker, way, (f"{owner.echo}/{way}",)) for speaker, way in ways_of]


class Traffic:
    """Everything a caller can do, with canaries in it."""

    def __init__(self, gateway: Gateway, canaries: Canaries) -> None:
        self.gateway = gateway
        self.canaries = canaries

    def drive(self, lanes: list[Lane]) -> list[Seen]:
        with ThreadPoolExecutor(12) as pool:
            return list(pool.map(self._ask, lanes))

    def _ask(self, lane: Lane) -> Seen:
        speaker = lane.speaker
        path = self._path(speaker.path.format(model=speaker.model))
        allowed = _MAY_HOLD.get(lane.way, frozenset())
        body = {**speaker.body(speaker.model, "x"), **self.prompt(speaker)}
        return self.send(f"{speaker.name} {lane.way}", path, self._headers(lane), body, may_hold=allowed)

    def send(
        self,
        label: str,
        path: str,
        headers: Mapping[str, str],
        body: Mapping[str, Any] | bytes,
        *,
        method: str = "POST",
        may_hold: frozenset[str] = frozenset(),
    ) -> Seen:
        """Ask; a connection that breaks off is an answer as far as it came."""
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        lines = [("content-type", "application/json"), *headers.items(), ("connection", "close")]
        request = wire.request_bytes(self.gateway.url, method, path, lines, data)
        raw = b""
        with suppress(OSError), wire.opened(self.gateway.url, request) as connection:
            while piece := connection.recv(65536):
                raw += piece
        head, _, content = raw.partition(b"\r\n\r\n")
        status = int(head.split()[1]) if head else 0
        if status == 200 and not may_hold:  # the model's answer: Responses repeats instructions and tools
            may_hold = QUOTED
        return Seen(label, status, head.decode("latin-1"), content, may_hold)

    def _path(self, path: str) -> str:
        return f"{path}{'&' if '?' in path else '?'}beta=true&session={self.canaries.new('query')}"

    def _headers(self, lane: Lane) -> dict[str, str]:
        return {**lane.speaker.headers(lane.key), **self.noise()}

    def noise(self) -> dict[str, str]:
        """Headers that nobody asked for, and ids of a bad form."""
        new = self.canaries.new
        return {
            "user-agent": AGENT,
            "x-secret": new("unknown header"),
            "cookie": f"session={new('cookie')}",
            "proxy-authorization": f"Basic {new('proxy-authorization header')}",
            "x-request-id": f"bad id {new('X-Request-ID of a bad form')}",
            "x-forwarded-for": new("x-forwarded-for header"),
            "referer": f"https://client.example/?token={new('referer')}",
            "session_id": new("session id header"),
            "traceparent": new("traceparent header"),
            "accept-language": new("accept-language header"),
        }

    def prompt(self, speaker: Speaker) -> dict[str, Any]:
        """System, messages, tools and the user's id, as the dialect has them."""
        new = self.canaries.new
        system, text, user = new("system prompt"), new("user message"), new("user id")
        name, about = new("tool name"), new("tool text")
        schema = {"type": "object", "properties": {name: {"type": "string", "description": about}}}
        function = {"name": name, "description": about, "parameters": schema}
        match speaker.path.split("/")[2].split("?")[0]:
            case "messages":
                return {
                    "system": [{"type": "text", "text": system}],
                    "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}],
                    "tools": [{"name": name, "description": about, "input_schema": schema}],
                    "metadata": {"user_id": user},
                }
            case "chat":
                messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
                tools = [{"type": "function", "function": function}]
                return {"messages": messages, "tools": tools, "user": user, "safety_identifier": user}
            case "responses":
                tools = [{"type": "function", **function}]
                ids = {"user": user, "prompt_cache_key": user, "metadata": {"user_id": user}}
                return {"instructions": system, "input": text, "tools": tools, **ids}
            case _:
                return {
                    "systemInstruction": {"parts": [{"text": system}]},
                    "contents": [{"role": "user", "parts": [{"text": text}]}],
                    "tools": [{"functionDeclarations": [function]}],
                    "labels": {"user_id": user},
                }

    def side_doors(self, good: Mapping[str, Lane]) -> Iterator[Seen]:
        """Counting, embedding, pictures, models, usage."""
        messages, chat, gemini = good["messages"], good["chat"], good["gemini"]
        text = self.canaries.new
        asked: list[tuple[str, Lane, dict[str, Any]]] = [
            ("/v1/messages/count_tokens", messages, {"model": MESSAGES.model, **self.prompt(MESSAGES)}),
            ("/v1/embeddings", chat, {"model": "text-embedding-3-small", "input": text("embedded text")}),
            ("/v1/images/generations", chat, {"model": "gpt-image-1", "prompt": text("picture's text")}),
            ("/v1/responses/input_tokens", chat, {"model": RESPONSES.model, **self.prompt(RESPONSES)}),
            ("/v1/responses/compact", chat, {"model": RESPONSES.model, **self.prompt(RESPONSES)}),
            (f"/v1beta/models/{GEMINI.model}:countTokens", gemini, self.prompt(GEMINI)),
            (
                "/v1beta/models/gemini-embedding-001:embedContent",
                gemini,
                {"content": {"parts": [{"text": text("embedded text")}]}},
            ),
        ]
        for path, lane, body in asked:
            yield self.send(path, self._path(path), self._headers(lane), body)
        for path, lane in (
            ("/v1/models", messages),
            ("/v1/models", chat),
            ("/v1beta/models", gemini),
            ("/v1/usage", chat),
        ):
            yield self.send(path, self._path(path), self._headers(lane), b"", method="GET")

    def keys_in_query(self, lanes: list[Lane]) -> Iterator[Seen]:
        """Google's clients may send a valid key so; it goes no further than here."""
        for lane in lanes:
            path = self._path(GEMINI.path.format(model=GEMINI.model)) + f"&key={lane.key}"
            allowed = _MAY_HOLD.get(lane.way, frozenset())
            yield self.send(f"?key {lane.way}", path, self.noise(), self.prompt(GEMINI), may_hold=allowed)

    def refused(self, good: Mapping[str, Lane]) -> Iterator[Seen]:
        """What the gateway itself turns down, in every dialect."""
        for speaker in WHOLE:
            lane = good[speaker.name]
            path = self._path(speaker.path.format(model=speaker.model))
            for label, body in self._bad_bodies(speaker):
                yield self.send(f"{speaker.name} {label}", path, self._headers(lane), body)
            for label, headers in self._bad_headers(lane):
                good_body = {**speaker.body(speaker.model, "x"), **self.prompt(speaker)}
                yield self.send(f"{speaker.name} {label}", path, {**self.noise(), **headers}, good_body)
            for name in ("key", "api_key"):
                secret = self.canaries.new("key in the query")
                yield self.send(f"{speaker.name} ?{name}", f"{path}&{name}={secret}", self.noise(), b"{}")
            yield self.send(f"{speaker.name} method", path, self._headers(lane), b"", method="PATCH")
            yield self.send(f"{speaker.name} path", "/v1/nothing?x=" + path, self._headers(lane), b"{}")

    def _bad_bodies(self, speaker: Speaker) -> Iterator[tuple[str, bytes]]:
        body = {**speaker.body(speaker.model, "x"), **self.prompt(speaker)}
        whole = json.dumps(body).encode()
        text = self.canaries.new("user message").encode()
        yield "cut json", whole[:-3]
        yield "bare text", text
        yield "json string", b'"' + text + b'"'
        yield "bad utf-8", whole[:-1] + b',"x":"\xff"}'
        yield "bad number", b'{"a":' + text + b"}"
        yield "too large", whole[:-1] + b',"pad":"' + text + b"x" * BODY_LIMIT + b'"}'
        yield "odd stream", json.dumps({**body, "stream": text.decode()}).encode()
        yield "odd model", json.dumps({**body, "model": [text.decode()]}).encode()
        yield (
            "odd limit",
            json.dumps({**body, "max_tokens": text.decode(), "max_output_tokens": text.decode()}).encode(),
        )
        yield "long model", json.dumps({**body, "model": text.decode() * 20}).encode()

    def _bad_headers(self, lane: Lane) -> Iterator[tuple[str, Mapping[str, str]]]:
        wrong, new = "a wrong key", self.canaries.new
        yield "wrong key", lane.speaker.headers(new(wrong))
        yield "wrong bearer", {"authorization": f"Bearer {new(wrong)}"}
        yield "wrong scheme", {"authorization": f"Basic {new(wrong)}"}
        yield "no key", {}
        yield (
            "content type",
            {**lane.speaker.headers(lane.key), "content-type": f"text/{new('content type')}"},
        )
        yield "coding", {**lane.speaker.headers(lane.key), "content-encoding": new("content encoding")}
        yield "flood", {**lane.speaker.headers(lane.key), "x-long": new("long header") * 3000}
        yield "upgrade", {**lane.speaker.headers(lane.key), "upgrade": "websocket"}

    def unknown_models(self, choosy: list[Lane]) -> Iterator[Seen]:
        """A model's name is no secret: the caller may read it again, logs and metrics may not."""
        for lane in choosy:
            speaker, name = lane.speaker, self.canaries.new("unknown model", prefix="model-")
            path = self._path(speaker.path.format(model=name))
            body = {**speaker.body(name, "x"), **self.prompt(speaker)}
            may_hold = frozenset({"unknown model"})
            yield self.send(f"{speaker.name} model", path, self._headers(lane), body, may_hold=may_hold)

    def broken_off(self, good: Mapping[str, Lane]) -> Iterator[Seen]:
        """Requests that are no HTTP, that stop half-way, and a client that leaves its answer."""
        lane = good["messages-sse"]
        new = self.canaries.new
        body = json.dumps(
            {**MESSAGES.body(MESSAGES.model, "x"), **self.prompt(MESSAGES), "stream": True}
        ).encode()
        lines = [("content-type", "application/json"), *self._headers(lane).items()]
        whole = wire.request_bytes(self.gateway.url, "POST", "/v1/messages", lines, body)
        broken = {
            "no http": f"GET /{new('request line')} nonsense\r\n{new('unknown header')}\r\n\r\n".encode(),
            "half a head": whole[:300],
            "half a body": whole[:-20],
        }
        for label, data in broken.items():
            raw = b""
            with suppress(OSError, HTTPException), wire.opened(self.gateway.url, data) as connection:
                while piece := connection.recv(65536):
                    raw += piece
            yield Seen(label, 400, "", raw)
        with wire.opened(self.gateway.url, whole) as connection:
            connection.recv(10)
            connection.shutdown(socket.SHUT_RDWR)
