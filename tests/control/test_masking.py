"""Masks recognise a secret without giving it away."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.control.masking import is_masked, masked


def test_a_long_secret_shows_its_ends():
    assert masked("sk-ant-api03-0123456789abcd") == "sk-ant…abcd"


def test_a_short_secret_shows_nothing():
    assert masked("sk-0123456789") == "…"


@given(st.text(min_size=1, max_size=200))
def test_most_of_a_secret_is_hidden_and_a_mask_is_known_as_one(secret):
    mask = masked(secret)
    assert is_masked(mask)
    assert len(mask.replace("…", "")) <= len(secret) / 2


def test_a_real_secret_is_no_mask():
    assert not is_masked("sk-ant-api03-0123456789abcd")
    assert not is_masked("")
    assert not is_masked(None)
