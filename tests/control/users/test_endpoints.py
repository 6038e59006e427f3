"""User administration (spec 8.2)."""

import pytest

PASSWORD = "correct horse battery"


async def create(control, **fields):
    body = {"email": "carl@example.com", "password": "long enough"} | fields
    return await control.admin("POST", "/admin/users", body)


async def test_a_created_user_has_the_contract_s_fields(control):
    answer = await create(control, username="Carl", balance=12.5, concurrency=7)
    data = answer.data
    assert answer.status == 201
    assert {
        "id", "email", "username", "role", "balance", "concurrency", "status", "allowed_groups", "created_at",
        "updated_at", "notes", "group_rates", "current_concurrency", "subscriptions",
        "rpm_limit", "tpm_limit", "totp_enabled", "has_password",
    } == set(data)  # fmt: skip
    assert (data["role"], data["status"], data["balance"], data["concurrency"]) == ("user", "active", 12.5, 7)


async def test_an_email_is_taken_once_in_any_case(control):
    await create(control)
    answer = await create(control, email="CARL@example.com")
    assert (answer.status, answer.json["reason"]) == (409, "EMAIL_EXISTS")


async def test_what_is_no_address_is_refused(control):
    assert (await create(control, email="no address")).json["reason"] == "INVALID_EMAIL"


async def test_a_deleted_user_s_address_is_free_again(control):
    first = (await create(control)).data["id"]
    await control.admin("DELETE", f"/admin/users/{first}")
    assert (await create(control)).status == 201


async def test_a_user_is_found_by_a_key_s_mask_or_the_whole_key(control):
    made = (await control.anna("POST", "/keys", {"name": "k"})).data["key"]
    await control.ben("POST", "/keys", {"name": "k"})
    shown = (await control.anna("GET", "/keys")).data["items"][0]["key"]
    for text in (shown, made):
        found = await control.admin("GET", "/admin/users", query={"search": text})
        assert [user["email"] for user in found.data["items"]] == ["anna@example.com"], text
    tail = await control.admin("GET", "/admin/users", query={"search": made[-4:]})
    assert tail.data["items"] == [], "a few characters say nothing"


async def test_absent_fields_stay(control):
    user = (await create(control, username="Carl", notes="n")).data["id"]
    data = (await control.admin("PUT", f"/admin/users/{user}", {"concurrency": 9})).data
    assert (data["username"], data["notes"], data["concurrency"]) == ("Carl", "n", 9)


async def test_a_balance_in_an_update_is_ignored(control):
    user = (await create(control, balance=5)).data["id"]
    assert (await control.admin("PUT", f"/admin/users/{user}", {"balance": 500})).data["balance"] == 5


async def test_an_admin_cannot_be_disabled_or_deleted(control):
    path = f"/admin/users/{control.admin.user_id}"
    assert (await control.admin("PUT", path, {"status": "disabled"})).status == 400
    answer = await control.admin("DELETE", path)
    assert (answer.status, answer.json["message"]) == (400, "cannot delete admin user")


async def test_a_new_password_or_status_ends_the_sessions(control):
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"password": "something else"})
    assert (await control.anna("GET", "/auth/me")).json["code"] == "TOKEN_REVOKED"
    for status in ("disabled", "active"):
        await control.admin("PUT", f"/admin/users/{control.ben.user_id}", {"status": status})
    assert (await control.ben("GET", "/auth/me")).json["code"] == "TOKEN_REVOKED"


async def test_groups_and_personal_rates_are_set_and_removed(control):
    group = await control.add_group(is_exclusive=True)
    path = f"/admin/users/{control.anna.user_id}"
    data = (
        await control.admin("PUT", path, {"allowed_groups": [group], "group_rates": {str(group): 0.5}})
    ).data
    assert (data["allowed_groups"], data["group_rates"]) == ([group], {str(group): 0.5})
    assert (await control.anna("GET", "/groups/rates")).data == {str(group): 0.5}
    data = (await control.admin("PUT", path, {"allowed_groups": [], "group_rates": {str(group): None}})).data
    assert (data["allowed_groups"], data["group_rates"]) == ([], {})


