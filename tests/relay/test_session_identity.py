"""Recorded requests of real clients are recognised by the rule that is meant for each (clients 9)."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from headgate.core.dialects.contract import Peek, Target
from headgate.core.ids import KeyId
from headgate.core.routing.affinity import Session, session_of
from headgate.relay.dialects import HANDLERS
from headgate.relay.routes import match

RECORDINGS = Path(__file__).parent.parent / "e2e" / "recordings"
CLAUDE = "X-Claude-Code-Session-Id"
Recorded = dict[str, Any]


def posted(name: str) -> list[Recorded]:
    lines = gzip.decompress((RECORDINGS / f"{name}.jsonl.gz").read_bytes()).splitlines()
    return [request for line in lines if (request := json.loads(line)).get("method") == "POST"]


def identify(request: Recorded, *, without: frozenset[str] = frozenset(), **peeked: Any) -> Session | None:
    path, _, query = request["path"].partition("?")
    target = match("POST", path, query.encode())
    assert isinstance(target, Target), path
    peek = HANDLERS[target.dialect].peek(target, json.dumps(request["body"]).encode())
    assert isinstance(peek, Peek), path
    headers = {name.lower(): value for name, value in request["headers"] if name not in without}
    return session_of(headers, replace(peek, **peeked), KeyId(7))


def header(request: Recorded, name: str) -> str:
    return dict(request["headers"])[name]


@pytest.mark.parametrize("name", ["cli-claude-authtoken", "cli-claude-tool", "cli-claude-context"])
def test_claude_code_is_known_by_its_header_from_counting_to_the_last_turn(name: str) -> None:
    requests = posted(name)
    found = {identify(request) for request in requests}
    assert found == {
        Session("x-claude-code-session-id", _key("claude", header(requests[0], CLAUDE))),
    }


def test_the_metadata_of_claude_code_means_the_same_conversation_as_its_header() -> None:
    for request in posted("cli-claude-tool"):
        found, by_header = identify(request, without=frozenset({CLAUDE})), identify(request)
        assert found is not None
        assert by_header is not None
        assert (found.rule, found.key) == ("metadata.user_id", by_header.key)


@pytest.mark.parametrize("name", ["cli-codex-sse", "cli-codex-tool"])
def test_codex_is_known_by_its_header(name: str) -> None:
    requests = posted(name)
    assert {identify(request) for request in requests} == {
        Session("session-id", _key("session", header(requests[0], "session-id")))
    }


def test_codex_behind_a_proxy_that_drops_its_headers_is_known_by_its_cache_key() -> None:
    for request in posted("cli-codex-tool"):
        found = identify(request, without=frozenset({"session-id", "thread-id"}))
        assert found == Session("prompt_cache_key", _key("cache", request["body"]["prompt_cache_key"]))


def test_opencode_is_known_by_its_header() -> None:
    requests = posted("cli-opencode-gwanth")
    found = [identify(request) for request in requests]
    assert [session and session.rule for session in found] == ["x-session-affinity"] * len(requests)
    without = [identify(request, without=frozenset({"x-session-affinity"})) for request in requests]
    assert [s and s.key for s in without] == [s and s.key for s in found]


def test_gemini_cli_keeps_its_conversation_over_the_turns_of_a_tool() -> None:
    requests = posted("cli-gemini-tool")
    found = {identify(request) for request in requests}
    assert len(requests) == 2
    assert [session and session.rule for session in found] == ["gemini-cli"]


@pytest.mark.parametrize("name", ["js-anthropic", "js-openai", "js-genai", "py-anthropic", "py-genai"])
def test_an_sdk_that_says_nothing_is_known_by_its_content(name: str) -> None:
    request = next(r for r in posted(name) if "messages" in r["body"] or "contents" in r["body"])
    found = identify(request)
    assert found is not None
    assert found.rule == "conversation_seed"


def test_the_openai_sdk_is_known_by_the_user_it_names() -> None:
    request = next(r for r in posted("py-openai") if "user" in r["body"])
    assert identify(request) == Session("user", _key("user", request["body"]["user"]))


def _key(family: str, value: str) -> Any:
    return f"7:{family}:{value}"
