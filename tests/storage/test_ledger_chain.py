"""The arithmetic of hash chains."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.storage.ledger_chain import CHAINED_COLUMNS, Head, beginning, entry_hash, link, resume

KEY = b"k" * 32
ROW: tuple[Any, ...] = ("x1", 1, "charge", "user:1", "revenue", 5, "v1", "input=5", 10_000, "", None, 99)


def test_entries_are_numbered_from_1_and_each_hash_covers_the_one_before() -> None:
    linked, head = link(KEY, beginning(KEY, 3), [ROW, ROW])
    assert [row[-3:-1] for row in linked] == [(3, 1), (3, 2)]
    assert linked[0][-1] != linked[1][-1]
    assert (head.chain, head.seq, head.hash) == (3, 2, linked[1][-1])
    assert [row[:-3] for row in linked] == [ROW, ROW]


def test_groups_of_any_size_give_the_same_chain() -> None:
    rows = [(f"x{n}", *ROW[1:]) for n in range(5)]
    together, _ = link(KEY, beginning(KEY, 1), rows)
    head, singly = beginning(KEY, 1), []
    for row in rows:
        linked, head = link(KEY, head, [row])
        singly += linked
    assert singly == together


@pytest.mark.parametrize("column", range(len(CHAINED_COLUMNS)), ids=CHAINED_COLUMNS)
def test_every_column_counts(column: int) -> None:
    other = "other" if isinstance(ROW[column], str) else 77
    changed = (*ROW[:column], other, *ROW[column + 1 :])
    assert entry_hash(KEY, 1, 1, b"", changed) != entry_hash(KEY, 1, 1, b"", ROW)


def test_key_chain_place_and_predecessor_count() -> None:
    hashes = {
        entry_hash(KEY, 1, 1, b"a", ROW),
        entry_hash(b"other", 1, 1, b"a", ROW),
        entry_hash(KEY, 2, 1, b"a", ROW),
        entry_hash(KEY, 1, 2, b"a", ROW),
        entry_hash(KEY, 1, 1, b"b", ROW),
    }
    assert len(hashes) == 5


texts = st.text(max_size=8)


@given(texts, texts, texts, texts)
def test_text_cannot_move_from_one_column_to_the_next(a: str, b: str, c: str, d: str) -> None:
    def digest(first: str, second: str) -> bytes:
        return entry_hash(KEY, 1, 1, b"", (*ROW[:3], first, second, *ROW[5:]))

    assert (digest(a, b) == digest(c, d)) == ((a, b) == (c, d))


def test_a_chain_goes_on_where_its_head_says() -> None:
    linked, head = link(KEY, beginning(KEY, 1), [ROW])
    assert resume(KEY, 1, (1, head.seal), (1, linked[0][-1])) == head
    assert resume(KEY, 1, None, None) == beginning(KEY, 1)
    assert resume(KEY, 1, (0, beginning(KEY, 1).seal), None) == beginning(KEY, 1)


def _resumed(stored: tuple[int, bytes] | None, newest: tuple[int, bytes] | None) -> Head | None:
    return resume(KEY, 1, stored, newest)


def test_a_chain_whose_end_is_not_as_its_head_says_is_left_alone() -> None:
    linked, head = link(KEY, beginning(KEY, 1), [ROW, ROW])
    first, second = (1, linked[0][-1]), (2, linked[1][-1])
    assert _resumed(None, first) is None  # the head is gone
    assert _resumed((2, head.seal), first) is None  # the tail is gone
    assert _resumed((2, head.seal), None) is None  # everything is gone
    assert _resumed((1, first[1]), first) is None  # the head was set back to what the entries say
    assert _resumed((1, link(b"other", beginning(b"other", 1), [ROW])[1].seal), first) is None
    assert _resumed((2, head.seal), (2, b"x" * 16)) is None
    assert _resumed((2, head.seal), (3, second[1])) is None
