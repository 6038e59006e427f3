"""Who did what, when, from where (issue 5, item 6)."""

from typing import Any

import pytest
from sqlalchemy import func, select

from headgate.control.audit.jobs import DAY_MS, delete_old_entries
from headgate.control.commands import UserCommands
from headgate.kit.secret import Secret
from headgate.settings import AuditSettings
from headgate.storage.models import AuditLogRow
from tests.control.audit.conftest import LOG
from tests.control.conftest import PASSWORD


async def test_a_change_is_on_record_with_before_and_after(control: Any, entries: Any) -> None:
    anna = control.anna.user_id
    await control.admin("PUT", f"/admin/users/{anna}", {"username": "Anna", "concurrency": 9})
    (entry,) = await entries()
    assert entry["before"] == {f"users:{anna}": {"username": "", "concurrency": 5}}
    assert entry["after"][f"users:{anna}"] == {"username": "Anna", "concurrency": 9}
    expected = {
        "actor_id": control.admin.user_id,
        "actor_kind": "user",
        "actor_email": "admin@example.com",
        "address": "127.0.0.1",
        "action": "PUT /api/v1/admin/users/{user_id}",
        "target_kind": "users",
        "target_id": str(anna),
        "outcome": "ok",
        "reason": "",
        "request": {"username": "Anna", "concurrency": 9},
        "at": "2025-06-15T15:06:40Z",
    }
    assert {name: entry[name] for name in expected} == expected
    assert len(entry["request_id"]) == 26


async def test_a_creation_names_what_it_made(control: Any, entries: Any) -> None:
    group = await control.add_group("pool", rate_multiplier=2)
    (entry,) = await entries()
    assert (entry["target_kind"], entry["target_id"], entry["before"]) == ("groups", str(group), None)
    assert entry["after"][f"groups:{group}"]["name"] == "pool"


async def test_a_balance_that_sql_moved_is_seen_in_usd(control: Any, entries: Any) -> None:
    anna = control.anna.user_id
    await control.admin("POST", f"/admin/users/{anna}/balance", {"balance": 2.5, "operation": "add"})
    (entry,) = await entries()
    assert entry["before"][f"users:{anna}"] == {"balance_usd": 0}
    assert entry["after"][f"users:{anna}"] == {"balance_usd": 2.5}


async def test_statements_over_many_rows_are_noted(control: Any, entries: Any) -> None:
    await control.anna("POST", "/keys", {"name": "k"})
    await control.admin("DELETE", f"/admin/users/{control.anna.user_id}")
    entry = (await entries())[0]
    (statement,) = entry["after"]["statements"]
    assert (statement["table"], statement["rows"], statement["did"]) == ("api_keys", 1, "update")
    assert statement["set"]["deleted_at"].startswith("2025-06-15T15:06:40")


async def test_the_admin_key_is_told_from_its_admin(control: Any, entries: Any) -> None:
    key = (await control.admin("POST", "/admin/settings/admin-api-key/regenerate")).data["key"]
    await control.nobody("POST", "/admin/groups", {"name": "by key"}, headers={"x-api-key": key})
    newest, oldest = await entries()
    assert (newest["actor_kind"], newest["actor_id"]) == ("admin_key", control.admin.user_id)
    assert oldest["actor_kind"] == "user"
    assert [e["id"] for e in await entries(actor="admin_key")] == [newest["id"]]


async def test_own_keys_and_logins_of_users_are_on_record(control: Any, entries: Any) -> None:
    key = (await control.anna("POST", "/keys", {"name": "laptop"})).data
    await control.anna("DELETE", f"/keys/{key['id']}")
    login = {"email": "anna@example.com", "password": PASSWORD}
    assert (await control.nobody("POST", "/auth/login", login)).status == 200
    found = [
        (e["action"], e["target_kind"], e["actor_email"]) for e in await entries(actor="anna@example.com")
    ]
    about = {"target_kind": "users", "target_id": control.anna.user_id}
    assert [e["action"] for e in await entries(**about)] == ["POST /api/v1/auth/login"]
    assert found == [
        ("POST /api/v1/auth/login", "users", "anna@example.com"),
        ("DELETE /api/v1/keys/{key_id}", "api-keys", "anna@example.com"),
        ("POST /api/v1/keys", "api-keys", "anna@example.com"),
    ]


