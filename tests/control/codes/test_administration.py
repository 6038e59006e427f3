"""Administrators make, list, export, void and delete codes (spec 8.6)."""

import csv
import io
from datetime import datetime
from typing import Any

import pytest

from tests.control.codes.conftest import refusal

ADMIN = "/admin/redeem-codes"


async def test_generated_codes_differ_and_can_be_made_once(codes: Any, control: Any) -> None:
    body = {"count": 500, "type": "balance", "value": 5, "batch": "spring", "notes": "flyer"}
    headers = {"Idempotency-Key": "flyer-1"}
    first = await control.admin("POST", f"{ADMIN}/generate", body, headers=headers)
    second = await control.admin("POST", f"{ADMIN}/generate", body, headers=headers)
    assert first.body == second.body
    assert second.headers["x-idempotency-replayed"] == "true"
    made = first.data
    assert len({code["code"] for code in made}) == 500
    assert {(code["status"], code["batch"], code["notes"]) for code in made} == {
        ("unused", "spring", "flyer")
    }
    assert len(await codes.rows()) == 500


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"count": 0}, "VALIDATION_ERROR"),
        ({"count": 501}, "VALIDATION_ERROR"),
        ({"count": "5"}, "VALIDATION_ERROR"),
        ({"count": True}, "VALIDATION_ERROR"),
        ({"type": "money"}, "VALIDATION_ERROR"),
        ({"type": "admin_balance"}, "VALIDATION_ERROR"),
        ({"value": 0}, "INVALID_INPUT"),
        ({"value": -1}, "VALIDATION_ERROR"),
        ({"value": "10"}, "VALIDATION_ERROR"),
        ({"value": float("nan")}, "VALIDATION_ERROR"),
        ({"value": 1e18}, "VALIDATION_ERROR"),
        ({"type": "concurrency", "value": 2.5}, "INVALID_INPUT"),
        ({"type": "subscription"}, "INVALID_GROUP_ID"),
        ({"type": "subscription", "group_id": 4711}, "GROUP_NOT_FOUND"),
        ({"expires_at": 1}, "INVALID_INPUT"),
        ({"expires_at": "9999-12-31T23:59:59-12:00"}, "INVALID_INPUT"),
        ({"expires_at": -5}, "VALIDATION_ERROR"),
        ({"batch": "x" * 65}, "VALIDATION_ERROR"),
    ],
)
async def test_senseless_codes_are_not_made(codes: Any, control: Any, fields: Any, reason: str) -> None:
    body = {"count": 1, "type": "balance", "value": 10} | fields
    answer = await control.admin("POST", f"{ADMIN}/generate", body)
    assert answer.status == (404 if reason == "GROUP_NOT_FOUND" else 400)
    assert answer.json["reason"] == reason
    assert await codes.rows() == []


@pytest.mark.parametrize("expires_at", [4102444800, "2100-01-01T00:00:00Z", "2100-01-01T02:00:00+02:00"])
async def test_an_end_is_given_in_seconds_or_as_an_instant(codes: Any, expires_at: Any) -> None:
    (made,) = await codes.generate(expires_at=expires_at)
    assert datetime.fromisoformat(made["expires_at"]).timestamp() == 4102444800


