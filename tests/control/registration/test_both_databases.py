"""Registration where it matters what the database does (spec 7.2)."""

import asyncio

from headgate.storage.ledger import verify
from tests.support.databases import target as target

INVITATIONS = "/admin/redeem-codes/generate"


async def test_who_registers_is_logged_in_as_a_plain_user(door):
    data = (await door.register(email=" New@Example.COM ")).data
    assert data["user"]["email"] == "new@example.com"
    assert data["user"]["role"] == "user"
    me = {"authorization": f"Bearer {data['access_token']}"}
    assert (await door.control.nobody("GET", "/auth/me", headers=me)).status == 200
    login = {"email": "new@example.com", "password": "a long password 7"}
    assert (await door.control.nobody("POST", "/auth/login", login)).status == 200


async def test_an_invitation_lets_one_in(door):
    await door.set(invitation_code_enabled=True)
    made = await door.control.admin("POST", INVITATIONS, {"type": "invitation", "count": 1, "value": 0})
    code = made.data[0]["code"]
    assert await door.reason() == (400, "INVITATION_CODE_REQUIRED")
    assert await door.reason(invitation_code="nonsense") == (400, "INVITATION_CODE_INVALID")
    assert (await door.register(invitation_code=code)).status == 200
    assert await door.reason(email="two@example.com", invitation_code=code) == (
        400,
        "INVITATION_CODE_INVALID",
    )


async def test_a_promo_code_adds_its_bonus_and_a_bad_one_keeps_nobody_out(door, engine):
    await door.control.admin("POST", "/admin/promo-codes", {"code": "WELCOME", "bonus_amount": 5})
    assert (await door.register(promo_code="WELCOME")).data["user"]["balance"] == 5
    assert (await door.register(email="two@example.com", promo_code="NOPE")).data["user"]["balance"] == 0
    await door.set(promo_code_enabled=False)
    late = await door.register(email="three@example.com", promo_code="WELCOME")
    assert late.data["user"]["balance"] == 0
    assert (await verify(engine)).is_sound


async def test_the_last_place_is_given_once(door):
    await door.set(registration_user_limit=4)
    answers = await asyncio.gather(*(door.register(email=f"u{n}@example.com") for n in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 403, 403, 403]
    assert await door.users() == 4


async def test_one_address_registers_once(door):
    answers = await asyncio.gather(*(door.register() for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409]
