"""Roles: who gives them, and that somebody keeps the highest one (issue 5, item 6)."""

from typing import Any

import pytest

from headgate.control.commands import UserCommands
from headgate.errors import ApiError
from headgate.kit.secret import Secret


async def test_an_admin_gives_and_takes_roles(control: Any) -> None:
    path = f"/admin/users/{control.anna.user_id}"
    for role in ("operator", "auditor", "admin", "user"):
        assert (await control.admin("PUT", path, {"role": role})).data["role"] == role
    made = {"email": "op@example.com", "password": "long enough", "role": "operator"}
    assert (await control.admin("POST", "/admin/users", made)).data["role"] == "operator"
    for method, where, body in (("PUT", path, {}), ("POST", "/admin/users", made | {"email": "x@y.z"})):
        answer = await control.admin(method, where, body | {"role": "root"})
        assert answer.status == 400


async def test_a_new_role_begins_with_a_new_login(control: Any) -> None:
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"role": "auditor"})
    answer = await control.anna("GET", "/admin/users")
    assert (answer.status, answer.json["code"]) == (401, "TOKEN_REVOKED")


@pytest.mark.parametrize("role", ["operator", "auditor", "user"])
async def test_nobody_else_gives_roles(control: Any, role: str) -> None:
    caller = await control.add_user(f"{role}@example.org", role=role)
    path = f"/admin/users/{caller.user_id}"
    assert (await caller("PUT", path, {"role": "admin"})).status == 403
    draft = {"email": "n@example.org", "password": "long enough", "role": "admin"}
    assert (await caller("POST", "/admin/users", draft)).status == 403
    await caller("PUT", "/user", {"username": "me", "role": "admin"})
    assert (await control.admin("GET", path)).data["role"] == role


async def test_the_last_active_admin_keeps_the_role(control: Any) -> None:
    path = f"/admin/users/{control.admin.user_id}"
    answer = await control.admin("PUT", path, {"role": "user"})
    assert (answer.status, answer.json["reason"]) == (400, "LAST_ADMIN")
    second = await control.add_user("second@example.org", role="admin")
    assert (await second("PUT", path, {"role": "operator"})).data["role"] == "operator"
    answer = await second("PUT", f"/admin/users/{second.user_id}", {"role": "user"})
    assert answer.json["reason"] == "LAST_ADMIN"


async def test_an_operator_changes_how_an_account_is_used_not_what_it_is(control: Any) -> None:
    operator = await control.add_user("op@example.org", role="operator")
    account = await control.add_account()
    path = f"/admin/accounts/{account}"
    assert (await operator("PUT", path, {"priority": 7, "concurrency": 2})).data["priority"] == 7
    assert (await operator("POST", f"{path}/schedulable", {"schedulable": False})).status == 200
    for field, value in (
        ("credentials", {"api_key": "mine"}),
        ("extra", {"quota_limit": 9}),
        ("rate_multiplier", 0),
        ("proxy_id", 1),
        ("type", "bearer"),
    ):
        answer = await operator("PUT", path, {field: value})
        assert (answer.status, answer.json["reason"]) == (403, "INSUFFICIENT_PERMISSIONS"), field
        assert field in answer.json["message"]


async def test_an_auditor_sees_no_code_that_is_worth_money(control: Any) -> None:
    auditor = await control.add_user("au@example.org", role="auditor")
    for path in ("/admin/redeem-codes", "/admin/redeem-codes/export", "/admin/promo-codes"):
        assert (await auditor("GET", path)).status == 403
    assert (await auditor("GET", "/admin/redeem-codes/stats")).status == 200


async def test_what_a_role_tried_in_vain_is_on_record(control: Any) -> None:
    auditor = await control.add_user("au@example.org", role="auditor")
    assert (await auditor("POST", "/admin/groups", {"name": "mine"})).status == 403
    assert (await control.anna("POST", "/admin/groups", {"name": "mine"})).status == 403
    (entry,) = (await auditor("GET", "/admin/audit-log")).data["items"]
    assert (entry["outcome"], entry["reason"]) == ("denied", "FORBIDDEN")
    assert entry["actor_email"] == "au@example.org"


async def test_the_command_line_gives_roles_by_the_same_rules(control: Any) -> None:
    commands = UserCommands(control.deps)
    await commands.create(email="c@example.org", password=Secret("long enough"), role="auditor")
    assert (await commands.set_role("c@example.org", "operator")).role == "operator"
    with pytest.raises(ApiError) as caught:
        await commands.set_role("admin@example.com", "user")
    assert caught.value.reason == "LAST_ADMIN"
    with pytest.raises(ApiError):
        await commands.set_role("c@example.org", "root")
