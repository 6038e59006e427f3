"""Model lists as each dialect's clients read them (spec 2.9)."""

import pytest

from headgate.core.world import Dialect
from headgate.relay.local import models_dialect
from headgate.relay.model_lists import render_model, render_models


def test_the_anthropic_list_has_cursors() -> None:
    listed = render_models(Dialect.ANTHROPIC_MESSAGES, ["a", "b"])
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("a", "b", False)
    assert [entry["id"] for entry in listed["data"]] == ["a", "b"]


def test_an_empty_anthropic_list_has_no_cursors() -> None:
    listed = render_models(Dialect.ANTHROPIC_MESSAGES, [])
    assert (listed["data"], listed["first_id"], listed["last_id"]) == ([], None, None)


@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES])
def test_the_openai_list_is_a_list_object(dialect: Dialect) -> None:
    listed = render_models(dialect, ["a"])
    assert (listed["object"], listed["data"][0]["object"], listed["data"][0]["id"]) == ("list", "model", "a")


def test_gemini_names_carry_their_prefix_and_methods() -> None:
    (model,) = render_models(Dialect.GEMINI, ["gemini-x"])["models"]
    assert model["name"] == "models/gemini-x"
    assert "streamGenerateContent" in model["supportedGenerationMethods"]


@pytest.mark.parametrize("dialect", list(Dialect))
def test_a_single_model_looks_as_in_the_list(dialect: Dialect) -> None:
    (listed,) = next(v for v in render_models(dialect, ["m"]).values() if isinstance(v, list))
    assert render_model(dialect, "m") == listed


@pytest.mark.parametrize(
    ("headers", "query", "dialect"),
    [
        ({}, b"", Dialect.OPENAI_CHAT),
        ({"anthropic-version": "2023-06-01"}, b"", Dialect.ANTHROPIC_MESSAGES),
        ({"x-goog-api-key": "k"}, b"", Dialect.GEMINI),
        ({}, b"key=k", Dialect.GEMINI),
    ],
)
def test_the_shared_path_answers_in_the_callers_dialect(
    headers: dict[str, str], query: bytes, dialect: Dialect
) -> None:
    assert models_dialect(headers, query) is dialect


@pytest.mark.parametrize("query", [b"monkey=1", b"after=x&pagekey=1"])
def test_another_parameter_does_not_make_a_caller_googles(query: bytes) -> None:
    assert models_dialect({}, query) is Dialect.OPENAI_CHAT
