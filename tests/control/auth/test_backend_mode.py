"""Backend mode: people without rights neither log in nor register; staff works on (spec 7.1)."""

import pytest

PASSWORD = "correct horse battery"


@pytest.fixture
async def session(control):
    """Anna's, from before the mode was switched on."""
    login = {"email": "anna@example.com", "password": PASSWORD}
    data = (await control.nobody("POST", "/auth/login", login)).data
    await control.admin("PUT", "/admin/settings", {"backend_mode_enabled": True})
    return data


async def test_a_user_neither_logs_in_nor_refreshes(control, session):
    login = {"email": "anna@example.com", "password": PASSWORD}
    answer = await control.nobody("POST", "/auth/login", login)
    assert (answer.status, answer.json["reason"]) == (403, "BACKEND_MODE")
    again = await control.nobody("POST", "/auth/refresh", {"refresh_token": session["refresh_token"]})
    assert (again.status, again.json["reason"]) == (403, "BACKEND_MODE")


async def test_a_user_s_token_opens_nothing_until_the_mode_ends(control, session):
    for path in ("/keys", "/auth/me", "/usage"):
        answer = await control.anna("GET", path)
        assert (answer.status, answer.json["code"]) == (403, "BACKEND_MODE")
    await control.admin("PUT", "/admin/settings", {"backend_mode_enabled": False})
    assert (await control.anna("GET", "/keys")).status == 200
    again = await control.nobody("POST", "/auth/refresh", {"refresh_token": session["refresh_token"]})
    assert again.status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "register"), ("POST", "send-verify-code"), ("POST", "forgot-password"),
        ("POST", "reset-password"),
        ("POST", "validate-promo-code"), ("GET", "oauth/corp/start"), ("POST", "oauth/corp/complete"),
    ],
)  # fmt: skip
async def test_doors_for_strangers_are_closed(control, session, method, path):
    answer = await control.client.call(method, f"/v1/auth/{path}", {})
    assert (answer.status, answer.json["code"]) == (403, "BACKEND_MODE")


@pytest.mark.parametrize("role", ["admin", "operator", "auditor"])
async def test_staff_works_on(control, session, role):
    await control.add_user("staff@example.com", role=role)
    login = {"email": "staff@example.com", "password": PASSWORD}
    data = (await control.nobody("POST", "/auth/login", login)).data
    me = {"authorization": f"Bearer {data['access_token']}"}
    assert (await control.nobody("GET", "/admin/groups", headers=me)).status == 200
    assert (
        await control.nobody("POST", "/auth/refresh", {"refresh_token": data["refresh_token"]})
    ).status == 200
    assert (await control.nobody("GET", "/settings/public")).data["backend_mode_enabled"] is True
