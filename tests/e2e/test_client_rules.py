"""Rules about clients, seen from outside: who is served where, and what the trace says about it."""

from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES
from tests.support.gateway import Gateway, Provisioned

CLAUDE_CODE = {
    "user-agent": "claude-cli/2.1.330 (external, sdk-cli)",
    "x-app": "cli",
    "anthropic-beta": "claude-code-20250219",
}
METADATA = {
    "user_id": '{"device_id":"d","account_uuid":"","session_id":"8518548d-54c6-47ce-ad8d-b8a786df473a"}'
}


@pytest.fixture
def caller(provision: Provision, upstream_key: str) -> Provisioned:
    return provision("anthropic", upstream_keys=(upstream_key,))


@pytest.fixture
def versions(gateway: Gateway) -> Iterator[None]:
    gateway.api("PUT", "/admin/settings", {"min_claude_code_version": "2.2.0"})
    yield
    gateway.api("PUT", "/admin/settings", {"min_claude_code_version": ""})


def ask_as_claude_code(gateway: Gateway, key: str, **more: Any) -> Any:
    return MESSAGES.ask(gateway, key, headers=CLAUDE_CODE, metadata=METADATA, **more)


def test_a_group_for_claude_code_alone_refuses_others_until_it_has_a_fallback(
    gateway: Gateway, provision: Provision, caller: Provisioned, upstream_key: str
) -> None:
    group = f"/admin/groups/{caller.group_id}"
    gateway.api("PUT", group, {"claude_code_only": True})
    refused = MESSAGES.ask(gateway, caller.key)
    assert refused.status == 503
    assert refused.json["error"]["message"] == "This group only allows Claude Code clients"
    assert ask_as_claude_code(gateway, caller.key).status == 200
    other = provision("anthropic", upstream_keys=(f"{upstream_key}-other",))
    gateway.api("PUT", group, {"fallback_group_id": other.group_id})
    answer = MESSAGES.ask(gateway, caller.key)
    assert (answer.status, answer.headers.get("x-headgate-group-fallback")) == (200, "claude_code_only")
    first, second = gateway.usage(user_id=caller.user_id)
    assert (first["group_id"], second["group_id"]) == (caller.group_id, other.group_id)
    assert (second["account_id"], second["actual_cost"] > 0) == (other.account_ids[0], True)
    gateway.api("PUT", f"/admin/groups/{other.group_id}", {"subscription_type": "subscription"})
    assert MESSAGES.ask(gateway, caller.key).status == 403  # what is sold is not given away


@pytest.mark.usefixtures("versions")
def test_an_old_claude_code_is_told_to_upgrade_and_others_are_not_asked(
    gateway: Gateway, caller: Provisioned
) -> None:
    refused = ask_as_claude_code(gateway, caller.key)
    assert (refused.status, refused.json["error"]["type"]) == (400, "invalid_request_error")
    assert "2.1.330 is older than 2.2.0" in refused.json["error"]["message"]
    assert MESSAGES.ask(gateway, caller.key).status == 200


@pytest.mark.parametrize("bounds", [("latest", ""), ("2.0.0", "1.0.0"), ("9" * 40, "")])
def test_bounds_that_make_no_sense_are_refused_and_nothing_changes(
    gateway: Gateway, bounds: tuple[str, str]
) -> None:
    change = {"min_claude_code_version": bounds[0], "max_claude_code_version": bounds[1]}
    with pytest.raises(HTTPError) as refused:
        gateway.api("PUT", "/admin/settings", change)
    with refused.value as answer:
        assert answer.code == 400
    assert gateway.api("GET", "/admin/settings")["min_claude_code_version"] == ""
