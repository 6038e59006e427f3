"""Keys, bad input and unknown paths: each in its vendor's own words, and free of charge."""

import json

import pytest

from tests.simulator import raw
from tests.support.simulator import RunningSimulator

ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize("headers", [{"x-api-key": "sim-x"}, {"authorization": "Bearer sim-x"}])
def test_anthropic_takes_its_key_in_either_header(
    simulator: RunningSimulator, headers: dict[str, str]
) -> None:
    body = raw.message_body("hi", stream=False)
    assert (
        raw.call(simulator, "POST", "/v1/messages", headers={**ANTHROPIC, **headers}, body=body).status == 200
    )


@pytest.mark.parametrize(
    ("headers", "query"),
    [({"x-goog-api-key": "sim-x"}, ""), ({}, "?key=sim-x"), ({"authorization": "Bearer sim-x"}, "")],
)
def test_google_takes_its_key_in_three_places(
    simulator: RunningSimulator, headers: dict[str, str], query: str
) -> None:
    assert raw.call(simulator, "GET", f"/v1beta/models{query}", headers=headers).status == 200


def test_a_wrong_anthropic_key_is_a_401_authentication_error(simulator: RunningSimulator) -> None:
    headers = {**ANTHROPIC, "x-api-key": "sk-ant-x"}
    answer = raw.call(simulator, "POST", "/v1/messages", headers=headers, body=raw.message_body("hi"))
    assert (answer.status, answer.json["error"]["type"]) == (401, "authentication_error")


def test_a_wrong_openai_key_is_a_401_invalid_api_key(simulator: RunningSimulator) -> None:
    headers = {"authorization": "Bearer sk-x"}
    answer = raw.call(simulator, "POST", "/v1/chat/completions", headers=headers, body=b"{}")
    assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        ({"x-goog-api-key": "AIza"}, 400, "INVALID_ARGUMENT"),
        ({"authorization": "Bearer ya29"}, 401, "UNAUTHENTICATED"),
        ({}, 401, "UNAUTHENTICATED"),
    ],
)
def test_a_wrong_google_key_is_refused_as_google_does(
    simulator: RunningSimulator, headers: dict[str, str], status: int, name: str
) -> None:
    answer = raw.call(simulator, "GET", "/v1beta/models", headers=headers)
    assert (answer.status, answer.json["error"]["status"]) == (status, name)


@pytest.mark.parametrize(
    ("headers", "first"),
    [
        ({"x-goog-api-key": "sim-x"}, '{"models"'),
        ({**ANTHROPIC, "x-api-key": "sim-x"}, '{"data"'),
        ({"authorization": "Bearer sim-x"}, '{"object":"list"'),
    ],
)
def test_the_model_list_under_v1_is_told_apart_by_headers(
    simulator: RunningSimulator, headers: dict[str, str], first: str
) -> None:
    assert raw.call(simulator, "GET", "/v1/models", headers=headers).body.startswith(first.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"model":"m"}',
        b'{"model":"m","messages":[{"role":"user","content":"hi"}]}',
        b'{"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"m","max_tokens":5,"messages":[]}',
        b'{"model":"m","max_tokens":5,"stream":"yes","messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"\xff"}]}',
    ],
)
def test_bad_input_is_an_invalid_request_and_costs_nothing(
    simulator: RunningSimulator, key: str, body: bytes
) -> None:
    answer = raw.call(simulator, "POST", "/v1/messages", headers={**ANTHROPIC, "x-api-key": key}, body=body)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert simulator.bill(key=key)["lines"] == []


def test_messages_without_a_version_header_are_refused(simulator: RunningSimulator, key: str) -> None:
    answer = raw.call(
        simulator, "POST", "/v1/messages", headers={"x-api-key": key}, body=raw.message_body("hi")
    )
    assert (answer.status, "anthropic-version" in answer.json["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405), ("PATCH", "/v1/responses", 405)],
)
def test_unknown_paths_and_methods_are_refused(
    simulator: RunningSimulator, key: str, method: str, path: str, status: int
) -> None:
    answer = raw.call(simulator, method, path, headers={"authorization": f"Bearer {key}"})
    assert answer.status == status


def test_a_misspelt_script_says_so_instead_of_passing_silently(simulator: RunningSimulator, key: str) -> None:
    answer = raw.messages(simulator, key, "hi [[sim: statuss=500]]")
    assert (answer.status, "statuss" in answer.json["error"]["message"]) == (400, True)


def test_health_needs_no_key(simulator: RunningSimulator) -> None:
    assert raw.call(simulator, "GET", "/health", headers={}).json["status"] == "ok"


def test_a_script_for_a_foreign_key_is_refused(simulator: RunningSimulator) -> None:
    body = json.dumps({"key": "sk-x", "script": {}}).encode()
    assert raw.call(simulator, "POST", "/__script", headers={}, body=body).status == 400


def test_a_script_can_write_headers_as_no_vendor_does(simulator: RunningSimulator, key: str) -> None:
    odd = {"retry-after": "P1D", "x-codex-primary-reset-after-seconds": "-4"}
    missing = "anthropic-ratelimit-unified-reset"
    simulator.script(key, {"status": 429, "headers": {**odd, missing: ""}}, times=1)
    answer = raw.messages(simulator, key, "hi")
    assert missing not in answer.headers
    assert {name: answer.headers[name] for name in odd} == odd
