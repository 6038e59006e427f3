"""Public settings and the admin key (spec 7.10, 7.14)."""

from sqlalchemy import select

from headgate.storage.models import SettingRow

KEY = "/admin/settings/admin-api-key"


async def test_the_admin_key_acts_as_the_first_admin(control):
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    assert key.startswith("admin-")
    assert len(key) == len("admin-") + 64
    answer = await control.nobody("GET", "/admin/users", headers={"x-api-key": key})
    assert answer.data["total"] == 3


async def test_the_admin_key_is_shown_once_and_stored_hashed(control):
    assert (await control.admin("GET", KEY)).data == {"exists": False, "masked_key": ""}
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    status = (await control.admin("GET", KEY)).data
    assert status == {"exists": True, "masked_key": f"{key[:6]}…{key[-4:]}"}
    async with control.deps.uow() as uow:
        stored = (await uow.session.scalars(select(SettingRow.value))).all()
    assert not any(key in value for value in stored)


async def test_a_wrong_or_old_admin_key_is_refused_in_the_flat_shape(control):
    old = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    await control.admin("POST", f"{KEY}/regenerate")
    for key in (old, "admin-" + "0" * 64, "x", "k" * 5000):
        answer = await control.nobody("GET", "/admin/users", headers={"x-api-key": key})
        assert (answer.status, answer.json) == (
            401,
            {"code": "INVALID_ADMIN_KEY", "message": "Invalid admin API key"},
        )


async def test_a_deleted_admin_key_opens_nothing(control):
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    await control.admin("DELETE", KEY)
    assert (await control.nobody("GET", "/admin/users", headers={"x-api-key": key})).status == 401


async def test_without_an_admin_key_an_empty_one_opens_nothing(control):
    assert (await control.nobody("GET", "/admin/users", headers={"x-api-key": ""})).status == 401


async def test_the_admin_key_is_no_key_to_the_user_s_own_pages(control):
    key = (await control.admin("POST", f"{KEY}/regenerate")).data["key"]
    assert (await control.nobody("GET", "/auth/me", headers={"x-api-key": key})).json[
        "code"
    ] == "UNAUTHORIZED"


async def test_public_settings_tell_only_what_a_login_page_needs(control):
    data = (await control.nobody("GET", "/settings/public")).data
    assert data["registration_enabled"] is False
    assert data["version"]
