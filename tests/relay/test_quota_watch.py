"""Listening to quota headers: news once, nonsense logged once."""

import pytest
from structlog.testing import capture_logs

from headgate.core.ids import AccountId
from headgate.core.world import Account
from headgate.kit.clock import FakeClock
from headgate.relay.directory import Directory
from headgate.relay.quota_watch import QuotaWatch
from headgate.state.protocols import SharedState

UNIFIED = "anthropic-ratelimit-unified-5h-"


@pytest.fixture
def account(directory: Directory) -> Account:
    found = directory.account(AccountId(1))
    assert found is not None
    return found


@pytest.fixture
def watch(state: SharedState, clock: FakeClock) -> QuotaWatch:
    return QuotaWatch(state.quota_windows, clock)


def headers(clock: FakeClock, used: str) -> dict[str, str]:
    return {f"{UNIFIED}utilization": used, f"{UNIFIED}reset": str(clock.now_ms() // 1000 + 3600)}


def test_the_same_word_again_is_no_news_until_it_is_old(
    watch: QuotaWatch, account: Account, clock: FakeClock
) -> None:
    assert [r.used_ppm for r in watch.look(account, headers(clock, "0.5"))] == [500_000]
    assert not watch.look(account, headers(clock, "0.5"))
    assert [r.used_ppm for r in watch.look(account, headers(clock, "0.51"))] == [510_000]
    clock.advance(601)
    assert len(watch.look(account, headers(clock, "0.51"))) == 1
    assert not watch.look(account, {})


def test_nonsense_is_logged_once_per_account(watch: QuotaWatch, account: Account, clock: FakeClock) -> None:
    with capture_logs() as lines:
        for used in ("many", "lots", "1e99"):
            assert not watch.look(account, headers(clock, used))
    assert [(line["event"], line["header"]) for line in lines] == [
        ("quota_header_ignored", f"{UNIFIED}utilization")
    ]
