"""GET /v1/usage in the shape that existing widgets read (spec 2.10)."""

from typing import Any

from headgate.core.world import KeyWindow
from headgate.relay.usage_answer import usage_answer
from headgate.storage.read_model import KeyUsage, UsageTotals
from tests.relay.conftest import DOLLAR
from tests.relay.people import NOW_MS, caller

TOTALS = UsageTotals(
    requests=3, input=10, output=20, cache_read=5, cache_write_5m=1, cache_write_1h=2,
    list_cost_nano=2 * DOLLAR, charge_nano=3 * DOLLAR,
)  # fmt: skip
WINDOW = KeyWindow(name="5h", length_ms=5 * 3_600_000, limit_nano=2 * DOLLAR)


def usage(**changes: Any) -> KeyUsage:
    given: dict[str, Any] = {
        "today": TOTALS, "total": TOTALS, "average_duration_ms": 7, "requests_last_minute": 2,
        "tokens_last_minute": 9, "models": (("m", TOTALS),), "balance_nano": 4 * DOLLAR,
        "quota_used_nano": 0, "windows": (),
    }  # fmt: skip
    return KeyUsage(**{**given, **changes})


def test_a_key_without_limits_shows_the_wallet() -> None:
    answer = usage_answer(caller(), usage(), now_ms=NOW_MS)
    assert (answer["mode"], answer["remaining"], answer["balance"]) == ("unrestricted", 4.0, 4.0)


def test_a_key_with_a_quota_shows_what_is_left_of_it() -> None:
    answer = usage_answer(caller(quota_nano=5 * DOLLAR), usage(quota_used_nano=2 * DOLLAR), now_ms=NOW_MS)
    assert answer["mode"] == "quota_limited"
    assert answer["quota"] == {"limit": 5.0, "used": 2.0, "remaining": 3.0, "unit": "USD"}


def test_an_overdrawn_quota_has_nothing_left() -> None:
    answer = usage_answer(caller(quota_nano=DOLLAR), usage(quota_used_nano=2 * DOLLAR), now_ms=NOW_MS)
    assert answer["remaining"] == 0


def test_a_window_shows_its_use_and_its_end() -> None:
    answer = usage_answer(caller(windows=(WINDOW,)), usage(windows=((DOLLAR, NOW_MS),)), now_ms=NOW_MS)
    (window,) = answer["rate_limits"]
    assert (window["used"], window["remaining"]) == (1.0, 1.0)
    assert window["reset_at"] == NOW_MS + WINDOW.length_ms


def test_a_window_that_has_not_begun_has_no_end() -> None:
    answer = usage_answer(caller(windows=(WINDOW,)), usage(windows=((0, None),)), now_ms=NOW_MS)
    assert answer["rate_limits"][0]["reset_at"] is None


def test_tokens_and_money_are_told_by_kind() -> None:
    today = usage_answer(caller(), usage(), now_ms=NOW_MS)["usage"]["today"]
    assert today["cache_creation_tokens"] == 3
    assert today["total_tokens"] == 38
    assert (today["cost"], today["actual_cost"]) == (2.0, 3.0)


def test_each_model_has_its_own_totals() -> None:
    (model,) = usage_answer(caller(), usage(), now_ms=NOW_MS)["model_stats"]
    assert (model["model"], model["requests"]) == ("m", 3)
