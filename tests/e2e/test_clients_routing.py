"""Which account serves whom, seen from outside: the simulator's bill per account key is the witness."""

from typing import Any

import pytest

from tests.e2e import wire
from tests.e2e.conftest import Provision
from tests.e2e.speakers import (
    CHAT,
    CHAT_SSE,
    GEMINI_SSE,
    MESSAGES,
    MESSAGES_SSE,
    RESPONSES,
    RESPONSES_SSE,
    WHOLE,
    Speaker,
)
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator

SESSION = {"x-claude-code-session-id": "5f0c8a9e-1b1d-4f57-9d2c-7f6f0a1b2c3d"}


@pytest.fixture
def upstream_keys(upstream_key: str) -> tuple[str, str]:
    return f"{upstream_key}-a", f"{upstream_key}-b"


def served(simulator: RunningSimulator, keys: tuple[str, str]) -> tuple[int, int]:
    """Answers that each account's key was billed for."""
    first, second = (len(simulator.settled_bill(key=key)["lines"]) for key in keys)
    return first, second


def account(gateway: Gateway, account_id: int) -> dict[str, Any]:
    listed = gateway.api("GET", "/admin/accounts?page_size=1000")["items"]
    (found,) = [item for item in listed if item["id"] == account_id]
    return dict(found)


def prefer_first(gateway: Gateway, caller: Provisioned) -> None:
    """The first account is always tried before the second."""
    for priority, account_id in enumerate(caller.account_ids, start=1):
        gateway.api("PUT", f"/admin/accounts/{account_id}", {"priority": priority})


