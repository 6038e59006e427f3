"""Every adjustment by an administrator is on record (spec 1.1, 8.2)."""

from typing import Any

import pytest


async def history(control: Any, **query: Any) -> Any:
    path = f"/admin/users/{control.anna.user_id}/balance-history"
    return (await control.admin("GET", path, query=query)).data


async def change(control: Any, amount: float, operation: str, notes: str = "") -> None:
    body = {"balance": amount, "operation": operation, "notes": notes}
    await control.admin("POST", f"/admin/users/{control.anna.user_id}/balance", body)


async def test_a_balance_change_is_a_used_code_with_its_actor_and_ledger_id(codes: Any, control: Any) -> None:
    await change(control, 10, "add", "gift")
    await change(control, 4, "set")
    items = (await history(control))["items"]
    assert [(item["type"], item["value"], item["status"], item["notes"]) for item in items] == [
        ("admin_balance", -6, "used", ""),
        ("admin_balance", 10, "used", "gift"),
    ]
    assert {(item["actor_id"], item["used_by"]) for item in items} == {
        (control.admin.user_id, control.anna.user_id)
    }
    assert all(item["code"].startswith("op:") for item in items)


async def test_nothing_changed_is_nothing_to_record(codes: Any, control: Any) -> None:
    await change(control, 0, "set")
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"concurrency": 5, "notes": "x"})
    assert (await history(control))["total"] == 0


async def test_a_concurrency_change_is_recorded_too(codes: Any, control: Any) -> None:
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"concurrency": 2})
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"concurrency": 9})
    items = (await history(control))["items"]
    assert [(item["type"], item["value"]) for item in items] == [
        ("admin_concurrency", 7),
        ("admin_concurrency", -3),
    ]
    assert {item["actor_id"] for item in items} == {control.admin.user_id}


async def test_a_starting_balance_is_recorded(codes: Any, control: Any) -> None:
    body = {"email": "new@example.com", "password": "secret123", "balance": 3}
    user = (await control.admin("POST", "/admin/users", body)).data["id"]
    data = (await control.admin("GET", f"/admin/users/{user}/balance-history")).data
    assert [(item["value"], item["notes"]) for item in data["items"]] == [(3, "starting balance")]


async def test_the_history_joins_codes_and_adjustments_and_sums_what_was_paid_in(
    codes: Any, control: Any
) -> None:
    await codes.redeem(await codes.one(value=20))
    await change(control, 5, "subtract")
    await change(control, 1, "add")
    await codes.redeem(await codes.one(type="concurrency", value=2))
    data = await history(control)
    assert [item["type"] for item in data["items"]] == [
        "concurrency", "admin_balance", "admin_balance", "balance",
    ]  # fmt: skip
    assert (data["total"], data["total_recharged"]) == (4, 21)
    only = await history(control, type="balance")
    assert ([item["value"] for item in only["items"]], only["total_recharged"]) == ([20], 21)


async def test_an_audit_row_cannot_be_redeemed_deleted_or_voided(codes: Any, control: Any) -> None:
    await change(control, 5, "add")
    (row,) = await codes.rows()
    assert (await codes.redeem(row.code, control.ben)).json["reason"] == "REDEEM_CODE_USED"
    assert (await control.admin("DELETE", f"/admin/redeem-codes/{row.id}")).status == 409
    assert (await control.admin("POST", f"/admin/redeem-codes/{row.id}/expire")).status == 409
    assert await codes.balance(control.ben) == 0


async def test_a_refused_change_leaves_no_record(codes: Any, control: Any) -> None:
    await change(control, 5, "subtract")
    assert await codes.rows() == []


@pytest.mark.parametrize("amount", [True, "5", 1e-12])
async def test_a_balance_moves_by_a_number_only(codes: Any, control: Any, amount: Any) -> None:
    body = {"balance": amount, "operation": "add"}
    answer = await control.admin("POST", f"/admin/users/{control.anna.user_id}/balance", body)
    assert answer.status == 400
    assert await codes.rows() == []
