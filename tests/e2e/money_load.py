"""The mixed load of the money tests: four dialects, json and stream, tools, caches, faults, leavers.

Deterministic: the n-th request is always the same. What an answer suffers is scripted in the request itself
(`[[sim: ...]]`), so that every account can serve every request.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from tests.support.gateway import Gateway
from tests.support.load import Shot
from tests.support.simulator import RunningSimulator

DIALECTS = ("messages", "chat", "responses", "gemini")
PLATFORMS = {"messages": "anthropic", "chat": "openai", "responses": "openai", "gemini": "gemini"}
MODELS = {
    "messages": ("claude-sonnet-4-6", "claude-haiku-4-5-20251001"),
    "chat": ("gpt-5", "gpt-4o-mini"),
    "responses": ("gpt-5", "gpt-5.4-mini"),
    "gemini": ("gemini-2.5-flash", "gemini-2.5-pro"),
}
FAULTS = (
    "", "", "", "", "", "", "", "", "cut_after=4", "error_after=0", "error_after=5", "malformed_after=3",
    "missing_usage", "event_delay=0.02 events=10", "cut_after=0", "cut_after=9", "malformed_after=0",
    "pings=3", "delay=0.05",
)  # fmt: skip
SYSTEM = "You are a careful clerk who counts every token twice. " * 12
TOOL = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
USERS_PER_GROUP = 3
START_BALANCE = 50


@dataclass(frozen=True, slots=True)
class Payer:
    """A key, its owner, and the platform it pays for."""

    user_id: int
    key: str


def provide(
    gateway: Gateway, simulator: RunningSimulator, name: str, *, with_broken: bool = True
) -> dict[str, list[Payer]]:
    """Per dialect a group with three to six accounts, some of which fail, and three users with a key each."""
    payers: dict[str, list[Payer]] = {}
    for number, dialect in enumerate(DIALECTS):
        healthy = tuple(f"sim-{name}-{dialect}-{n}" for n in "abc")
        broken = tuple(f"sim-{name}-{dialect}-{s}" for s in (401, 429, 500, 529)) if with_broken else ()
        for secret in broken:
            status = int(secret.rpartition("-")[2])
            again = {"retry_after": 1} if status in (429, 529) else {}
            simulator.script(secret, {"status": status, **again}, times=12)
        made = gateway.provision(
            PLATFORMS[dialect], simulator.url, upstream_keys=(*broken, *healthy), name=f"{name}-{dialect}",
            balance=START_BALANCE, group={"rate_multiplier": 1 + number / 4},
            account={"rate_multiplier": 0.37},
        )  # fmt: skip
        payers[dialect] = [Payer(made.user_id, made.key)]
        for extra in range(1, USERS_PER_GROUP):
            payers[dialect].append(_another(gateway, f"{name}-{dialect}-{extra}", made.group_id))
    return payers


def _another(gateway: Gateway, name: str, group_id: int) -> Payer:
    email = f"{name}@headgate.test"
    body = {"email": email, "password": "user-password", "concurrency": 500}
    user_id = gateway.api("POST", "/admin/users", body)["id"]
    money = {"balance": START_BALANCE, "operation": "add"}
    gateway.api("POST", f"/admin/users/{user_id}/balance", money)
    token = gateway.login(email, "user-password")
    made = gateway.api("POST", "/keys", {"name": name, "group_id": group_id}, token=token)
    return Payer(user_id, made["key"])


def shots(
    payers: Mapping[str, list[Payer]], amount: int, *, first: int = 0, named: bool = False, script: str = ""
) -> list[Shot]:
    """Requests `first` to `first + amount`. `named`: the model name carries the number, so that the bill says
    which request it served. `script` replaces the scripted faults."""
    return list(islice(_endless(payers, first, named, script), amount))


def _endless(payers: Mapping[str, list[Payer]], first: int, named: bool, script: str) -> Iterator[Shot]:
    for number in count(first):
        dialect = DIALECTS[number % 4]
        turn = number // 4
        payer = payers[dialect][turn % USERS_PER_GROUP]
        model = MODELS[dialect][turn % 2] + (f"~message={number}" if named else "")
        stream = turn % 3 != 0
        words = script or FAULTS[turn % len(FAULTS)]
        text = f"Question {turn % 40}: what does it cost?" + (f" [[sim: {words}]]" if words else "")
        leave = 700 + 90 * (turn % 7) if stream and turn % 17 == 5 else None
        path, headers, body = _BUILDERS[dialect](model, text, stream, turn, payer.key)
        yield Shot(path=path, headers=headers, body=json.dumps(body).encode(), leave_after=leave)


_Built = tuple[str, dict[str, str], dict[str, Any]]


def _messages(model: str, text: str, stream: bool, turn: int, key: str) -> _Built:
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h" if turn % 2 else "5m"}}
    body: dict[str, Any] = {
        "model": model, "max_tokens": 4000, "stream": stream,
        "system": [{"type": "text", "text": f"{SYSTEM}{turn % 9}", **mark}],
        "messages": [{"role": "user", "content": text}],
    }  # fmt: skip
    if turn % 5 == 1:
        body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    if turn % 7 == 2:
        body["tools"] = [{"name": "weather", "description": "d", "input_schema": TOOL}]
        body["tool_choice"] = {"type": "any"}
    return "/v1/messages", {"x-api-key": key, "anthropic-version": "2023-06-01"}, body


def _chat(model: str, text: str, stream: bool, turn: int, key: str) -> _Built:
    body: dict[str, Any] = {
        "model": model, "stream": stream,
        "messages": [
            {"role": "system", "content": f"{SYSTEM}{turn % 9}"}, {"role": "user", "content": text},
        ],
    }  # fmt: skip
    if stream and turn % 2:
        body["stream_options"] = {"include_usage": True}
    if turn % 5 == 1:
        body["reasoning_effort"] = "medium"
    if turn % 7 == 2:
        body["tools"] = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
        body["tool_choice"] = "required"
    return "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body


def _responses(model: str, text: str, stream: bool, turn: int, key: str) -> _Built:
    body: dict[str, Any] = {
        "model": model, "stream": stream, "instructions": f"{SYSTEM}{turn % 9}", "input": text,
        "store": False,
    }  # fmt: skip
    if turn % 5 == 1:
        body["reasoning"] = {"effort": "medium"}
    if turn % 7 == 2:
        body["tools"] = [{"type": "function", "name": "weather", "parameters": TOOL}]
        body["tool_choice"] = "required"
    return "/v1/responses", {"authorization": f"Bearer {key}"}, body


def _gemini(model: str, text: str, stream: bool, turn: int, key: str) -> _Built:
    body: dict[str, Any] = {
        "systemInstruction": {"parts": [{"text": f"{SYSTEM}{turn % 9}"}]},
        "contents": [{"role": "user", "parts": [{"text": text}]}],
    }
    if turn % 5 == 1:
        body["generationConfig"] = {"thinkingConfig": {"thinkingBudget": 512, "includeThoughts": True}}
    if turn % 7 == 2:
        body["tools"] = [{"functionDeclarations": [{"name": "weather", "parameters": TOOL}]}]
        body["toolConfig"] = {"functionCallingConfig": {"mode": "ANY"}}
    action = "generateContent"
    if stream:
        action = "streamGenerateContent" + ("?alt=sse" if turn % 2 else "")
    return f"/v1beta/models/{model}:{action}", {"x-goog-api-key": key}, body


_BUILDERS = {"messages": _messages, "chat": _chat, "responses": _responses, "gemini": _gemini}


def _plain_messages(model: str, text: str, *, stream: bool, most: int | None, key: str) -> _Built:
    body = {
        "model": model, "max_tokens": most or 4096, "stream": stream,
        "messages": [{"role": "user", "content": text}],
    }  # fmt: skip
    return "/v1/messages", {"x-api-key": key, "anthropic-version": "2023-06-01"}, body


def _plain_chat(model: str, text: str, *, stream: bool, most: int | None, key: str) -> _Built:
    body = {
        "model": model, "stream": stream, "messages": [{"role": "user", "content": text}],
        **({"max_completion_tokens": most} if most else {}),
    }  # fmt: skip
    return "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body


def _plain_responses(model: str, text: str, *, stream: bool, most: int | None, key: str) -> _Built:
    limit = {"max_output_tokens": most} if most else {}
    body = {"model": model, "stream": stream, "input": text, **limit}
    return "/v1/responses", {"authorization": f"Bearer {key}"}, body


def _plain_gemini(model: str, text: str, *, stream: bool, most: int | None, key: str) -> _Built:
    action = "streamGenerateContent?alt=sse" if stream else "generateContent"
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    if most:
        body["generationConfig"] = {"maxOutputTokens": most}
    return f"/v1beta/models/{model}:{action}", {"x-goog-api-key": key}, body


SPEAK = {
    "messages": _plain_messages, "chat": _plain_chat, "responses": _plain_responses, "gemini": _plain_gemini,
}  # fmt: skip
"""The plainest request of each dialect."""