async def test_the_row_goes_with_the_change_or_not_at_all(control: Any, entries: Any) -> None:
    await control.add_group("pool")
    refused = await control.admin("POST", "/admin/groups", {"name": "pool"})
    assert refused.status == 409
    newest = (await entries())[0]
    assert (newest["outcome"], newest["reason"]) == ("refused", refused.json["reason"])
    assert (newest["before"], newest["after"]) == (None, None)
    assert newest["request"] == {"name": "pool"}


async def test_strangers_and_users_who_fail_cannot_fill_the_log(control: Any, entries: Any) -> None:
    await control.nobody("POST", "/auth/login", {"email": "a@b.c", "password": "wrong password"})
    await control.nobody("POST", "/auth/logout")
    await control.nobody("POST", "/auth/validate-promo-code", {"code": "X"})
    await control.anna("POST", "/redeem", {"code": "nothing"})
    await control.anna("POST", "/keys", {"name": 5})
    await control.admin("GET", "/admin/users")
    assert await entries() == []


async def test_a_repeated_call_that_does_nothing_is_not_twice_on_record(control: Any, entries: Any) -> None:
    body = {"balance": 1, "operation": "add"}
    path = f"/admin/users/{control.anna.user_id}/balance"
    for _ in range(2):
        assert (await control.admin("POST", path, body, headers={"Idempotency-Key": "once"})).status == 200
    assert len(await entries()) == 1


async def test_pieces_in_transactions_of_their_own_are_each_on_record(control: Any, entries: Any) -> None:
    group = await control.add_group("plan", subscription_type="subscription")
    body = {"user_ids": [control.anna.user_id, control.ben.user_id], "group_id": group, "validity_days": 3}
    assert (await control.admin("POST", "/admin/subscriptions/bulk-assign", body)).status == 200
    found = await entries(action="bulk-assign")
    assert len({entry["request_id"] for entry in found}) == 1
    made = [name for entry in found for name in entry["after"] or ()]
    assert sum("subscriptions:" in name for name in made) == 2


async def test_filters_and_pages(control: Any, entries: Any) -> None:
    for name in ("one", "two", "three"):
        await control.add_group(name)
        control.clock.advance(60)
    await control.anna("POST", "/keys", {"name": "k"})
    assert len(await entries(target_kind="groups")) == 3
    assert [e["after"] is not None for e in await entries(search="three")] == [True]
    assert len(await entries(actor_id=control.anna.user_id)) == 1
    assert len(await entries(since="2025-06-15T15:07:00Z", until="2025-06-15T15:08:30Z")) == 1
    assert len(await entries(since="1750000000", until="1750000060")) == 1
    assert await entries(outcome="refused") == []
    assert await entries(search="%") == []
    operator = await control.add_user("op@example.com", role="operator")
    guessed = await operator("GET", LOG, query={"search": "three"})
    assert guessed.data["items"] == [], "documents hold amounts, which can be guessed digit by digit"
    page = (await control.admin("GET", LOG, query={"page": 2, "page_size": 3})).data
    assert (page["total"], page["pages"], page["page"], len(page["items"])) == (4, 2, 2, 1)
    ids = [e["id"] for e in await entries()]
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"until": "9e99"}, {"actor_id": "x"}])
async def test_bad_filters_are_refused(control: Any, query: dict[str, str]) -> None:
    answer = await control.admin("GET", LOG, query=query)
    assert answer.status == 400


async def test_only_administrators_read_it_and_nobody_writes_it(control: Any) -> None:
    assert (await control.anna("GET", LOG)).status == 403
    assert (await control.nobody("GET", LOG)).status == 401
    for method in ("POST", "PUT", "DELETE"):
        assert (await control.admin(method, LOG)).status == 405


async def test_old_entries_go_and_zero_keeps_all(control: Any) -> None:
    await control.add_group("old")
    control.clock.advance(2 * DAY_MS / 1000)
    deps = control.deps
    await UserCommands(deps).create(email="new@example.com", password=Secret("long enough"))
    assert await delete_old_entries(deps.uow, deps.clock, AuditSettings(retention_days=0)) == 0
    assert await delete_old_entries(deps.uow, deps.clock, AuditSettings(retention_days=1)) == 1
    async with deps.uow() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(AuditLogRow)) == 1
