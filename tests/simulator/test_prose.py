"""What the simulated models say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.simulator import prose


@given(st.text())
def test_word_pieces_join_to_the_text(text: str) -> None:
    assert "".join(prose.words(text)) == text


@given(st.text(), st.integers(1, 50))
def test_equal_pieces_join_to_the_text_and_are_as_many_as_asked(text: str, count: int) -> None:
    pieces = prose.in_pieces(text, count)
    assert "".join(pieces) == text
    assert len(pieces) == max(1, min(count, len(text)))


@given(st.integers(0, 5000))
def test_filler_has_exactly_the_wanted_size(size: int) -> None:
    assert len(prose.filler(size).encode()) == size


@pytest.mark.parametrize("text", ["hi", "Hello there", "<reminder>be brief</reminder>\nhi", ""])
def test_a_greeting_is_greeted(text: str) -> None:
    assert prose.reply_to(text, seed=3) == prose.GREETING


def test_the_same_prompt_and_seed_give_the_same_sentence() -> None:
    assert prose.reply_to("what is this?", seed=3) == prose.reply_to("what is this?", seed=3)


def test_sample_arguments_satisfy_the_required_properties() -> None:
    schema = {
        "type": "object",
        "properties": {
            "unit": {"enum": ["C", "F"]},
            "n": {"type": "integer", "minimum": 5},
            "extra": {"type": "array"},
        },
        "required": ["unit", "n"],
    }
    assert prose.sample_value(schema) == {"unit": "C", "n": 5}