def test_requests_without_a_session_are_spread(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    for number in range(6):
        assert MESSAGES.ask(gateway, caller.key, f"conversation {number}").status == 200
    assert served(simulator, upstream_keys) == (3, 3)


def test_a_conversation_without_a_name_is_known_by_its_beginning(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    for _ in range(6):
        assert MESSAGES.ask(gateway, caller.key, "the same beginning").status == 200
    assert sorted(served(simulator, upstream_keys)) == [0, 6]


def test_a_session_stays_with_its_account(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    for _ in range(6):
        assert MESSAGES.ask(gateway, caller.key, headers=SESSION).status == 200
    assert sorted(served(simulator, upstream_keys)) == [0, 6]


def test_the_same_session_name_under_another_key_is_another_session(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    first = provision("anthropic", upstream_keys=upstream_keys)
    other = gateway.api(
        "POST", "/keys", {"name": "other", "group_id": first.group_id}, token=first.user_token
    )["key"]
    assert MESSAGES.ask(gateway, first.key, headers=SESSION).status == 200
    for _ in range(3):  # the least recently used account is the one that `first` does not use
        assert MESSAGES.ask(gateway, other, headers=SESSION).status == 200
    assert MESSAGES.ask(gateway, first.key, headers=SESSION).status == 200
    assert sorted(served(simulator, upstream_keys)) == [2, 3]


@pytest.mark.parametrize("script", ["status=429 retry_after=60", "status=529", "status=500"])
@pytest.mark.parametrize("speaker", [*WHOLE, MESSAGES_SSE], ids=lambda speaker: speaker.name)
def test_a_refusing_account_is_replaced_by_a_healthy_one(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_keys: tuple[str, str],
    speaker: Speaker,
    script: str,
) -> None:
    caller = provision(speaker.platform, upstream_keys=upstream_keys)
    prefer_first(gateway, caller)
    simulator.script(upstream_keys[0], script)
    answer = speaker.ask(gateway, caller.key)
    assert (answer.status, served(simulator, upstream_keys)) == (200, (0, 1))
    assert answer.sha256 == simulator.settled_bill(key=upstream_keys[1])["lines"][0]["sha256"]


@pytest.mark.parametrize(
    "speaker", [MESSAGES_SSE, CHAT_SSE, RESPONSES_SSE, GEMINI_SSE], ids=lambda speaker: speaker.name
)
@pytest.mark.parametrize("script", ["error_after=0", "cut_after=0"])
def test_a_stream_that_fails_before_its_first_content_is_replaced(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_keys: tuple[str, str],
    speaker: Speaker,
    script: str,
) -> None:
    caller = provision(speaker.platform, upstream_keys=upstream_keys)
    prefer_first(gateway, caller)
    simulator.script(upstream_keys[0], script)
    answer = speaker.ask(gateway, caller.key)
    (line,) = simulator.settled_bill(key=upstream_keys[1])["lines"]
    assert (answer.status, answer.sha256) == (200, line["sha256"])


def test_a_failure_after_the_first_content_reaches_the_client_and_switches_nothing(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    prefer_first(gateway, caller)
    simulator.script(upstream_keys[0], "cut_after=8 events=20")
    answer = MESSAGES_SSE.ask(gateway, caller.key)
    assert served(simulator, upstream_keys) == (1, 0)
    assert b"event: error" in answer.body
    assert b"message_stop" not in answer.body


@pytest.mark.parametrize(
    ("script", "field"),
    [("status=429 retry_after=60", "rate_limit_reset_at"), ("status=529", "overload_until")],
)
def test_a_cooldown_is_shown_with_its_account(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_keys: tuple[str, str],
    script: str,
    field: str,
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    prefer_first(gateway, caller)
    simulator.script(upstream_keys[0], script, times=1)
    for _ in range(3):
        assert MESSAGES.ask(gateway, caller.key).status == 200
    assert served(simulator, upstream_keys) == (0, 3)
    shown = account(gateway, caller.account_ids[0])
    assert (shown["status"], shown[field] is not None) == ("active", True)
    assert account(gateway, caller.account_ids[1])[field] is None


def test_a_cleared_cooldown_lets_the_account_serve_again(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    prefer_first(gateway, caller)
    simulator.script(upstream_keys[0], "status=429 retry_after=60", times=1)
    assert MESSAGES.ask(gateway, caller.key).status == 200
    gateway.api("POST", f"/admin/accounts/{caller.account_ids[0]}/clear-rate-limit")
    assert MESSAGES.ask(gateway, caller.key, "another conversation").status == 200
    assert served(simulator, upstream_keys) == (1, 1)


def test_when_everybody_cools_down_the_client_is_told_when_to_come_back(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,))
    simulator.script(upstream_key, "status=429 retry_after=60", times=1)
    assert MESSAGES.ask(gateway, caller.key).status == 429
    again = MESSAGES.ask(gateway, caller.key)
    assert again.status in (429, 503)
    assert 0 < int(again.headers["retry-after"]) <= 61


def test_an_account_whose_credential_died_is_marked_and_left_alone(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("openai", upstream_keys=upstream_keys)
    prefer_first(gateway, caller)
    simulator.script(upstream_keys[0], "status=401", times=1)
    for _ in range(3):
        assert CHAT.ask(gateway, caller.key).status == 200
    dead, alive = (account(gateway, account_id) for account_id in caller.account_ids)
    assert (dead["status"], alive["status"]) == ("error", "active")
    assert "401" in dead["error_message"]
    assert served(simulator, upstream_keys) == (0, 3)


def test_a_bad_request_of_the_client_is_not_held_against_the_account(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    prefer_first(gateway, caller)
    simulator.script(upstream_keys[0], "status=400 message=nope", times=1)
    assert MESSAGES.ask(gateway, caller.key).status == 400
    assert MESSAGES.ask(gateway, caller.key).status == 200
    assert served(simulator, upstream_keys) == (1, 0)


def test_each_account_maps_models_in_its_own_way(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("openai", upstream_keys=upstream_keys)
    for account_id, key, mapping in zip(
        caller.account_ids,
        upstream_keys,
        ({"house": "gpt-5"}, {"house": "gpt-4o", "only-b": "gpt-4.1"}),
        strict=True,
    ):
        secret = {"api_key": key, "base_url": simulator.url}
        change = {"credentials": {**secret, "model_mapping": mapping}}
        gateway.api("PUT", f"/admin/accounts/{account_id}", change)
    names = ["house", "house", "only-b", "only-b"]
    answers = [CHAT.ask(gateway, caller.key, f"hi {n}", model=name) for n, name in enumerate(names)]
    assert [answer.json["model"] for answer in answers] == names
    asked = [{line["asked_model"] for line in simulator.bill(key=key)["lines"]} for key in upstream_keys]
    assert asked == [{"gpt-5"}, {"gpt-4o", "gpt-4.1"}]


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_stored_response_is_continued_fetched_and_deleted_at_the_account_that_made_it(
    gateway: Gateway,
    simulator: RunningSimulator,
    provision: Provision,
    upstream_keys: tuple[str, str],
    *,
    is_stream: bool,
) -> None:
    caller = provision("openai", upstream_keys=upstream_keys)
    bearer = [("authorization", f"Bearer {caller.key}")]
    for number in range(2):  # the least recently used account serves, unless the conversation is known
        asked = RESPONSES_SSE if is_stream else RESPONSES
        first = asked.ask(gateway, caller.key, f"conversation {number}")
        name = first.body.partition(b'"id":"resp_')[2].partition(b'"')[0].decode()
        made = f"resp_{name}"
        CHAT.ask(gateway, caller.key, f"something else {number}")
        second = RESPONSES.ask(gateway, caller.key, "go on", previous_response_id=made)
        assert second.status == 200, second.body
        path = f"/v1/responses/{made}"
        statuses = [wire.send(gateway.url, m, path, bearer).status for m in ("GET", "DELETE", "GET")]
        assert statuses == [200, 200, 404]


def first_choice(gateway: Gateway, caller: Provisioned) -> dict[int, dict[str, Any]]:
    """Account -> its line in the first selection of the key's newest record."""
    newest = max(gateway.usage(api_key_id=caller.key_id), key=lambda record: record["id"])
    told = gateway.api("GET", f"/admin/requests/{newest['request_id']}/explain")
    return {line["account_id"]: line for line in told["selections"][0]["candidates"]}


def test_a_scored_group_learns_who_fails_and_who_is_fast_and_says_so(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("anthropic", upstream_keys=upstream_keys)
    gateway.api("PUT", f"/admin/groups/{caller.group_id}", {"scheduling_policy": "scored"})
    simulator.script(upstream_keys[0], "status=500")
    failing, answering = caller.account_ids
    for number in range(30):
        assert MESSAGES_SSE.ask(gateway, caller.key, f"conversation {number}").status == 200
        score = {account_id: line["score"] for account_id, line in first_choice(gateway, caller).items()}
        if len(score) == 2 and score[failing]["error_rate"] < 0.8:
            break
    assert score[failing]["error_rate"] < score[answering]["error_rate"] == 0.8
    assert (score[failing]["ttft"], score[answering]["ttft"]) == (0.25, 0.5)
    assert score[failing]["total"] < score[answering]["total"]


def test_a_model_is_routed_to_the_accounts_that_the_group_names(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_keys: tuple[str, str]
) -> None:
    caller = provision("openai", upstream_keys=upstream_keys)
    routing = {"gpt-4*": [caller.account_ids[1]]}
    change = {"model_routing": routing, "model_routing_enabled": True}
    gateway.api("PUT", f"/admin/groups/{caller.group_id}", change)
    for number in range(4):
        assert CHAT.ask(gateway, caller.key, f"conversation {number}", model="gpt-4.1").status == 200
    assert served(simulator, upstream_keys) == (0, 4)
    assert first_choice(gateway, caller)[caller.account_ids[0]]["reason"] == "not_routed"
