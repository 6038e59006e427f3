"""Error passthrough rules, seen by the client."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import CHAT, GEMINI, MESSAGES, Speaker
from tests.support.gateway import Gateway
from tests.support.simulator import RunningSimulator

PATH = "/admin/error-passthrough-rules"
Rule = Callable[..., int]


@pytest.fixture
def rule(gateway: Gateway) -> Iterator[Rule]:
    made = []

    def make(**fields: Any) -> int:
        made.append(gateway.api("POST", PATH, {"name": "test", **fields})["id"])
        return int(made[-1])

    yield make
    for number in made:
        gateway.api("DELETE", f"{PATH}/{number}")


@pytest.mark.parametrize("speaker", [MESSAGES, CHAT, GEMINI], ids=lambda speaker: speaker.name)
def test_a_refusal_is_shown_as_the_rule_says_and_retried_as_ever(
    gateway: Gateway,
    provision: Provision,
    simulator: RunningSimulator,
    upstream_key: str,
    rule: Rule,
    speaker: Speaker,
) -> None:
    made = provision(speaker.platform, upstream_keys=(upstream_key, f"{upstream_key}-b"))
    for key in (upstream_key, f"{upstream_key}-b"):
        simulator.script(key, {"status": 500, "message": "the Moon is in the way"})
    words = {"keywords": ["moon is in"], "platforms": [speaker.platform]}
    number = rule(**words, passthrough_code=False, response_code=418, passthrough_body=False,
                  custom_message="wait for the sun", skip_monitoring=True)  # fmt: skip
    answer = speaker.ask(gateway, made.key)
    assert (answer.status, answer.json["error"]["message"]) == (418, "wait for the sun")
    assert len(gateway.usage(user_id=made.user_id)) >= 2, "both accounts were tried"
    assert b'status="expected_error"' in gateway.get("/metrics")[1]
    shown = {"passthrough_code": True, "passthrough_body": True}
    gateway.api("PUT", f"{PATH}/{number}", shown)
    answer = speaker.ask(gateway, made.key, "again")
    assert (answer.status, answer.json["error"]["message"]) == (500, "the Moon is in the way")
    gateway.api("PUT", f"{PATH}/{number}", {"enabled": False})
    answer = speaker.ask(gateway, made.key, "once more")
    assert answer.status == 502
    assert "Moon" not in answer.body.decode()
