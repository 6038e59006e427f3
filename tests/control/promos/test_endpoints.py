"""Administration of promo codes, and the check before registration (spec 7.1, 8.6)."""

from datetime import datetime
from typing import Any

import pytest

from headgate.storage.models import SettingRow
from tests.control.promos.conftest import ADMIN


async def switch(control: Any, key: str, value: str) -> None:
    async with control.deps.uow() as uow:
        now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        uow.session.add(SettingRow(key=key, value=value, updated_at=now))


async def test_a_code_is_made_up_when_none_is_given(promos: Any) -> None:
    shown = await promos.create(code="", max_uses=3, notes="fair")
    assert len(shown["code"]) == 16
    fields = ("bonus_amount", "max_uses", "used_count", "status", "notes")
    assert [shown[name] for name in fields] == [5, 3, 0, "active", "fair"]


async def test_a_code_is_made_once_under_a_key(promos: Any, control: Any) -> None:
    headers, body = {"Idempotency-Key": "k"}, {"bonus_amount": 1}
    first = await control.admin("POST", ADMIN, body, headers=headers)
    second = await control.admin("POST", ADMIN, body, headers=headers)
    assert (first.status, first.body) == (201, second.body)


async def test_codes_are_unique_whatever_their_case(promos: Any, control: Any) -> None:
    await promos.create()
    answer = await control.admin("POST", ADMIN, {"code": "welcome", "bonus_amount": 1})
    assert (answer.status, answer.json["reason"]) == (409, "PROMO_CODE_EXISTS")
    other = await promos.create(code="OTHER")
    answer = await control.admin("PUT", f"{ADMIN}/{other['id']}", {"code": "Welcome"})
    assert (answer.status, answer.json["reason"]) == (409, "PROMO_CODE_EXISTS")
    assert (await control.admin("PUT", f"{ADMIN}/{other['id']}", {"code": "other"})).status == 200


async def test_absent_fields_stay(promos: Any, control: Any) -> None:
    promo = await promos.create(expires_at=4102444800, notes="n", max_uses=2)
    changed = (await control.admin("PUT", f"{ADMIN}/{promo['id']}", {"bonus_amount": 7})).data
    assert changed == promo | {"bonus_amount": 7}
    assert (await control.admin("PUT", f"{ADMIN}/{promo['id']}", {"expires_at": None})).data == changed


@pytest.mark.parametrize("none", [0, ""])
async def test_an_end_can_be_taken_away(promos: Any, control: Any, none: Any) -> None:
    promo = await promos.create(expires_at=4102444800)
    changed = await control.admin("PUT", f"{ADMIN}/{promo['id']}", {"expires_at": none})
    assert changed.data["expires_at"] is None


@pytest.mark.parametrize(
    "fields",
    [
        {"bonus_amount": -1},
        {"bonus_amount": "5"},
        {"bonus_amount": True},
        {"bonus_amount": float("nan")},
        {"bonus_amount": 1e19},
        {"bonus_amount": None},
        {"max_uses": -1},
        {"max_uses": 1.5},
        {"max_uses": 2**31},
        {"status": "paused"},
        {"code": "two words"},
        {"code": "x" * 33},
        {"code": 5},
        {"expires_at": "soon"},
        {"expires_at": 10**30},
        {"expires_at": "9999-12-31T23:59:59-12:00"},
    ],
)
async def test_senseless_codes_are_refused(promos: Any, control: Any, fields: Any) -> None:
    answer = await control.admin("POST", ADMIN, {"code": "WELCOME", "bonus_amount": 5} | fields)
    assert answer.status == 400
    assert (await control.admin("GET", ADMIN)).data["total"] == 0


async def test_the_list_can_be_narrowed(promos: Any, control: Any) -> None:
    await promos.create(code="SPRING", notes="fair")
    await promos.create(code="AUTUMN", status="disabled")
    for query, names in (
        ({}, ["AUTUMN", "SPRING"]),
        ({"status": "disabled"}, ["AUTUMN"]),
        ({"search": "FAIR"}, ["SPRING"]),
        ({"search": "tum"}, ["AUTUMN"]),
    ):
        items = (await control.admin("GET", ADMIN, query=query)).data["items"]
        assert [item["code"] for item in items] == names


async def test_a_deleted_code_is_gone(promos: Any, control: Any) -> None:
    promo = await promos.create()
    await promos.apply(control.anna.user_id)
    assert (await control.admin("DELETE", f"{ADMIN}/{promo['id']}")).status == 200
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/usages")):
        answer = await control.admin(method, f"{ADMIN}/{promo['id']}{path}", {})
        assert (answer.status, answer.json["reason"]) == (404, "PROMO_CODE_NOT_FOUND")
    assert await promos.balance(control.anna.user_id) == 5


async def test_anybody_may_ask_whether_a_code_works(promos: Any, control: Any) -> None:
    await promos.create()
    assert await promos.validate(" welcome ") == {
        "valid": True, "bonus_amount": 5, "error_code": None, "message": None,
    }  # fmt: skip
    assert (await promos.validate("NOBODY"))["error_code"] == "PROMO_CODE_NOT_FOUND"
    assert (await promos.validate("zwölf"))["error_code"] == "PROMO_CODE_INVALID"
    await switch(control, "promo_code_enabled", "false")
    assert (await promos.validate())["error_code"] == "PROMO_CODE_DISABLED"


async def test_asking_is_limited_per_address(promos: Any, control: Any) -> None:
    for path in ("/auth/validate-promo-code", "/auth/validate-invitation-code"):
        statuses = [(await control.nobody("POST", path, {"code": "GUESS"})).status for _ in range(11)]
        assert statuses == [200] * 10 + [429]


async def test_an_invitation_says_whether_it_works(control: Any) -> None:
    async def ask(code: str) -> Any:
        data = (await control.nobody("POST", "/auth/validate-invitation-code", {"code": code})).data
        return data["error_code"] or data["valid"]

    assert await ask("anything") == "INVITATION_CODE_DISABLED"
    await switch(control, "invitation_code_enabled", "true")
    generate = "/admin/redeem-codes/generate"
    invitation = (await control.admin("POST", generate, {"count": 1, "type": "invitation"})).data[0]
    money = (await control.admin("POST", generate, {"count": 1, "type": "balance", "value": 1})).data[0]
    assert await ask(invitation["code"]) is True
    assert await ask(money["code"]) == "INVITATION_CODE_INVALID"
    assert await ask("0" * 32) == "INVITATION_CODE_NOT_FOUND"
    assert await ask("x") == "INVITATION_CODE_INVALID"
    await control.admin("POST", f"/admin/redeem-codes/{invitation['id']}/expire")
    assert await ask(invitation["code"]) == "INVITATION_CODE_USED"
