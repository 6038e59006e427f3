"""What strangers are told of the state of service (spec 8.15)."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from headgate.control.public.status import HOUR_MS, Members, Tally, state_of
from headgate.storage.models import AccountRow
from tests.control.usage.records import record, store


@pytest.mark.parametrize(
    ("members", "recent", "state"),
    [
        (Members(2, 0), Tally(), "up"),
        (Members(0, 0), Tally(), "down"),
        (Members(2, 2), Tally(100, 100), "down"),
        (Members(2, 1), Tally(100, 100), "degraded"),
        (Members(3, 1), Tally(100, 100), "up"),
        (Members(1, 0), Tally(9, 0), "up"),
        (Members(1, 0), Tally(10, 9), "degraded"),
        (Members(1, 0), Tally(10, 4), "down"),
    ],
)
def test_a_state_is_what_a_user_would_notice(members: Members, recent: Tally, state: str) -> None:
    assert state_of(members, recent) == state


async def opened(control):
    await control.admin("PUT", "/admin/settings", {"status_page_enabled": True})
    group = await control.add_group("shared", description="for all")
    await control.add_group("members", is_exclusive=True)
    account = await control.add_account(
        "secret account", credentials={"api_key": "sk-ant-0123456789"}, group_ids=[group]
    )
    return group, account


async def status(control):
    control.clock.advance(31)
    answer = await control.nobody("GET", "/public/status")
    assert answer.status == 200, answer.json
    return answer


async def test_the_page_is_closed_until_somebody_opens_it(control):
    refused = await control.nobody("GET", "/public/status")
    assert (refused.status, refused.json["reason"]) == (404, "PUBLIC_PAGE_CLOSED")


async def test_strangers_see_the_state_of_open_groups_and_nothing_of_accounts(control):
    _, account = await opened(control)
    answer = await status(control)
    (group,) = answer.data["groups"]
    assert (answer.data["state"], group["name"], group["state"], len(group["hours"])) == (
        "up",
        "shared",
        "up",
        24,
    )
    assert set(group) == {"id", "name", "description", "platform", "state", "hours"}
    assert "secret account" not in str(answer.json)
    async with control.deps.uow() as uow:
        later = datetime.fromtimestamp(control.clock.now_ms() / 1000 + 600, tz=UTC)
        await uow.session.execute(
            update(AccountRow).where(AccountRow.id == account).values(rate_limit_reset_at=later)
        )
    answer = await status(control)
    assert (answer.data["state"], answer.data["groups"][0]["state"]) == ("down", "down")
    await control.admin("PUT", f"/admin/accounts/{account}", {"status": "inactive"})
    assert (await status(control)).data["groups"][0]["state"] == "down"


async def test_an_exchange_that_another_account_answered_counts_as_answered(control):
    group, account = await opened(control)
    now = control.clock.now_ms()
    plain = {"group_id": group, "account_id": account}
    failed = plain | {"outcome": "failed", "fault": "upstream_error", "charge_nano": 0}
    await store(
        control,
        record(exchange_id="x1", attempt=1, created_at_ms=now, **failed),
        record(exchange_id="x1", attempt=2, created_at_ms=now, **plain),
        record(exchange_id="x2", created_at_ms=now, **failed),
        record(exchange_id="x3", created_at_ms=now, **failed | {"fault": "upstream_request_rejected"}),
        record(exchange_id="x4", created_at_ms=now - 2 * HOUR_MS, **failed),
    )
    (shown,) = (await status(control)).data["groups"]
    shares = [hour["answered_share"] for hour in shown["hours"]]
    assert [share for share in shares if share is not None] == [0, 0.5]
    assert (shares[-1], shares[-3]) == (0.5, 0)
