import pytest

from headgate.kit import json


def test_values_survive_the_round_trip() -> None:
    value = {"text": "ü", "list": [1, 2.5, None, True], "nested": {}}
    assert json.loads(json.dumps(value)) == value


def test_text_is_written_compactly_as_utf_8() -> None:
    assert json.dumps({"a": "ü"}) == '{"a":"ü"}'.encode()


@pytest.mark.parametrize(
    "data", [b"", b"{", b"NaN", b'"\xff"', b"[1,]", b"{'a':1}", b"1 2", b"[" * 100_000, "\ud800"]
)
def test_what_is_not_json_is_refused(data: bytes | str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(data)


def test_equal_documents_sort_to_equal_bytes() -> None:
    assert json.dumps_sorted({"b": [{"d": 1, "c": 2}], "a": None}) == b'{"a":null,"b":[{"c":2,"d":1}]}'
