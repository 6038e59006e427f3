"""Claude Code is recognised by what it says about itself, never by who may be meant (spec 2.4)."""

from typing import Any

import pytest

from headgate.core.client_rules.claude_code import (
    Version,
    VersionBounds,
    bounds_from,
    claude_code_version,
    parse_version,
    version_fault,
)
from headgate.core.dialects.contract import Operation, Peek, StreamFraming, Target
from headgate.core.world import Dialect

MESSAGES = Target(dialect=Dialect.ANTHROPIC_MESSAGES, operation=Operation.GENERATE)
COUNT = Target(dialect=Dialect.ANTHROPIC_MESSAGES, operation=Operation.COUNT)
SENT = {
    "user-agent": "claude-cli/2.1.330 (external, sdk-cli)",
    "x-app": "cli",
    "anthropic-beta": "claude-code-20250219",
    "anthropic-version": "2023-06-01",
}
USER_ID = '{"device_id":"d","account_uuid":"","session_id":"8518548d-54c6-47ce-ad8d-b8a786df473a"}'


def recognised(headers: dict[str, str], target: Target = MESSAGES, **facts: Any) -> Version | None:
    peek = Peek(**{"model": "claude-sonnet-4-5", "metadata_user_id": USER_ID, **facts})
    return claude_code_version(headers, target, peek)


def test_what_the_client_really_sends_is_recognised_with_its_version() -> None:
    assert recognised(SENT) == Version(2, 1, 330)
    legacy = f"user_{'ab' * 32}_account__session_8518548d-54c6-47ce-ad8d-b8a786df473a"
    assert recognised(SENT, metadata_user_id=legacy) == Version(2, 1, 330)


@pytest.mark.parametrize("missing", ["user-agent", "x-app", "anthropic-beta", "anthropic-version"])
def test_a_missing_header_makes_it_another_client(missing: str) -> None:
    assert recognised({name: value for name, value in SENT.items() if name != missing}) is None
    assert recognised(SENT | {missing: " "}) is None


@pytest.mark.parametrize("user_id", [None, "somebody", '{"session_id":""}', "{" + "x" * 5000])
def test_metadata_without_a_session_make_it_another_client(user_id: str | None) -> None:
    assert recognised(SENT, metadata_user_id=user_id) is None


@pytest.mark.parametrize(
    "agent",
    ["claude-cli", "claude-cli/2.1", "my claude-cli/2.1.330", "claude-cli/².1.3", "claude-cli/9999999"],
)
def test_an_odd_user_agent_is_another_client(agent: str) -> None:
    assert recognised(SENT | {"user-agent": agent}) is None


def test_the_probe_and_token_counting_carry_no_metadata() -> None:
    agent = {"user-agent": "Claude-CLI/1.0.0"}
    probe: dict[str, Any] = {"model": "claude-haiku-4-5", "max_output_tokens": 1, "metadata_user_id": None}
    assert recognised(agent, **probe) == Version(1, 0, 0)
    assert recognised(agent, **probe, framing=StreamFraming.SSE) is None
    assert recognised(agent, COUNT, metadata_user_id=None) == Version(1, 0, 0)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.9.9", "is older than 2.0.0, the oldest that may be used here; upgrade it"),
        ("2.0.0", None),
        ("2.10.0", None),
        ("2.10.1", "is newer than 2.10.0, the newest that may be used here; install that version"),
    ],
)
def test_versions_are_compared_as_numbers(version: str, words: str | None) -> None:
    bounds = VersionBounds(Version(2, 0, 0), Version(2, 10, 0))
    parsed = parse_version(version)
    assert parsed is not None
    fault = version_fault(parsed, bounds, MESSAGES)
    assert (fault.message if fault else None) == (words and f"Claude Code {version} {words}")
    assert version_fault(parsed, bounds, COUNT) is None


def test_bounds_that_cannot_be_read_are_none() -> None:
    assert bounds_from({}) == VersionBounds()
    stored = {"min_claude_code_version": "latest", "max_claude_code_version": "3.0.0"}
    assert bounds_from(stored) == VersionBounds(None, Version(3, 0, 0))