async def test_an_unknown_group_is_refused(control):
    path = f"/admin/users/{control.anna.user_id}"
    assert (await control.admin("PUT", path, {"allowed_groups": [77]})).json["reason"] == "INVALID_GROUP_ID"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["ben@example.com", "anna@example.com", "admin@example.com"]),
        ({"search": "ANNA"}, ["anna@example.com"]),
        ({"search": "%"}, []),
        ({"search": "_nna"}, []),
        ({"search": "\\"}, []),
        ({"role": "admin"}, ["admin@example.com"]),
        ({"status": "disabled"}, []),
        ({"search": "a" * 5000}, []),
    ],
)
async def test_lists_are_newest_first_and_search_is_text(control, query, found):
    data = (await control.admin("GET", "/admin/users", query=query)).data
    assert [item["email"] for item in data["items"]] == found
    assert data["total"] == len(found)


async def test_users_are_found_by_the_name_of_an_exclusive_group(control):
    group = await control.add_group("vip lounge", is_exclusive=True)
    await control.admin("PUT", f"/admin/users/{control.ben.user_id}", {"allowed_groups": [group]})
    data = (await control.admin("GET", "/admin/users", query={"group_name": "LOUNGE"})).data
    assert [item["email"] for item in data["items"]] == ["ben@example.com"]


async def test_the_list_shows_what_is_in_flight(control):
    await control.deps.state.slots.try_acquire(f"user:{control.anna.user_id}", limit=5, owner="x")
    data = (await control.admin("GET", "/admin/users", query={"search": "anna"})).data
    assert data["items"][0]["current_concurrency"] == 1


async def test_a_key_can_be_moved_and_an_exclusive_group_is_granted_on_the_way(control):
    group = await control.add_group("vip", is_exclusive=True)
    key = (await control.anna("POST", "/keys", {"name": "k"})).data["id"]
    data = (await control.admin("PUT", f"/admin/api-keys/{key}", {"group_id": group})).data
    assert data["api_key"]["group_id"] == group
    assert (data["auto_granted_group_access"], data["granted_group_name"]) == (True, "vip")
    again = (await control.admin("PUT", f"/admin/api-keys/{key}", {"group_id": group})).data
    assert again["auto_granted_group_access"] is False
    assert (await control.admin("PUT", f"/admin/api-keys/{key}", {})).data["api_key"]["group_id"] == group
    assert (await control.admin("PUT", f"/admin/api-keys/{key}", {"group_id": 0})).data["api_key"][
        "group_id"
    ] is None


async def test_an_admin_sees_a_user_s_keys_masked(control):
    secret = (await control.anna("POST", "/keys", {"name": "k"})).data["key"]
    answer = await control.admin("GET", f"/admin/users/{control.anna.user_id}/api-keys")
    assert [(item["name"], item["group"]) for item in answer.data["items"]] == [("k", None)]
    assert secret.encode() not in answer.body


async def test_an_admin_sees_the_group_of_a_key(control):
    group = await control.add_group("pool")
    await control.anna("POST", "/keys", {"name": "k", "group_id": group})
    for path in (f"/admin/users/{control.anna.user_id}/api-keys", f"/admin/groups/{group}/api-keys"):
        (key,) = (await control.admin("GET", path)).data["items"]
        assert (key["group"]["id"], key["group"]["name"]) == (group, "pool"), path


async def test_a_user_has_rate_limits_that_stay_when_absent(control):
    body = {"email": "rate@example.com", "password": "long enough", "rpm_limit": 30, "tpm_limit": 5_000}
    made = (await control.admin("POST", "/admin/users", body)).data
    assert (made["rpm_limit"], made["tpm_limit"]) == (30, 5_000)
    changed = (await control.admin("PUT", f"/admin/users/{made['id']}", {"rpm_limit": 0})).data
    assert (changed["rpm_limit"], changed["tpm_limit"]) == (0, 5_000)


@pytest.mark.parametrize("limit", [-1, 10**9 + 1, "x"])
async def test_a_user_s_rate_limit_out_of_bounds_is_refused(control, limit):
    body = {"email": "rate@example.com", "password": "long enough", "tpm_limit": limit}
    assert (await control.admin("POST", "/admin/users", body)).status == 400


async def test_users_cannot_raise_their_own_limits(control):
    me = (await control.anna("GET", "/auth/me")).data
    answer = await control.anna("PUT", f"/admin/users/{me['id']}", {"rpm_limit": 1})
    assert answer.status == 403
