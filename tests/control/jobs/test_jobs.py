"""Long work: progress, cancel between pieces, what was done stays and is listed (issue 6.5)."""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select

from headgate.control.jobs import account_kinds, usage_kind
from headgate.control.jobs.runner import FILE_MS, KEEP_MS, JobRunner, delete_old_jobs
from headgate.storage.models import AuditLogRow, JobRow, UserRow
from tests.control.usage.records import record, store

PATH = "/admin/jobs"
SECRET = "sk-ant-0123456789-0123456789"


async def begin(control: Any, kind: str, body: dict[str, Any], caller: Any = None) -> dict[str, Any]:
    answer = await (caller or control.admin)("POST", f"{PATH}/{kind}", body)
    assert answer.status == 201, answer.body
    return dict(answer.data)


async def shown(control: Any, job: dict[str, Any]) -> dict[str, Any]:
    return dict((await control.admin("GET", f"{PATH}/{job['id']}")).data)


async def items(control: Any, job: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    answer = await control.admin("GET", f"{PATH}/{job['id']}/items", query={"page_size": "1000"} | query)
    return list(answer.data["items"])


def counts(job: dict[str, Any]) -> tuple[str, int, int, int]:
    return job["status"], job["total"], job["done"], job["failed"]


def file_of(*names: str, **more: Any) -> dict[str, Any]:
    good = {"platform": "anthropic", "type": "apikey", "credentials": {"api_key": SECRET}}
    return {
        "data": {
            "type": "sub2api-data",
            "version": 1,
            "accounts": [good | {"name": n} for n in names],
            **more,
        }
    }


async def test_a_file_is_imported_in_the_background_with_its_proxies(control: Any) -> None:
    proxy = {"proxy_key": "mine", "name": "p", "protocol": "http", "host": "192.0.2.1", "port": 8080}
    body = file_of("a", "b", proxies=[proxy])
    body["data"]["accounts"][1]["proxy_key"] = "mine"
    body["data"]["accounts"].append({"name": "odd", "platform": "vax", "type": "apikey"})
    job = await begin(control, "account-import", body)
    assert counts(job) == ("pending", 4, 0, 0)
    async with control.deps.uow() as uow:
        kept = (await uow.session.get(JobRow, job["id"])).body_sealed
    assert SECRET.encode() not in kept
    assert await JobRunner(control.deps).work() == 1
    done = await shown(control, job)
    assert counts(done) == ("succeeded", 4, 4, 1)
    assert done["finished_at"] is not None
    told = await items(control, job)
    assert [(one["subject"], one["name"], one["success"]) for one in told] == [
        ("proxy", "p", True), ("account", "a", True), ("account", "b", True), ("account", "odd", False),
    ]  # fmt: skip
    assert "INVALID_PLATFORM" in told[3]["message"]
    accounts = (await control.admin("GET", "/admin/accounts")).data["items"]
    assert [account["name"] for account in accounts] == ["b", "a"]
    assert accounts[0]["proxy_id"] is not None
    assert accounts[0]["id"] == told[2]["subject_id"]
    async with control.deps.uow() as uow:
        assert (await uow.session.get(JobRow, job["id"])).body_sealed is None
        actions = list(await uow.session.scalars(select(AuditLogRow.action)))
    assert "job account_import" in actions


async def test_a_cancel_ends_it_between_two_steps_and_what_was_done_is_listed(
    control: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_kinds, "TESTS_AT_ONCE", 2)
    ids = [await control.add_account(f"a{n}") for n in range(5)]
    job = await begin(control, "account-test", {"account_ids": ids})
    run = control.tester.run

    async def cancelled_at_the_third(account_id: int, **options: Any) -> Any:
        if account_id == ids[2]:
            assert counts(await shown(control, job)) == ("running", 5, 2, 0)
            assert (await control.admin("POST", f"{PATH}/{job['id']}/cancel")).data["status"] == "canceled"
        async for event in run(account_id, **options):
            yield event

    monkeypatch.setattr(control.tester, "run", cancelled_at_the_third)
    assert await JobRunner(control.deps).work() == 1
    ended = await shown(control, job)
    assert counts(ended) == ("canceled", 5, 4, 0)
    assert ended["canceled_by"] == control.admin.user_id
    assert [one["subject_id"] for one in await items(control, job)] == ids[:4]
    assert sorted(asked[0] for asked in control.tester.asked) == ids[:4]
    again = await control.admin("POST", f"{PATH}/{job['id']}/cancel")
    assert (again.status, again.json["reason"]) == (409, "JOB_CANCEL_CONFLICT")


async def test_a_test_that_fails_says_why(control: Any) -> None:
    account = await control.add_account()
    control.tester.events = [{"type": "error", "error": "upstream said 401", "status_code": 401}]
    job = await begin(control, "account-test", {"account_ids": [account, 999], "model_id": "m-9"})
    await JobRunner(control.deps).work()
    assert counts(await shown(control, job)) == ("succeeded", 2, 2, 2)
    told = {one["subject_id"]: one["message"] for one in await items(control, job, success="false")}
    assert told == {account: "upstream said 401", 999: "account not found (ACCOUNT_NOT_FOUND)"}
    assert control.tester.asked[0][1] == "m-9"


async def test_who_dies_leaves_the_job_to_be_continued(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_kinds, "AT_ONCE", 2)
    ids = [await control.add_account(f"a{n}") for n in range(5)]
    job = await begin(control, "account-update", {"account_ids": [*ids, ids[0]], "priority": 9})
    locks = control.deps.state.locks

    async def lost(name: str, token: str, *, ttl_s: float) -> bool:
        return False

    with monkeypatch.context() as dying:
        dying.setattr(locks, "renew", lost)
        await JobRunner(control.deps).work()
    assert counts(await shown(control, job)) == ("running", 5, 2, 0)
    await JobRunner(control.deps).work()
    assert counts(await shown(control, job)) == ("succeeded", 5, 5, 0)
    assert [one["subject_id"] for one in await items(control, job)] == ids
    accounts = (await control.admin("GET", "/admin/accounts")).data["items"]
    assert {account["priority"] for account in accounts} == {9}


async def test_operators_begin_what_they_may_and_no_longer_when_they_may_not(control: Any) -> None:
    account = await control.add_account()
    operator = await control.add_user("op@example.com", role="operator")
    auditor = await control.add_user("au@example.com", role="auditor")
    one = {"account_ids": [account]}
    for kind, body in (
        ("account-action", one | {"action": "delete"}),
        ("account-action", one | {"action": "reset_quota"}),
        ("account-update", one | {"rate_multiplier": 0.1}),
    ):
        refused = await operator("POST", f"{PATH}/{kind}", body)
        assert (refused.status, refused.json["reason"]) == (403, "INSUFFICIENT_PERMISSIONS"), body
    assert (await auditor("POST", f"{PATH}/account-action", one | {"action": "disable"})).status == 403
    job = await begin(control, "account-action", one | {"action": "disable"}, operator)
    theirs = await auditor("POST", f"{PATH}/{job['id']}/cancel")
    assert (theirs.status, theirs.json["reason"]) == (403, "INSUFFICIENT_PERMISSIONS")
    async with control.deps.uow() as uow:
        (await uow.session.get(UserRow, operator.user_id)).role = "user"
    await JobRunner(control.deps).work()
    failed = await shown(control, job)
    assert (failed["status"], failed["reason"], failed["done"]) == ("failed", "INSUFFICIENT_PERMISSIONS", 0)
    assert (await control.admin("GET", f"/admin/accounts/{account}")).data["schedulable"] is True


async def test_an_export_of_any_length_is_one_file(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_kind, "AT_ONCE", 2)
    now = control.clock.now_ms()
    await store(
        control,
        *(
            record(exchange_id=f"e{n}", user_id=control.anna.user_id, created_at_ms=now - 9 + n)
            for n in range(5)
        ),
        record(exchange_id="other", user_id=control.ben.user_id, created_at_ms=now),
    )
    auditor = await control.add_user("au@example.com", role="auditor")
    job = await begin(control, "usage-export", {"user_id": control.anna.user_id}, auditor)
    assert counts(job) == ("pending", 5, 0, 0)
    early = await control.admin("GET", f"{PATH}/{job['id']}/file")
    assert (early.status, early.json["reason"]) == (409, "JOB_NOT_FINISHED")
    await JobRunner(control.deps).work()
    assert counts(await shown(control, job)) == ("succeeded", 5, 5, 0)
    answer = await auditor("GET", f"{PATH}/{job['id']}/file")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [line["request_id"] for line in lines] == [f"e{n}" for n in range(5)]
    whole = await control.admin("GET", "/admin/usage/export", query={"user_id": str(control.anna.user_id)})
    assert sorted(answer.body.splitlines()) == sorted(whole.body.splitlines())
    control.clock.advance(FILE_MS / 1000 + 1)
    assert await delete_old_jobs(control.deps.uow, control.clock) == 0
    later = await control.add_user("later@example.com", role="admin")
    gone = await later("GET", f"{PATH}/{job['id']}/file")
    assert (gone.status, gone.json["reason"]) == (404, "JOB_FILE_NOT_FOUND")
    control.clock.advance(KEEP_MS / 1000)
    assert await delete_old_jobs(control.deps.uow, control.clock) == 1
    async with control.deps.uow() as uow:
        assert list(await uow.session.scalars(select(JobRow))) == []


async def test_a_second_click_begins_nothing_and_nonsense_is_refused(control: Any) -> None:
    body = {"account_ids": [1], "action": "recover"}
    key = {"Idempotency-Key": "click-1"}
    first, second = [
        await control.admin("POST", f"{PATH}/account-action", body, headers=key) for _ in range(2)
    ]
    assert first.data["id"] == second.data["id"]
    for kind, wrong, reason in (
        (
            "account-import",
            file_of("a") | {"data": {"type": "other", "version": 7}},
            "IMPORT_VERSION_UNKNOWN",
        ),
        ("account-import", file_of(), "INVALID_INPUT"),
        ("usage-export", {"start_date": "2024-02-30"}, "INVALID_INPUT"),
    ):
        answer = await control.admin("POST", f"{PATH}/{kind}", wrong)
        assert (answer.status, answer.json["reason"]) == (400, reason), answer.body
    for kind, wrong in (
        ("account-action", {"account_ids": [], "action": "recover"}),
        ("account-action", {"account_ids": [1], "action": "explode"}),
        ("account-test", {"account_ids": list(range(1, 10_002))}),
    ):
        assert (await control.admin("POST", f"{PATH}/{kind}", wrong)).status == 400
    assert (await control.admin("GET", PATH)).data["total"] == 1
