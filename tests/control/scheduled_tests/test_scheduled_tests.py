"""Accounts that are tested again and again (spec 8.4)."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from headgate.control.scheduled_tests.jobs import AT_ONCE, LOCK, run_due_tests
from headgate.control.scheduled_tests.schemas import PlanCreate
from headgate.core.ids import AccountId
from headgate.state.protocols import Cooldown
from headgate.storage.models import AccountRow

PLANS = "/admin/scheduled-test-plans"


async def plan_for(control, account, **fields):
    return (await control.admin("POST", PLANS, {"account_id": account, **fields})).data


async def mark_error(control, account):
    async with control.deps.uow() as uow:
        row = await uow.session.get(AccountRow, account)
        row.status, row.error_message = "error", "401"


async def status_of(control, account):
    return (await control.admin("GET", f"/admin/accounts/{account}")).data["status"]


async def test_a_plan_is_made_changed_listed_and_dropped(control):
    account = await control.add_account()
    plan = await plan_for(control, account, cron_expression="0 4 * * *")
    assert (plan["enabled"], plan["max_results"], plan["auto_recover"]) == (True, 50, False)
    assert plan["next_run_at"].startswith("2025-06-16T04:00:00")
    path = f"{PLANS}/{plan['id']}"
    changed = (await control.admin("PUT", path, {"cron_expression": "*/5 * * * *"})).data
    assert changed["next_run_at"].startswith("2025-06-15T15:10:00")
    listed = await control.admin("GET", f"/admin/accounts/{account}/scheduled-test-plans")
    assert [row["id"] for row in listed.data] == [plan["id"]]
    assert (await control.admin("DELETE", path)).status == 200
    assert (await control.admin("GET", path)).json["reason"] == "SCHEDULED_TEST_NOT_FOUND"


@pytest.mark.parametrize(
    "wrong",
    [{"cron_expression": "61 * * * *"}, {"cron_expression": "0 0 30 2 *"}, {"max_results": 0},
     {"max_results": 1001}, {"account_id": 0}],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        PlanCreate.model_validate({"account_id": 1, **wrong})


async def test_a_due_test_is_run_once_and_its_success_recovers_the_account(control):
    sick, watched, off = [await control.add_account(name) for name in ("sick", "watched", "off")]
    plan = await plan_for(control, sick, model_id="claude-x", auto_recover=True, max_results=2)
    await plan_for(control, watched)
    await plan_for(control, off, auto_recover=True)
    await control.admin("PUT", f"/admin/accounts/{off}", {"status": "inactive"})
    for account in (sick, watched):
        await mark_error(control, account)
    until = control.clock.now_ms() + 10**7
    cooldown = Cooldown(account_id=AccountId(sick), model="m", until_ms=until, reason="r", evidence="")
    await control.deps.state.cooldowns.set(cooldown)
    assert await run_due_tests(control.deps) == 0, "not yet"
    control.clock.advance(timedelta(minutes=30).total_seconds())
    assert await run_due_tests(control.deps) == 3
    assert await run_due_tests(control.deps) == 0
    assert (sick, "claude-x", "hi") in control.tester.asked
    states = [await status_of(control, account) for account in (sick, watched, off)]
    assert states == ["active", "error", "inactive"]
    health = (await control.admin("GET", f"/admin/accounts/{sick}/health")).data
    assert (health["state"], health["timeline"][0]["cause"]) == ("healthy", "test answered")
    await control.admin("PUT", f"{PLANS}/{plan['id']}", {"cron_expression": "* * * * *"})
    for _ in range(2):
        control.clock.advance(60)
        assert await run_due_tests(control.deps) == 1
    results = (await control.admin("GET", f"{PLANS}/{plan['id']}/results")).data
    assert [(row["status"], row["response_text"]) for row in results] == [("success", "hello")] * 2
    assert results[0]["id"] > results[1]["id"]


async def test_a_failed_test_says_why_and_recovers_nothing(control):
    account = await control.add_account()
    plan = await plan_for(control, account, auto_recover=True)
    await mark_error(control, account)
    control.tester.events = [{"type": "test_start", "model": "m"}, {"type": "error", "error": "still 401"}]
    control.clock.advance(1800)
    await run_due_tests(control.deps)
    (result,) = (await control.admin("GET", f"{PLANS}/{plan['id']}/results")).data
    assert (result["status"], result["error_message"]) == ("failed", "still 401")
    assert await status_of(control, account) == "error"


async def test_one_process_runs_them_and_those_of_deleted_accounts_are_over(control):
    kept, gone = await control.add_account("kept"), await control.add_account("gone")
    for _ in range(AT_ONCE + 1):
        await plan_for(control, kept)
    plan = await plan_for(control, gone)
    await control.admin("DELETE", f"/admin/accounts/{gone}")
    for path in (f"{PLANS}/{plan['id']}", f"{PLANS}/{plan['id']}/results"):
        assert (await control.admin("GET", path)).json["reason"] == "SCHEDULED_TEST_NOT_FOUND"
    control.clock.advance(1800)
    token = await control.deps.state.locks.acquire(LOCK, ttl_s=60)
    assert await run_due_tests(control.deps) == 0, "another process is at it"
    await control.deps.state.locks.release(LOCK, token)
    assert await run_due_tests(control.deps) == AT_ONCE + 1
