"""Small things that clients rely on: model lists by dialect, paths without /v1, courtesies, request ids."""

import pytest

from tests.e2e import wire
from tests.e2e.conftest import Provision
from tests.e2e.speakers import CHAT, CHAT_SSE, MESSAGES, RESPONSES, WHOLE, Speaker
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator


@pytest.fixture(scope="module")
def callers(
    caller_anthropic: Provisioned, caller_openai: Provisioned, caller_gemini: Provisioned
) -> dict[str, Provisioned]:
    return {"anthropic": caller_anthropic, "openai": caller_openai, "gemini": caller_gemini}


def models(gateway: Gateway, path: str, *headers: tuple[str, str]) -> wire.Answer:
    return wire.send(gateway.url, "GET", path, headers)


def test_an_anthropic_client_gets_its_own_list_at_v1_models(
    gateway: Gateway, caller_anthropic: Provisioned
) -> None:
    listed = models(
        gateway, "/v1/models", ("x-api-key", caller_anthropic.key), ("anthropic-version", "2023-06-01")
    ).json
    assert (listed["has_more"], listed["data"][0]["type"]) == (False, "model")
    assert "object" not in listed


def test_a_google_client_gets_its_own_list_at_v1_models(gateway: Gateway, caller_gemini: Provisioned) -> None:
    by_header = models(gateway, "/v1/models", ("x-goog-api-key", caller_gemini.key)).json
    by_query = models(gateway, f"/v1/models?key={caller_gemini.key}").json
    on_beta = models(gateway, "/v1beta/models", ("authorization", f"Bearer {caller_gemini.key}")).json
    assert by_header == by_query == on_beta
    assert by_header["models"][0]["name"].startswith("models/gemini-")


def test_everybody_else_gets_the_openai_list(gateway: Gateway, caller_openai: Provisioned) -> None:
    listed = models(gateway, "/v1/models", ("authorization", f"Bearer {caller_openai.key}")).json
    assert (listed["object"], listed["data"][0]["object"]) == ("list", "model")


def test_a_model_list_needs_a_key(gateway: Gateway) -> None:
    assert models(gateway, "/v1/models").status == 401


def test_a_mapped_account_lists_the_names_of_its_mapping(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision
) -> None:
    secret = {"api_key": "sim-list", "base_url": simulator.url}
    credentials = {**secret, "model_mapping": {"house-small": "gpt-5", "house-*": "gpt-5"}}
    caller = provision("openai", account={"credentials": credentials})
    authorization = ("authorization", f"Bearer {caller.key}")
    assert [m["id"] for m in models(gateway, "/v1/models", authorization).json["data"]] == ["house-small"]
    assert models(gateway, "/v1/models/house-other", authorization).status == 200
    assert models(gateway, "/v1/models/gpt-5", authorization).status == 404


@pytest.mark.parametrize("speaker", [MESSAGES, CHAT, RESPONSES], ids=lambda speaker: speaker.name)
def test_paths_without_v1_are_served_too(
    gateway: Gateway, callers: dict[str, Provisioned], speaker: Speaker
) -> None:
    key = callers[speaker.platform].key
    body = speaker.body(speaker.model, "hi")
    path = speaker.path.removeprefix("/v1")
    assert wire.post(gateway.url, path, speaker.headers(key), body).status == 200


def test_other_aliases_without_v1_are_served_too(gateway: Gateway, callers: dict[str, Provisioned]) -> None:
    openai, anthropic = callers["openai"].key, callers["anthropic"].key
    count = MESSAGES.body(MESSAGES.model, "hi")
    del count["max_tokens"]
    answers = [
        wire.post(gateway.url, "/messages/count_tokens", MESSAGES.headers(anthropic), count),
        wire.post(gateway.url, "/embeddings", CHAT.headers(openai), {"model": "m", "input": "hi"}),
        wire.post(
            gateway.url,
            "/images/generations",
            CHAT.headers(openai),
            {"model": "gpt-image-1", "prompt": "a lock"},
        ),
        models(gateway, "/models", ("authorization", f"Bearer {openai}")),
    ]
    assert [answer.status for answer in answers] == [200] * 4


def test_a_gemini_action_may_follow_a_slash(gateway: Gateway, caller_gemini: Provisioned) -> None:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    path = "/v1beta/models/gemini-2.5-flash/generateContent"
    assert wire.post(gateway.url, path, {"x-goog-api-key": caller_gemini.key}, body).status == 200


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_root_answers_a_client_that_looks_whether_we_are_there(gateway: Gateway, method: str) -> None:
    answer = wire.send(gateway.url, method, "/", [])
    assert (answer.status, bool(answer.body)) == (200, method == "GET")


def test_event_logging_is_accepted_and_forgotten(gateway: Gateway) -> None:
    answer = wire.post(gateway.url, "/api/event_logging/batch", {}, {"events": [{"event_type": "x"}]})
    assert (answer.status, answer.json) == (200, {})


@pytest.mark.parametrize("speaker", [*WHOLE, CHAT_SSE], ids=lambda speaker: speaker.name)
def test_the_clients_request_id_comes_back(
    gateway: Gateway, callers: dict[str, Provisioned], speaker: Speaker
) -> None:
    given = {"x-request-id": "my-request.1"}
    answer = speaker.ask(gateway, callers[speaker.platform].key, headers=given)
    assert (answer.status, answer.headers["x-request-id"]) == (200, "my-request.1")


def test_a_refusal_carries_the_request_id_too(gateway: Gateway) -> None:
    answer = MESSAGES.ask(gateway, "sk-nobody", headers={"x-request-id": "my-request.2"})
    assert (answer.status, answer.headers["x-request-id"]) == (401, "my-request.2")
    assert answer.json["request_id"] == "my-request.2"


@pytest.mark.parametrize("given", ["<script>", "a" * 65, "two words"])
def test_a_request_id_that_could_do_harm_is_replaced(gateway: Gateway, given: str) -> None:
    answer = wire.send(gateway.url, "GET", "/", [("x-request-id", given)])
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) > 10


def test_an_unknown_path_is_refused_in_the_dialect_of_its_neighbours(gateway: Gateway) -> None:
    gemini = wire.post(gateway.url, "/v1beta/models/m:unknownAction", {}, {})
    messages = wire.post(gateway.url, "/v1/messages/unknown", {}, {})
    chat = wire.post(gateway.url, "/v1/unknown", {}, {})
    assert [answer.status for answer in (gemini, messages, chat)] == [404] * 3
    assert gemini.json["error"]["status"] == "NOT_FOUND"
    assert messages.json["error"]["type"] == "not_found_error"
    assert chat.json["error"]["message"]


def test_the_provider_never_sees_headers_that_are_none_of_its_business(
    gateway: Gateway, caller_openai: Provisioned
) -> None:
    answer = CHAT.ask(gateway, caller_openai.key)
    assert "openai-organization" not in answer.headers
    assert answer.headers["openai-version"] == "2020-10-01"
    assert "x-ratelimit-remaining-requests" not in answer.headers
