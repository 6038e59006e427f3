"""What the data plane did is noticed, told once, and looked for cheaply (issue 5, item 8)."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from headgate.control.webhooks.delivery import deliver_due
from headgate.control.webhooks.watch import EVERY_S, FORECASTS_S, SWEEP_S, EventWatcher
from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import QuotaReading
from headgate.storage.models import AccountRow, ApiKeyRow, LedgerEntryRow, UserRow, WebhookNoticeRow
from tests.control.webhooks.receiver import PATH, Receiver

USD = 10**9


@pytest.fixture
def watcher(control: Any) -> EventWatcher:
    return EventWatcher(control.deps)


async def change(control: Any, statement: Any) -> None:
    async with control.deps.uow() as uow:
        await uow.session.execute(statement)


async def book(control: Any, credit: str, debit: str = "revenue") -> None:
    """A ledger line as the journal leaves one."""
    async with control.deps.uow() as uow:
        number = await uow.session.scalar(select(func.count()).select_from(LedgerEntryRow)) or 0
        row = LedgerEntryRow(
            exchange_id=f"x{number}", attempt=1, kind="charge", debit_book=debit, credit_book=credit,
            amount_nano=1, created_at_ms=control.clock.now_ms(),
        )  # fmt: skip
        uow.session.add(row)


async def balance(control: Any, user_id: int, usd: float) -> None:
    await change(control, update(UserRow).where(UserRow.id == user_id).values(balance_nano=round(usd * USD)))


async def told(control: Any, receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    await deliver_due(control.deps)
    events = [(event["type"], event["data"]) for event in receiver.events()]
    receiver.got.clear()
    return events


async def settle(control: Any, watcher: EventWatcher) -> None:
    """The first looks judge everybody."""
    for _ in range(3):
        await watcher.look()
        control.clock.advance(EVERY_S)


async def test_balances_and_keys_are_noticed_by_their_ledger_lines(
    control: Any, hook: Any, receiver: Receiver, watcher: EventWatcher
) -> None:
    key = (await control.anna("POST", "/keys", {"name": "laptop", "quota": 2})).data["id"]
    anna = control.anna.user_id
    await balance(control, anna, 9)
    await settle(control, watcher)
    await balance(control, anna, 4)
    await change(control, update(ApiKeyRow).where(ApiKeyRow.id == key).values(quota_used_nano=2 * USD))
    assert await watcher.look() == 0, "nobody's books moved: nobody is judged"
    await book(control, f"user:{anna}")
    await book(control, f"key:{key}")
    assert [await watcher.look() for _ in range(2)] == [2, 0]
    assert await told(control, receiver) == [
        ("key.exhausted", {"key_id": key, "name": "laptop", "user_id": anna, "quota_usd": 2, "used_usd": 2}),
        ("balance.low", {"user_id": anna, "email": "anna@example.com", "balance_usd": 4, "threshold_usd": 5}),
    ]


async def test_what_has_no_ledger_line_is_noticed_by_the_next_sweep(
    control: Any, hook: Any, receiver: Receiver, watcher: EventWatcher
) -> None:
    await balance(control, control.anna.user_id, 9)
    await settle(control, watcher)
    await balance(control, control.anna.user_id, 4)
    assert await watcher.look() == 0
    control.clock.advance(SWEEP_S)
    assert await watcher.look() == 1


async def test_who_is_well_again_is_told_of_again(
    control: Any, hook: Any, receiver: Receiver, watcher: EventWatcher
) -> None:
    anna = control.anna.user_id
    for usd, events in ((9, 0), (4, 1), (3, 0), (9, 0), (1, 1)):
        await balance(control, anna, usd)
        await book(control, f"user:{anna}")
        assert await watcher.look() == events, usd


async def test_what_is_used_up_when_watching_begins_is_no_news(
    control: Any, receiver: Receiver, watcher: EventWatcher
) -> None:
    key = (await control.anna("POST", "/keys", {"name": "old", "quota": 2})).data["id"]
    await change(control, update(ApiKeyRow).where(ApiKeyRow.id == key).values(quota_used_nano=2 * USD))
    await settle(control, watcher)
    await control.admin("POST", PATH, {"name": "ops", "url": receiver.url})
    assert await watcher.look() == 0
    async with control.deps.uow() as uow:
        subjects = set(await uow.session.scalars(select(WebhookNoticeRow.subject)))
    assert str(key) in subjects


async def test_a_key_that_was_refused_near_its_end_is_used_up(
    control: Any, hook: Any, receiver: Receiver
) -> None:
    """Reservations leave a rest that pays for nothing: the books alone would never say so."""
    keys = [(await control.anna("POST", "/keys", {"name": n, "quota": 2})).data["id"] for n in ("a", "b")]
    for key, used in zip(keys, (1.9, 0.1), strict=True):
        used_nano = round(used * USD)
        await change(control, update(ApiKeyRow).where(ApiKeyRow.id == key).values(quota_used_nano=used_nano))
    watcher = EventWatcher(replace(control.deps, refused_keys=lambda: frozenset(keys)))
    assert [await watcher.look() for _ in range(3)] == [1, 0, 0]
    ((kind, data),) = await told(control, receiver)
    assert (kind, data["key_id"], data["used_usd"]) == ("key.exhausted", keys[0], 1.9)
    await change(control, update(ApiKeyRow).where(ApiKeyRow.id == keys[0]).values(quota_used_nano=USD))
    await book(control, f"key:{keys[0]}")
    assert await watcher.look() == 0
    await change(control, update(ApiKeyRow).where(ApiKeyRow.id == keys[0]).values(quota_used_nano=2 * USD))
    assert await watcher.look() == 1


async def test_accounts_and_windows(
    control: Any, hook: Any, receiver: Receiver, watcher: EventWatcher
) -> None:
    account = await control.add_account("main")
    await settle(control, watcher)
    now = control.clock.now_ms()
    for minute, used in enumerate((500_000, 700_000, 900_000)):
        at_ms = now - (3 - minute) * 600_000
        reading = QuotaReading(window="5h", at_ms=at_ms, used_ppm=used, resets_at_ms=now + 7_200_000,
                               length_ms=5 * 3_600_000)  # fmt: skip
        await control.deps.state.quota_windows.note(AccountId(account), [reading])
    control.clock.advance(FORECASTS_S)
    assert [await watcher.look() for _ in range(2)] == [1, 0]
    broken = update(AccountRow).where(AccountRow.id == account)
    await change(control, broken.values(status="error", error_message="401"))
    assert [await watcher.look() for _ in range(2)] == [1, 0]
    await control.admin("POST", f"/admin/accounts/{account}/clear-error")
    assert [await watcher.look() for _ in range(2)] == [1, 0]
    events = await told(control, receiver)
    assert [kind for kind, _ in events] == [
        "account.quota_forecast", "account.down", "account.recovered",
    ]  # fmt: skip
    assert (events[0][1]["window"], events[1][1]["error"]) == ("5h", "401")


async def test_two_processes_tell_once(control: Any, hook: Any, receiver: Receiver) -> None:
    first, second = EventWatcher(control.deps), EventWatcher(control.deps)
    await balance(control, control.anna.user_id, 9)
    assert [await first.look(), await second.look()] == [0, 0]
    await balance(control, control.anna.user_id, 1)
    assert [await first.look(), await second.look()] == [1, 0]
