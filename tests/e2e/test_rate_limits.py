"""Requests and tokens a minute: exact under a crowd, refilled, one limit for all workers, true at settlement.

Real time passes here: how many requests a limit may serve follows from the seconds that a crowd took.
"""

import asyncio
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import CHAT, GEMINI, MESSAGES, MESSAGES_SSE, RESPONSES, WHOLE, Speaker
from tests.e2e.wire import Answer
from tests.support.databases import *  # noqa: F403 - fixtures
from tests.support.gateway import Gateway, Provisioned, two_workers
from tests.support.load import Outcome, Shot, volley
from tests.support.postgres import PostgresServer
from tests.support.simulator import RunningSimulator

CROWD = 100
LIMIT = 60


def shot_of(speaker: Speaker, key: str) -> Shot:
    body = json.dumps(speaker.body(speaker.model, "hi")).encode()
    return Shot(path=speaker.path, body=body, headers=speaker.headers(key))


async def crowd(gateway: Gateway, key: str, size: int = CROWD) -> tuple[Sequence[Outcome], float]:
    """So many at once; what they got, and the seconds it took."""
    started = time.monotonic()
    outcomes = await volley(gateway.url, [shot_of(CHAT, key)] * size, at_once=size)
    return outcomes, time.monotonic() - started


def served(outcomes: Sequence[Outcome]) -> int:
    statuses = [outcome.status for outcome in outcomes]
    assert set(statuses) <= {200, 429}
    return statuses.count(200)


async def check_limit(
    gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, account: str
) -> None:
    """60 a minute: a full bucket serves 60, and one more for each second that passes."""
    outcomes, took_s = await crowd(gateway, caller.key)
    first = served(outcomes)
    assert LIMIT <= first <= LIMIT + math.floor(took_s)
    refused = next(outcome for outcome in outcomes if outcome.status == 429)
    assert refused.header("retry-after") == "1"
    assert refused.header("x-ratelimit-limit-requests") == "60"
    assert refused.header("x-ratelimit-remaining-requests") == "0"
    began = time.monotonic()
    await asyncio.sleep(3.1)
    outcomes, _ = await crowd(gateway, caller.key, 20)
    again = served(outcomes)
    assert 3 <= again <= 2 + math.ceil(time.monotonic() - began)
    assert simulator.settled_bill(key=account)["totals"][account]["requests"] == first + again


