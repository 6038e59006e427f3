from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.cron import CronInvalid, parse_cron

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("*/30 * * * *", "2025-06-15T10:00:00", "2025-06-15T10:30:00"),
        ("*/30 * * * *", "2025-06-15T23:31:00", "2025-06-16T00:00:00"),
        ("0 9-17/4 * * mon-fri", "2025-06-13T17:00:00", "2025-06-16T09:00:00"),
        ("5,10 4 * * 7", "2025-06-15T04:05:00", "2025-06-15T04:10:00"),
        ("15/20 * * * *", "2025-06-15T04:16:00", "2025-06-15T04:35:00"),
        ("0 0 29 feb *", "2025-06-15T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 1 * 1", "2025-06-15T00:00:00", "2025-06-16T00:00:00"),
        ("0 0 31 12 *", "2025-12-31T00:00:00", "2026-12-31T00:00:00"),
    ],
)
def test_the_next_time_is_the_first_after_now(cron: str, after: str, expected: str) -> None:
    assert parse_cron(cron).next_after(at(after), UTC) == at(expected)


def test_hours_are_those_of_the_zone_and_a_skipped_one_does_not_happen() -> None:
    daily = parse_cron("30 2 * * *")
    assert daily.next_after(at("2025-06-15T10:00:00"), BERLIN) == at("2025-06-16T00:30:00")
    assert daily.next_after(at("2025-03-29T10:00:00"), BERLIN) == at("2025-03-31T00:30:00")
    once = daily.next_after(at("2025-10-25T10:00:00"), BERLIN)
    assert (once, daily.next_after(once, BERLIN)) == (at("2025-10-26T00:30:00"), at("2025-10-27T01:30:00"))


@pytest.mark.parametrize(
    "cron",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
     "*/0 * * * *", "5-1 * * * *", "a * * * *", "1.5 * * * *", "-1 * * * *", "* * 30 2 *", "@daily",
     "1,,2 * * * *", "٣ * * * *", "* " * 60],
)  # fmt: skip
def test_what_is_no_expression_is_refused(cron: str) -> None:
    with pytest.raises(CronInvalid):
        parse_cron(cron)


@given(st.text(alphabet="0123456789*/-, abcjnmonsu", max_size=40))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        parse_cron(text)
    except CronInvalid:
        pass
