"""Reading scripts: words, objects, markers; and using them up per key."""

import pytest

from headgate.simulator.script import (
    NO_SCRIPT,
    Script,
    ScriptBook,
    ScriptError,
    build,
    check_fields,
    marker_in,
    parse_words,
)


def test_words_become_typed_fields() -> None:
    assert parse_words("status=529, delay=0.5 missing_usage") == {
        "status": 529,
        "delay": 0.5,
        "missing_usage": True,
    }


@pytest.mark.parametrize(
    "words", ["statuss=529", "status=often", "delay=", "status=99", "tokens=99999999", "split=0"]
)
def test_a_wrong_word_is_refused_by_name(words: str) -> None:
    with pytest.raises(ScriptError, match=r"script field"):
        parse_words(words)


def test_an_object_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ScriptError, match="unknown"):
        check_fields({"unknown_field": 1})


def test_the_last_marker_of_a_text_counts() -> None:
    assert marker_in("a [[sim: tokens=1]] b [[sim: tokens=2]]") == {"tokens": 2}


def test_a_text_without_marker_asks_for_nothing() -> None:
    assert build(marker_in("[sim: status=500]")) is NO_SCRIPT


def test_a_later_layer_wins_field_by_field() -> None:
    assert build({"status": 500, "delay": 1.0}, {"status": 200}) == Script(delay=1.0)


def test_a_script_with_times_is_used_up_and_then_the_next_comes() -> None:
    book = ScriptBook()
    book.put("sim-a", {"status": 500}, times=2)
    book.put("sim-a", {"status": 429}, times=1)
    assert [book.take("sim-a").get("status") for _ in range(4)] == [500, 500, 429, None]
    assert not book.has("sim-a")


def test_an_endless_script_stays_until_it_is_dropped() -> None:
    book = ScriptBook()
    book.put("sim-a", {"status": 500}, times=None)
    assert [book.take("sim-a").get("status") for _ in range(3)] == [500, 500, 500]
    book.drop("sim-a")
    assert book.take("sim-a") == {}


def test_the_number_of_scripted_keys_is_bounded() -> None:
    book = ScriptBook(max_keys=1)
    book.put("sim-a", {}, times=None)
    with pytest.raises(ScriptError, match="more than 1 keys"):
        book.put("sim-b", {}, times=None)