async def test_sixty_a_minute_serve_exactly_sixty_of_a_hundred_at_once_and_then_one_a_second(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("openai", upstream_keys=(upstream_key,), key={"rpm_limit": LIMIT})
    await check_limit(gateway, simulator, caller, upstream_key)


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> str:
    return await postgres_server.create_database(f"rates_{time.monotonic_ns()}")


@pytest.fixture
def pair(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    with two_workers(tmp_path, database_url) as running:
        yield running


@pytest.mark.pg
@pytest.mark.redis
async def test_two_workers_share_one_limit(pair: Gateway, simulator: RunningSimulator) -> None:
    caller = pair.provision(
        "openai", simulator.url, upstream_keys=("sim-rates-pair",), name="r", key={"rpm_limit": LIMIT}
    )
    await check_limit(pair, simulator, caller, "sim-rates-pair")


async def test_the_limit_of_a_user_counts_all_its_keys_and_that_of_a_group_all_its_users(
    gateway: Gateway, provision: Provision
) -> None:
    first = provision("openai", group={"rpm_limit": 7})
    gateway.api("PUT", f"/admin/users/{first.user_id}", {"rpm_limit": 5})
    body = {"name": "second", "group_id": first.group_id}
    second_key = gateway.api("POST", "/keys", body, token=first.user_token)["key"]
    assert [CHAT.ask(gateway, key).status for key in (first.key, second_key) * 3].count(200) == 5
    stranger = provision("openai")
    moved = gateway.api(
        "PUT", f"/keys/{stranger.key_id}", {"group_id": first.group_id}, token=stranger.user_token
    )
    assert moved["group_id"] == first.group_id
    answers = [CHAT.ask(gateway, stranger.key) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert "Rate limit of this group: 7 requests a minute" in answers[-1].json["error"]["message"]


ESTIMATE = 1_024
"""The first slice of output before the key has had an answer; the input of these requests is a few tokens."""


def tokens_remaining(answer: Answer) -> int:
    return int(answer.headers["anthropic-ratelimit-tokens-remaining"])


@pytest.mark.parametrize("speaker", [MESSAGES, MESSAGES_SSE], ids=lambda each: each.name)
def test_an_estimate_that_was_too_high_is_given_back_at_settlement(
    gateway: Gateway, provision: Provision, speaker: Speaker
) -> None:
    """By the first estimate the limit would hold one request; the next ones are estimated by the answer."""
    caller = provision("anthropic", key={"tpm_limit": ESTIMATE + 400})
    answers = [speaker.ask(gateway, caller.key, "hi [[sim: tokens=20]]") for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    assert tokens_remaining(answers[0]) < 400
    assert tokens_remaining(answers[-1]) > 1_000


@pytest.mark.parametrize("speaker", [MESSAGES, MESSAGES_SSE], ids=lambda each: each.name)
def test_an_estimate_that_was_too_low_is_made_up_for(
    gateway: Gateway, provision: Provision, speaker: Speaker
) -> None:
    caller = provision("anthropic", key={"tpm_limit": 2 * ESTIMATE})
    assert speaker.ask(gateway, caller.key, "hi [[sim: tokens=3000]]").status == 200
    refused = speaker.ask(gateway, caller.key)
    assert refused.status == 429
    assert "2048 tokens a minute, 0 left, about 30" in refused.json["error"]["message"], "as the last answer"
    assert 80 < int(refused.headers["retry-after"]) <= 90, "until the bucket is full: the request is larger"


def test_a_request_that_failed_gives_its_tokens_back_and_stays_counted(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    limits = {"rpm_limit": 3, "tpm_limit": ESTIMATE + 400}
    caller = provision("anthropic", upstream_keys=(upstream_key,), key=limits)
    simulator.script(upstream_key, "status=400", times=2)
    answers = [MESSAGES.ask(gateway, caller.key) for _ in range(4)]
    assert [answer.status for answer in answers] == [400, 400, 200, 429]
    assert "3 requests a minute" in answers[-1].json["error"]["message"]


@pytest.mark.parametrize("speaker", WHOLE, ids=lambda each: each.name)
def test_answers_announce_the_limits_of_the_caller_and_never_those_of_the_account(
    gateway: Gateway, provision: Provision, speaker: Speaker
) -> None:
    limited = provision(speaker.platform, key={"rpm_limit": 5, "tpm_limit": 50_000})
    announced = _limits(speaker.ask(gateway, limited.key))
    if speaker is GEMINI:
        assert announced == {}
    else:
        name = "anthropic-ratelimit-requests-limit" if speaker is MESSAGES else "x-ratelimit-limit-requests"
        assert announced[name] == "5"
        assert len(announced) == 6
    free = provision(speaker.platform)
    assert _limits(speaker.ask(gateway, free.key)) == {}


def _limits(answer: Answer) -> dict[str, str]:
    assert answer.status == 200
    return {name: value for name, value in answer.headers.items() if "ratelimit" in name}


@pytest.mark.parametrize("speaker", [CHAT, RESPONSES, GEMINI, MESSAGES], ids=lambda each: each.name)
def test_a_refusal_is_read_as_one_in_every_dialect(
    gateway: Gateway, provision: Provision, speaker: Speaker
) -> None:
    caller = provision(speaker.platform, key={"rpm_limit": 1})
    assert speaker.ask(gateway, caller.key).status == 200
    refused = speaker.ask(gateway, caller.key)
    assert refused.status == 429
    assert 50 <= int(refused.headers["retry-after"]) <= 60
    error = refused.json["error"]
    if speaker is GEMINI:
        delays = [each["retryDelay"] for each in error["details"] if "retryDelay" in each]
        assert (error["status"], delays) == ("RESOURCE_EXHAUSTED", [f"{refused.headers['retry-after']}s"])
    else:
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")


def test_a_lifted_limit_is_lifted_at_once(gateway: Gateway, provision: Provision) -> None:
    caller = provision("openai", key={"rpm_limit": 1})
    assert [CHAT.ask(gateway, caller.key).status for _ in range(2)] == [200, 429]
    gateway.api("PUT", f"/keys/{caller.key_id}", {"rpm_limit": 0}, token=caller.user_token)
    assert CHAT.ask(gateway, caller.key).status == 200


def test_a_model_of_a_group_has_limits_of_its_own_for_all_and_for_each(
    gateway: Gateway, provision: Provision
) -> None:
    """Five a minute for everybody together, two for each; the group's other models are not concerned."""
    limits = {CHAT.model[:4] + "*": {"rpm_limit": 5, "user_rpm_limit": 2}}
    first = provision("openai", group={"model_limits": limits})
    assert gateway.api("GET", f"/admin/groups/{first.group_id}")["model_limits"] == limits
    refused = [CHAT.ask(gateway, first.key) for _ in range(3)][-1]
    pattern = next(iter(limits))
    assert refused.status == 429
    assert f"Rate limit of this user for {pattern}: 2 requests a minute" in refused.json["error"]["message"]
    assert refused.headers["x-ratelimit-limit-requests"] == "2"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert 20 <= int(refused.headers["retry-after"]) <= 30
    assert CHAT.ask(gateway, first.key, model="o4-mini").status == 200
    for number in range(2):
        stranger = provision("openai")
        gateway.api(
            "PUT", f"/keys/{stranger.key_id}", {"group_id": first.group_id}, token=stranger.user_token
        )
        answers = [CHAT.ask(gateway, stranger.key) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200 if number == 0 else 429]
    assert (
        f"Rate limit of this group for {pattern}: 5 requests a minute" in answers[-1].json["error"]["message"]
    )
    gateway.api("PUT", f"/admin/groups/{first.group_id}", {"model_limits": {}})
    assert CHAT.ask(gateway, first.key).status == 200


def test_a_model_of_a_key_has_a_limit_of_its_own(gateway: Gateway, provision: Provision) -> None:
    """One a minute of one model; the key's other models, and other keys, are not concerned."""
    limits = {CHAT.model[:4] + "*": {"rpm_limit": 1}}
    first = provision("openai", key={"model_limits": limits})
    answers = [CHAT.ask(gateway, first.key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    (pattern,) = limits
    told = answers[-1].json["error"]["message"]
    assert f"Rate limit of this API key for {pattern}: 1 request a minute" in told
    assert answers[-1].headers["x-ratelimit-limit-requests"] == "1"
    assert CHAT.ask(gateway, first.key, model="o4-mini").status == 200
    gateway.api("PUT", f"/keys/{first.key_id}", {"model_limits": {}}, token=first.user_token)
    assert CHAT.ask(gateway, first.key).status == 200


def test_tokens_of_a_model_are_counted_as_used(gateway: Gateway, provision: Provision) -> None:
    group = {"model_limits": {MESSAGES.model: {"tpm_limit": 4_000}}}
    caller = provision("anthropic", group=group)
    answer = MESSAGES.ask(gateway, caller.key, max_tokens=50)
    assert answer.headers["anthropic-ratelimit-tokens-limit"] == "4000"
    left = MESSAGES.ask(gateway, caller.key, max_tokens=50).headers["anthropic-ratelimit-tokens-remaining"]
    used = sum(row["input_tokens"] + row["output_tokens"] for row in gateway.usage(api_key_id=caller.key_id))
    assert used < 4_000
    assert int(left) > 4_000 - 2 * used - 200
