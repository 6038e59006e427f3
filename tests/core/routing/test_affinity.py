"""Conversations are recognised by what real clients send (spec 3.3, clients 9)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.contract import Peek
from headgate.core.ids import KeyId
from headgate.core.routing.affinity import response_session, session_of

KEY = KeyId(7)
UUID = "8f7d9a52-5c1e-4a3f-9b0e-1f2d3c4b5a69"


def identify(headers: dict[str, str] | None = None, key: KeyId = KEY, **facts: Any) -> tuple[str, str] | None:
    return session_of(headers or {}, Peek(model="m", **facts), key)


def test_claude_code_names_its_session_in_a_header() -> None:
    assert identify({"x-claude-code-session-id": UUID}) == ("x-claude-code-session-id", f"7:claude:{UUID}")


@pytest.mark.parametrize(
    "user_id",
    [
        f'{{"device_id":"d","account_uuid":"","session_id":"{UUID}"}}',
        f"user_{'ab' * 32}_account__session_{UUID}",
        f"user_{'ab' * 32}_account_{UUID}_session_{UUID}",
    ],
)
def test_header_and_metadata_of_claude_code_mean_the_same_session(user_id: str) -> None:
    assert identify(metadata_user_id=user_id) == ("metadata.user_id", f"7:claude:{UUID}")


@pytest.mark.parametrize(
    "user_id",
    ["somebody", "{broken", '{"session_id":5}', '{"device_id":"d"}', '{"session_id":""}', "{" + "x" * 2000,
      "[]", '{"a":' + "[" * 1000,
     '{"a":"\ud800"}', '{"a":' * 200],
)  # fmt: skip
def test_a_user_id_without_a_session_is_ignored(user_id: str) -> None:
    assert identify(metadata_user_id=user_id) is None


@pytest.mark.parametrize(
    ("headers", "facts", "rule", "key"),
    [
        ({"session-id": "s"}, {"prompt_cache_key": "p"}, "session-id", "7:session:s"),
        ({"session_id": "s"}, {"prompt_cache_key": "p"}, "session_id", "7:session:s"),
        ({"conversation_id": "c"}, {}, "conversation_id", "7:conversation:c"),
        ({"thread-id": "t"}, {"prompt_cache_key": "p"}, "thread-id", "7:thread:t"),
        ({"x-session-id": "x"}, {"prompt_cache_key": "p"}, "prompt_cache_key", "7:cache:p"),
        ({"x-session-id": "x"}, {}, "x-session-id", "7:session:x"),
        ({"x-session-affinity": "x", "x-session-id": "x"}, {}, "x-session-affinity", "7:session:x"),
        (
            {"x-session-id": "x"},
            {"previous_response_id": "resp_1"},
            "previous_response_id",
            "7:response:resp_1",
        ),
        ({"x-session-id": "x"}, {"end_user": "u"}, "x-session-id", "7:session:x"),
        (
            {},
            {"previous_response_id": "resp_1", "end_user": "u"},
            "previous_response_id",
            "7:response:resp_1",
        ),
        ({}, {"end_user": "u", "conversation_seed": b"x"}, "user", "7:user:u"),
    ],
)
def test_the_strongest_statement_wins(headers: dict[str, str], facts: Any, rule: str, key: str) -> None:
    assert identify(headers, **facts) == (rule, key)


def test_the_conversation_seed_is_the_last_resort() -> None:
    first = identify(conversation_seed=b"system and first message")
    assert first is not None
    assert first[0] == "conversation_seed"
    assert first == identify(conversation_seed=b"system and first message")
    assert first != identify(conversation_seed=b"another conversation")


def test_what_is_marked_for_caching_comes_before_the_conversation() -> None:
    first = identify(cached_seed=b"tools and system", conversation_seed=b"a")
    assert first is not None
    assert first[0] == "cache_control"
    assert first == identify(cached_seed=b"tools and system", conversation_seed=b"b")
    assert identify(cached_seed=b"x", end_user="u") == ("user", "7:user:u")


def test_gemini_cli_is_known_by_its_name_where_it_keeps_its_installation_to_itself() -> None:
    agent = {"user-agent": "GeminiCLI-tui/0.61.0/gemini-2.5-flash (linux; x64; terminal)"}
    first = identify(agent, conversation_seed=b"a")
    assert first is not None
    assert first[0] == "gemini-cli"
    assert identify(agent) is None


def test_gemini_cli_is_told_apart_by_installation_and_conversation() -> None:
    header = {"x-gemini-api-privileged-user-id": "installation"}
    first = identify(header, conversation_seed=b"a")
    assert first is not None
    assert first[0] == "gemini-cli"
    assert first != identify(header, conversation_seed=b"b")
    assert first != identify({"x-gemini-api-privileged-user-id": "other"}, conversation_seed=b"a")


def test_a_gemini_installation_alone_is_no_conversation() -> None:
    assert identify({"x-gemini-api-privileged-user-id": "installation"}) is None


def test_nothing_said_means_no_session() -> None:
    assert identify() is None


def test_two_keys_never_share_a_session() -> None:
    assert identify({"session-id": "s"}, key=KeyId(1)) != identify({"session-id": "s"}, key=KeyId(2))


def test_the_account_of_a_response_is_found_by_previous_response_id() -> None:
    found = identify(previous_response_id="resp_1")
    assert found is not None
    assert found[1] == response_session(KEY, "resp_1")


@given(value=st.text(min_size=1))
def test_session_keys_are_short_and_printable_whatever_is_sent(value: str) -> None:
    found = identify({"session-id": value})
    assert found is not None
    assert len(found[1]) <= 100
    assert found[1].isascii()
    assert found[1].isprintable()
    assert " " not in found[1]


def test_long_values_that_differ_at_the_end_stay_apart() -> None:
    assert identify({"session-id": "x" * 5000 + "a"}) != identify({"session-id": "x" * 5000 + "b"})
