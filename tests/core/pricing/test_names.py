import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.pricing.names import spellings


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-3-5-haiku-latest", "claude-3.5-haiku"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-5.2-20251211", "gpt-5.2-2025-12-11"),
        ("deepseek/deepseek-chat:free", "deepseek-chat"),
        ("claude-opus-4@20250514", "claude-opus-4"),
    ],
)
def test_decorations_are_taken_off(name: str, plain: str) -> None:
    assert plain in spellings(name)


def test_the_name_itself_comes_first() -> None:
    assert spellings("Models/GPT-5")[0] == "models/gpt-5"


def test_a_version_number_is_no_region() -> None:
    assert spellings("gpt-4.1") == ("gpt-4.1",)


@given(st.text(max_size=60))
def test_spellings_never_repeat_and_are_never_empty(name: str) -> None:
    found = spellings(name)
    assert len(found) == len(set(found))
    assert all(found)
