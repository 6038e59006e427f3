"""Child keys: part of a key's budget and life (issue 5, item 4)."""

import asyncio

import pytest

from headgate.storage.models import ApiKeyRow


async def make(control, caller=None, **fields):
    return await (caller or control.anna)("POST", "/keys", {"name": "k"} | fields)


async def quota(control, key_id):
    return (await control.anna("GET", f"/keys/{key_id}")).data["quota"]


async def spend(control, key_id, usd):
    async with control.deps.uow() as uow:
        row = await uow.session.get(ApiKeyRow, key_id)
        row.quota_used_nano = round(usd * 10**9)


@pytest.fixture
async def parent(control):
    return (await make(control, quota=10, expires_in_days=10, ip_whitelist=["10.0.0.0/8"])).data


async def test_a_child_takes_its_budget_from_its_parent_and_gives_back_what_is_left(control, parent):
    child = (await make(control, parent_id=parent["id"], quota=4)).data
    assert (child["parent_id"], child["quota"]) == (parent["id"], 4)
    assert await quota(control, parent["id"]) == 6
    await spend(control, child["id"], 1.5)
    await control.anna("DELETE", f"/keys/{child['id']}")
    assert await quota(control, parent["id"]) == 8.5
    assert f"key:{parent['id']}:quota" in control.bounds


async def test_a_family_never_has_more_than_its_parent_had(control, parent):
    answers = await asyncio.gather(*(make(control, parent_id=parent["id"], quota=4) for _ in range(4)))
    given = [answer for answer in answers if answer.status == 201]
    assert len(given) == 2
    assert await quota(control, parent["id"]) == 2
    refused = next(answer for answer in answers if answer.status != 201)
    assert refused.json["reason"] == "CHILD_BUDGET_TOO_LARGE"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"quota": 10}, "CHILD_BUDGET_TOO_LARGE"), ({"quota": 0}, "CHILD_BUDGET_REQUIRED"),
     ({"quota": 1, "group_id": 999}, "CHILD_GROUP_DIFFERS")],
)  # fmt: skip
async def test_what_a_child_cannot_have(control, parent, fields, reason):
    assert (await make(control, parent_id=parent["id"], **fields)).json["reason"] == reason
    assert await quota(control, parent["id"]) == 10


async def test_a_child_inherits_addresses_group_and_end(control, parent):
    child = (await make(control, parent_id=parent["id"], quota=1, expires_in_days=90)).data
    assert child["ip_whitelist"] == ["10.0.0.0/8"]
    assert child["expires_at"] == parent["expires_at"]
    later = {"expires_at": "2099-01-01T00:00:00Z", "ip_whitelist": ["10.0.0.0/8"]}
    answer = await control.anna("PUT", f"/keys/{child['id']}", later)
    assert answer.json["reason"] == "CHILD_OUTLIVES_PARENT"


async def test_a_child_has_no_children_and_is_of_its_owner(control, parent):
    child = (await make(control, parent_id=parent["id"], quota=1)).data
    assert (await make(control, parent_id=child["id"], quota=0.5)).json["reason"] == "INVALID_PARENT_KEY"
    stranger = await make(control, control.ben, parent_id=parent["id"], quota=1)
    assert stranger.json["reason"] == "INSUFFICIENT_PERMISSIONS"


async def test_a_parent_that_is_switched_off_or_deleted_takes_its_children_along(control, parent):
    child = (await make(control, parent_id=parent["id"], quota=1)).data
    await control.anna("PUT", f"/keys/{parent['id']}", {"status": "inactive"})
    assert (await control.anna("GET", f"/keys/{child['id']}")).data["status"] == "inactive"
    on = await control.anna("PUT", f"/keys/{child['id']}", {"status": "active"})
    assert on.json["reason"] == "INVALID_PARENT_KEY"
    await control.anna("DELETE", f"/keys/{parent['id']}")
    assert (await control.anna("GET", f"/keys/{child['id']}")).json["reason"] == "API_KEY_NOT_FOUND"


async def test_a_child_s_budget_moves_to_and_fro(control, parent):
    child = (await make(control, parent_id=parent["id"], quota=4)).data
    path = f"/keys/{child['id']}"
    await control.anna("PUT", path, {"quota": 7})
    assert await quota(control, parent["id"]) == 3
    assert (await control.anna("PUT", path, {"quota": 10})).json["reason"] == "CHILD_BUDGET_TOO_LARGE"
    assert (await control.anna("PUT", path, {"reset_quota": True})).json["reason"] == "CHILD_BUDGET_FIXED"
    await control.anna("PUT", path, {"quota": 1})
    assert await quota(control, parent["id"]) == 9


async def test_children_are_listed_by_their_parent(control, parent):
    child = (await make(control, parent_id=parent["id"], quota=1)).data
    mine = (await control.anna("GET", "/keys", query={"parent_id": parent["id"]})).data["items"]
    assert [key["id"] for key in mine] == [child["id"]]
