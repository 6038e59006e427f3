"""What past answers teach: the p90 of a key's answers, and what a conversation's input really cost."""

import pytest

from headgate.core.ids import KeyId, SessionKey
from headgate.relay import experience
from headgate.relay.experience import Experience

KEY, MODEL, SESSION, NOW = KeyId(1), "m", SessionKey("s"), 1_750_000_000_000


def learn(
    known: Experience, output: int = 10, *, cost: int = 10, estimated: int = 100, model: str = MODEL
) -> None:
    known.note(
        KEY,
        model,
        output_tokens=output,
        session=SESSION,
        input_nano=cost,
        estimated_nano=estimated,
        now_ms=NOW,
    )


def test_nothing_is_known_at_first() -> None:
    known = Experience()
    assert known.first_slice(KEY, MODEL) is None
    assert known.likely_input(SESSION, 100, now_ms=NOW) is None
    assert known.likely_input(None, 100, now_ms=NOW) is None


def test_the_first_slice_is_the_p90_of_the_last_answers() -> None:
    known = Experience()
    for output in [5000, *range(1, 33)]:  # the oldest is forgotten
        learn(known, output)
    assert known.first_slice(KEY, MODEL) == 29
    assert known.first_slice(KEY, "other") is None
    assert known.first_slice(KeyId(2), MODEL) is None


def test_a_warm_conversation_is_expected_to_cost_what_its_last_turn_did_and_a_quarter() -> None:
    known = Experience()
    learn(known, cost=10, estimated=100)
    assert known.likely_input(SESSION, 1000, now_ms=NOW) == 125
    assert known.likely_input(SESSION, 1000, now_ms=NOW + 5 * 60_000) == 125
    assert known.likely_input(SESSION, 1000, now_ms=NOW + 5 * 60_000 + 1) is None


def test_no_more_is_expected_than_the_high_estimate() -> None:
    known = Experience()
    learn(known, cost=300, estimated=100)
    assert known.likely_input(SESSION, 1000, now_ms=NOW) == 1000


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experience, "_MOST", 10)
    known = Experience()
    for number in range(100):
        learn(known, model=f"m{number}")
    assert known.first_slice(KEY, "m0") is None
    assert known.first_slice(KEY, "m99") == 10
