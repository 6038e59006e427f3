"""What real clients sent (recorded 2026-11-23), replayed line by line: the provider's answer arrives intact.

`recordings/*.jsonl.gz` holds one request per line: method, path, header lines in order, JSON body (prose
replaced by filler).
"""

import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import wire
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.jsonl.gz"))
DUMMY_KEY = re.compile("sk-gw-dummy|oauth-or-gw-token|(?<=Bearer )tok$")
REPLACED = frozenset({"host", "content-length"})
NOT_SERVED = {"/v1/interactions": 404, "/v1/responses/resp_x": 404}
"""Not one of our endpoints; an object that the provider does not have."""
FREE = ("count_tokens", "countTokens", "input_tokens")
Recorded = dict[str, Any]
UPSTREAM_KEYS = {platform: f"sim-recorded-{platform}" for platform in ("anthropic", "openai", "gemini")}


def read(path: Path) -> list[Recorded]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def platform_of(request: Recorded) -> str:
    names = {name.lower() for name, _ in request["headers"]}
    if "x-goog-api-key" in names or request["path"].startswith("/v1beta"):
        return "gemini"
    return "anthropic" if "anthropic-version" in names else "openai"


@pytest.fixture(scope="module")
def callers(gateway: Gateway, simulator: RunningSimulator) -> dict[str, Provisioned]:
    return {
        platform: gateway.provision(platform, simulator.url, upstream_keys=(key,), name="recorded")
        for platform, key in UPSTREAM_KEYS.items()
    }


def replay(gateway: Gateway, key: str, request: Recorded) -> wire.Answer:
    headers = [
        (name, DUMMY_KEY.sub(key, value))
        for name, value in request["headers"]
        if name.lower() not in REPLACED
    ]
    body = request["body"]
    data = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return wire.send(gateway.url, request["method"], request["path"], headers, data)


def is_billed(request: Recorded) -> bool:
    path = request["path"].partition("?")[0]
    return request["method"] == "POST" and path not in NOT_SERVED and not path.endswith(FREE)


def hides_usage(request: Recorded) -> bool:
    """A chat stream that did not ask for its usage: the usage chunk is taken out (see test_bytes)."""
    body = request["body"]
    asked = (body.get("stream_options") or {}).get("include_usage")
    return request["path"] == "/v1/chat/completions" and body.get("stream") and not asked


def check(gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, request: Recorded) -> None:
    answer = replay(gateway, caller.key, request)
    is_upgrade = any(name.lower() == "upgrade" for name, _ in request["headers"])
    path = request["path"].partition("?")[0]
    wanted = 426 if is_upgrade else NOT_SERVED.get(path, 200)
    assert answer.status == wanted, (request["method"], request["path"], answer.body[:300])
    if not is_billed(request):
        return
    line = simulator.settled_bill(key=UPSTREAM_KEYS[platform_of(request)])["lines"][-1]
    assert line["status"] == "complete"
    if hides_usage(request):
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert b'"usage":{' not in answer.body
    else:
        assert answer.sha256 == line["sha256"], request["path"]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.name.removesuffix(".jsonl.gz"))
def test_every_recorded_request_is_answered_intact(
    gateway: Gateway, simulator: RunningSimulator, callers: dict[str, Provisioned], recording: Path
) -> None:
    requests = read(recording)
    assert requests
    for request in requests:
        check(gateway, simulator, callers[platform_of(request)], request)


def test_the_burst_of_counts_of_claude_code_is_answered_at_once(
    gateway: Gateway, callers: dict[str, Provisioned]
) -> None:
    (recording,) = [path for path in RECORDINGS if "context" in path.name]
    requests = read(recording)
    assert len(requests) == 25
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(lambda r: replay(gateway, callers["anthropic"].key, r), requests))
    assert [answer.status for answer in answers] == [200] * 25
    assert all(answer.json["input_tokens"] > 0 for answer in answers)


def test_counting_is_free(gateway: Gateway, callers: dict[str, Provisioned]) -> None:
    (recording,) = [path for path in RECORDINGS if "context" in path.name]
    caller = callers["anthropic"]
    before = len(gateway.usage(api_key_id=caller.key_id))
    assert replay(gateway, caller.key, read(recording)[0]).status == 200
    assert len(gateway.usage(api_key_id=caller.key_id)) == before


def test_a_codex_websocket_upgrade_is_answered_426_so_that_it_falls_back_to_https(
    gateway: Gateway, callers: dict[str, Provisioned]
) -> None:
    (recording,) = [path for path in RECORDINGS if "codex-ws" in path.name]
    (request,) = read(recording)
    answer = replay(gateway, callers["openai"].key, request)
    assert answer.status == 426
    assert answer.json["error"]["message"]


def test_a_repeated_user_agent_is_tolerated(gateway: Gateway, callers: dict[str, Provisioned]) -> None:
    (recording,) = [path for path in RECORDINGS if path.name == "py-genai.jsonl.gz"]
    request = read(recording)[0]
    request["headers"].append(["User-Agent", "pydantic-ai/2.0"])
    assert replay(gateway, callers["gemini"].key, request).status == 200