async def test_the_list_can_be_narrowed(codes: Any, control: Any) -> None:
    await codes.redeem(await codes.one(batch="a"))
    await codes.one(type="invitation", value=0, batch="b")
    await codes.generate(expires_at=control.clock.now_ms() // 1000 + 5)
    await codes.one(type="concurrency", value=1)
    control.clock.advance(5)
    for query, kinds in (
        ({}, ["concurrency", "balance", "invitation", "balance"]),
        ({"type": "invitation"}, ["invitation"]),
        ({"status": "unused"}, ["concurrency", "invitation"]),
        ({"status": "expired"}, ["balance"]),
        ({"status": "used"}, ["balance"]),
        ({"search": "ANNA@"}, ["balance"]),
        ({"batch": "b"}, ["invitation"]),
        ({"search": "%"}, []),
    ):
        page = (await control.admin("GET", ADMIN, query=query)).data
        assert [item["type"] for item in page["items"]] == kinds, query
        assert page["total"] == len(kinds)
    used = (await control.admin("GET", ADMIN, query={"status": "used"})).data["items"][0]
    assert (used["user"]["email"], used["status"]) == ("anna@example.com", "used")


async def test_a_part_of_the_code_finds_it(codes: Any, control: Any) -> None:
    code = await codes.one()
    await codes.one()
    items = (await control.admin("GET", ADMIN, query={"search": code[5:20].upper()})).data["items"]
    assert [item["code"] for item in items] == [code]


async def test_the_export_holds_what_the_list_holds(codes: Any, control: Any) -> None:
    await codes.sell(code="=1+1", value=2.5)
    await codes.one(type="invitation", value=0)
    answer = await control.admin("GET", f"{ADMIN}/export", query={"type": "balance"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-total-count"] == "1"
    (row,) = csv.DictReader(io.StringIO(answer.body.decode()))
    assert (row["code"], row["value"], row["used_by_email"]) == ("'=1+1", "2.5", "anna@example.com")


async def test_a_used_code_is_never_deleted(codes: Any, control: Any) -> None:
    used, unused = await codes.generate(count=2)
    await codes.redeem(used["code"])
    assert refusal(await control.admin("DELETE", f"{ADMIN}/{used['id']}")) == (409, "REDEEM_CODE_DELETE_USED")
    assert (await control.admin("DELETE", f"{ADMIN}/{unused['id']}")).status == 200
    assert refusal(await control.admin("DELETE", f"{ADMIN}/{unused['id']}")) == (404, "REDEEM_CODE_NOT_FOUND")
    assert [row.id for row in await codes.rows()] == [used["id"]]


async def test_many_are_deleted_or_voided_by_id_or_batch_but_for_used_ones(codes: Any, control: Any) -> None:
    first, second, third = await codes.generate(count=3, batch="a")
    await codes.generate(count=2, batch="b")
    await codes.redeem(first["code"])
    body = {"ids": [first["id"], second["id"], 4711]}
    assert (await control.admin("POST", f"{ADMIN}/batch-delete", body)).data["deleted"] == 1
    assert (await control.admin("POST", f"{ADMIN}/batch-expire", {"batch": "b"})).data["expired"] == 2
    assert [row.status for row in await codes.rows()] == ["used", "unused", "expired", "expired"]
    assert (await control.admin("POST", f"{ADMIN}/batch-delete", {"batch": "b"})).data["deleted"] == 2
    assert (await codes.rows())[1].id == third["id"]


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": ["1"]}, {"ids": [0]}, {"ids": [2**63]}, {"batch": " "}]
)
@pytest.mark.parametrize("action", ["batch-delete", "batch-expire"])
async def test_nothing_chosen_changes_nothing(codes: Any, control: Any, action: str, body: Any) -> None:
    await codes.one()
    assert (await control.admin("POST", f"{ADMIN}/{action}", body)).status == 400
    assert [row.status for row in await codes.rows()] == ["unused"]


async def test_a_code_is_voided_once_and_a_used_one_is_not(codes: Any, control: Any) -> None:
    used, unused = await codes.generate(count=2)
    await codes.redeem(used["code"])
    for _ in range(2):
        answer = await control.admin("POST", f"{ADMIN}/{unused['id']}/expire")
        assert answer.data["status"] == "expired"
    assert refusal(await control.admin("POST", f"{ADMIN}/{used['id']}/expire")) == (409, "REDEEM_CODE_USED")


async def test_the_numbers_are_real(codes: Any, control: Any) -> None:
    await codes.redeem(await codes.one(value=2.5))
    await codes.one(value=4)
    await codes.one(type="invitation", value=0)
    void = (await codes.generate(value=100))[0]
    await control.admin("POST", f"{ADMIN}/{void['id']}/expire")
    await codes.one(value=50, expires_at=control.clock.now_ms() // 1000 + 5)
    await control.admin(
        "POST", f"/admin/users/{control.anna.user_id}/balance", {"balance": 9, "operation": "add"}
    )
    control.clock.advance(5)
    assert (await control.admin("GET", f"{ADMIN}/stats")).data == {
        "total_codes": 5,
        "active_codes": 2,
        "used_codes": 1,
        "expired_codes": 2,
        "total_value_distributed": 2.5,
        "outstanding_value": 4,
        "by_type": {"balance": 4, "invitation": 1},
    }


async def test_sums_beyond_64_bits_are_shown(codes: Any, control: Any) -> None:
    await codes.generate(count=20, value=1_000_000_000)
    stats = (await control.admin("GET", f"{ADMIN}/stats")).data
    assert stats["outstanding_value"] == 20_000_000_000
