"""Clean-up tasks take detail and leave the books (spec 8.7, decision 43)."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from headgate.control.usage import cleanup_jobs
from headgate.control.usage.cleanup import BLANK
from headgate.control.usage.cleanup_jobs import TASK_TIMEOUT_MS, CleanupWorker
from headgate.storage.models import ExchangeTraceRow, UsageRecordRow
from tests.control.usage.records import record, store, trace

PATH = "/admin/usage/cleanup-tasks"
JUNE = {"start_date": "2024-06-01", "end_date": "2024-06-30", "timezone": "UTC"}


def at(day: str) -> int:
    return round(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC).timestamp() * 1000)


def worker(control: Any) -> CleanupWorker:
    return CleanupWorker(control.deps.uow, control.clock, control.deps.state.locks)


async def ask(control: Any, **fields: Any) -> Any:
    return await control.admin("POST", PATH, JUNE | fields)


async def shown(control: Any, task_id: int) -> dict[str, Any]:
    return dict((await control.admin("GET", f"{PATH}/{task_id}")).data)


async def everything(control: Any) -> tuple[dict[str, dict[str, Any]], set[str]]:
    async with control.deps.uow() as uow:
        rows = list(await uow.session.scalars(select(UsageRecordRow)))
        names = [column.name for column in UsageRecordRow.__table__.columns]
        records = {row.exchange_id: {name: getattr(row, name) for name in names} for row in rows}
        traces = set(await uow.session.scalars(select(ExchangeTraceRow.exchange_id)))
    return records, traces


async def a_summer(control: Any) -> None:
    days = {"may": "2024-05-31", "first": "2024-06-01", "last": "2024-06-30", "july": "2024-07-01"}
    for name, day in days.items():
        await store(control, record(exchange_id=name, created_at_ms=at(day)), trace(name, 1, at(day)))


async def test_detail_of_the_days_goes_and_everything_else_stays(control: Any) -> None:
    await a_summer(control)
    before, _ = await everything(control)
    made = await ask(control)
    assert (made.status, made.data["status"], made.data["cleaned_rows"]) == (201, "pending", 0)
    assert await worker(control).work() == 2
    after, traces = await everything(control)
    assert {name: after[name] for name in ("may", "july")} == {n: before[n] for n in ("may", "july")}
    for name in ("first", "last"):
        assert after[name] == {**before[name], **BLANK}
    assert traces == {"may", "july"}
    done = await shown(control, made.data["id"])
    assert (done["status"], done["cleaned_rows"], done["deleted_traces"]) == ("succeeded", 2, 2)
    assert done["finished_at"] is not None
    assert done["filters"] == JUNE
    totals = (await control.admin("GET", "/admin/usage/stats", query=JUNE)).data
    assert totals["total_requests"] == 2


async def test_filters_are_those_of_the_list(control: Any) -> None:
    day = at("2024-06-05")
    await store(
        control,
        record(exchange_id="a", user_id=1, created_at_ms=day),
        record(exchange_id="b", user_id=2, client_model="m", created_at_ms=day),
        record(exchange_id="c", user_id=2, is_stream=False, created_at_ms=day),
        record(exchange_id="d", user_id=2, account_id=9, subscription_id=4, created_at_ms=day),
    )
    for fields, cleaned in (
        ({"user_id": 2, "model": "m"}, 1),
        ({"user_id": 2, "request_type": "sync"}, 1),
        ({"account_id": 9, "billing_type": 1}, 1),
        ({"request_type": "ws_v2"}, 0),
        ({"user_id": 3}, 0),
    ):
        task = (await ask(control, **fields)).data["id"]
        await worker(control).work()
        assert (await shown(control, task))["cleaned_rows"] == cleaned, fields
    records, _ = await everything(control)
    assert [name for name, row in records.items() if row["client_ip"]] == ["a"]


async def test_a_task_goes_on_where_it_was_and_tasks_take_turns(
    control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup_jobs, "MOST", 2)
    day = at("2024-06-05")
    await store(control, *(record(exchange_id=f"e{n}", created_at_ms=day) for n in range(5)))
    first, second = [(await ask(control)).data["id"] for _ in range(2)]
    steps = CleanupWorker(control.deps.uow, control.clock, _Once())
    assert await steps.work() == 2
    halfway = await shown(control, first)
    assert (halfway["status"], halfway["cleaned_rows"]) == ("running", 2)
    assert (await shown(control, second))["status"] == "pending"
    assert await worker(control).work() == 3 + 5
    assert (await shown(control, first))["cleaned_rows"] == 5


class _Once:
    """Locks of a process that dies after one step."""

    async def acquire(self, name: str, *, ttl_s: float) -> str | None:
        return name

    async def renew(self, name: str, token: str, *, ttl_s: float) -> bool:
        return False

    async def release(self, name: str, token: str) -> None:
        return None


async def test_a_cancelled_task_does_nothing_more(control: Any) -> None:
    await a_summer(control)
    task = (await ask(control)).data["id"]
    cancelled = await control.admin("POST", f"{PATH}/{task}/cancel")
    assert (cancelled.data["status"], cancelled.data["canceled_by"]) == ("canceled", control.admin.user_id)
    assert await worker(control).work() == 0
    again = await control.admin("POST", f"{PATH}/{task}/cancel")
    assert (again.status, again.json["reason"]) == (409, "USAGE_CLEANUP_CANCEL_CONFLICT")
    missing = await control.admin("POST", f"{PATH}/99/cancel")
    assert (missing.status, missing.json["reason"]) == (404, "USAGE_CLEANUP_TASK_NOT_FOUND")


async def test_a_task_that_never_ends_fails(control: Any) -> None:
    task = (await ask(control)).data["id"]
    await a_summer(control)
    await CleanupWorker(control.deps.uow, control.clock, _Once()).work()
    control.clock.advance(TASK_TIMEOUT_MS / 1000 + 1)
    await worker(control).work()
    failed = await shown(control, task)
    assert (failed["status"], failed["error_message"]) == ("failed", "took longer than half an hour")


async def test_ranges_that_make_no_sense_are_refused(control: Any) -> None:
    for fields, reason in (
        ({"start_date": ""}, "USAGE_CLEANUP_MISSING_RANGE"),
        ({"end_date": "2024-05-31"}, "USAGE_CLEANUP_INVALID_RANGE"),
        ({"end_date": "2024-07-02"}, "USAGE_CLEANUP_RANGE_TOO_LARGE"),
        ({"end_date": "2024-06-31"}, "INVALID_INPUT"),
        ({"timezone": "Moon/Sea"}, "INVALID_INPUT"),
    ):
        refused = await ask(control, **fields)
        assert (refused.status, refused.json["reason"]) == (400, reason), fields
    assert (await ask(control, user_id="1")).status == 400
    assert (await control.admin("GET", PATH)).data["total"] == 0


async def test_only_administrators_ask(control: Any) -> None:
    operator = await control.add_user("op@example.com", role="operator")
    assert (await operator("POST", PATH, JUNE)).status == 403
    assert (await operator("GET", PATH)).status == 200
