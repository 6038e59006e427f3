"""Quota windows in headers: units, names, and numbers that cannot be meant."""

import pytest

from headgate.core.dialects.contract import CooldownHint
from headgate.core.dialects.quota_headers import read_windows, refused_reading, sign_of
from headgate.core.world import Provider

NOW = 1_800_000_000_000
HOUR = 3_600_000
UNIFIED = "anthropic-ratelimit-unified-5h-"


def unified(**fields: str) -> dict[str, str]:
    reset = str((NOW + 2 * HOUR) // 1000)
    given = {"utilization": "0.42", "status": "allowed", "reset": reset} | fields
    return {f"{UNIFIED}{name}": value for name, value in given.items() if value}


def codex(**fields: str) -> dict[str, str]:
    given = {"used-percent": "37.5", "window-minutes": "300", "reset-after-seconds": "7200"}
    given |= {name.replace("_", "-"): value for name, value in fields.items()}
    return {f"x-codex-primary-{name}": value for name, value in given.items() if value}


def test_anthropics_windows_are_fractions_with_instants() -> None:
    week = {
        "anthropic-ratelimit-unified-7d-utilization": "0.9",
        "anthropic-ratelimit-unified-7d-reset": str(NOW + 48 * HOUR),  # milliseconds
    }
    five, seven = read_windows(Provider.ANTHROPIC, unified() | week, NOW).readings
    assert (five.window, five.used_ppm, five.resets_at_ms, five.length_ms) == (
        "5h", 420_000, NOW + 2 * HOUR, 5 * HOUR,
    )  # fmt: skip
    assert (seven.window, seven.used_ppm, seven.resets_at_ms) == ("7d", 900_000, NOW + 48 * HOUR)


def test_a_rejected_window_is_used_up_even_without_a_number() -> None:
    (reading,) = read_windows(Provider.ANTHROPIC, unified(utilization="", status="rejected"), NOW).readings
    assert reading.is_exhausted


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"utilization": "85"}, "utilization"),
        ({"utilization": "-1"}, "utilization"),
        ({"utilization": "much"}, "utilization"),
        ({"reset": "soon"}, "reset"),
        ({"reset": ""}, "reset"),
        ({"reset": str((NOW + 900 * HOUR) // 1000)}, "reset"),
        ({"reset": str((NOW - HOUR) // 1000)}, "reset"),
    ],
)
def test_numbers_that_cannot_be_meant_are_no_reading(fields: dict[str, str], named: str) -> None:
    told = read_windows(Provider.ANTHROPIC, unified(**fields), NOW)
    assert told == ((), (UNIFIED + named,))


def test_codex_windows_are_named_by_their_length() -> None:
    (reading,) = read_windows(Provider.OPENAI, codex(), NOW).readings
    assert (reading.window, reading.used_ppm, reading.resets_at_ms) == ("5h", 375_000, NOW + 2 * HOUR)
    (week,) = read_windows(Provider.OPENAI, codex(window_minutes="10080"), NOW).readings
    assert (week.window, week.length_ms) == ("7d", 168 * HOUR)
    at = {"reset_after_seconds": "", "reset_at": str((NOW + HOUR) // 1000)}
    (instant,) = read_windows(Provider.OPENAI, codex(**at), NOW).readings
    assert instant.resets_at_ms == NOW + HOUR


@pytest.mark.parametrize(
    "fields", [{"used_percent": "1e9"}, {"used_percent": "5000"}, {"reset_after_seconds": "-5"}]
)
def test_absurd_codex_windows_are_no_reading(fields: dict[str, str]) -> None:
    told = read_windows(Provider.OPENAI, codex(**fields), NOW)
    assert not told.readings
    assert len(told.unusable) == 1


def test_a_length_that_cannot_be_meant_is_the_usual_one() -> None:
    (reading,) = read_windows(Provider.OPENAI, codex(window_minutes="0"), NOW).readings
    assert (reading.window, reading.length_ms) == ("5h", 5 * HOUR)


def test_an_answer_without_windows_has_no_sign() -> None:
    assert sign_of(Provider.ANTHROPIC, {"retry-after": "3"}) is None
    assert sign_of(Provider.GEMINI, unified()) is None
    assert sign_of(Provider.ANTHROPIC, unified()) is not None


def test_geminis_refusal_is_a_window_of_its_model() -> None:
    minute = CooldownHint(until_ms=NOW + 30_000, reason="rate_limited", evidence="error.details.retryDelay")
    assert refused_reading(minute, b"{}", model="gemini-2.5-pro", now_ms=NOW).window == "minute"
    body = b'{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}'
    day = refused_reading(minute, body, model="gemini-2.5-pro", now_ms=NOW)
    assert (day.window, day.model, day.is_exhausted) == ("day", "gemini-2.5-pro", True)
