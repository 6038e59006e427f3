"""Routes times callers: every cell, generated from what the routes declare (PAINS S5). A new route is covered
as soon as it is registered; docs/operations/roles.md shows the same table."""

from typing import Any

import pytest

from headgate.control.web.amounts import FIELDS
from headgate.control.web.permissions import GRANTS, Permission
from tests.control.auth.browsers import Browser
from tests.control.conftest import PASSWORD
from tests.control.contract.routes import ROUTES, Route
from tools.role_table import PAGE, table

PROTECTED = [route for route in ROUTES if route.permission is not Permission.PUBLIC]
STRANGE = {
    "code": "UNAUTHORIZED", "message": "Authorization header is required", "reason": "UNAUTHORIZED",
}  # fmt: skip


def amounts_in(node: Any) -> set[str]:
    """Names of money that have a value."""
    if isinstance(node, dict):
        own = {name for name, value in node.items() if name in FIELDS and value is not None}
        return own.union(*(amounts_in(value) for value in node.values()))
    return set().union(*(amounts_in(each) for each in node)) if isinstance(node, list) else set()


def ends_the_session(route: Route) -> bool:
    return any(word in route.path for word in ("sessions", "password", "admin-api-key"))


async def called(caller: Any, route: Route) -> Any:
    body: dict[str, Any] | None = None if route.method == "GET" else {}
    return await caller(route.method, route.at(), body, leaves=route.has_no_end)


def assert_cell(answer: Any, route: Route, *, may: bool) -> None:
    if may:
        assert answer.status not in (401, 403, 500), (str(route), answer.body)
    else:
        assert (answer.status, answer.json["code"]) == (403, "FORBIDDEN"), (str(route), answer.body)


@pytest.mark.parametrize("role", sorted(GRANTS))
async def test_each_role_gets_in_where_its_permissions_lead_and_nowhere_else(control, role):
    caller = await control.add_user(f"{role}@example.org", role=role)
    for number, route in enumerate(PROTECTED):
        who = caller
        if ends_the_session(route):
            who = await control.add_user(f"{role}{number}@example.org", role=role)
        answer = await called(who, route)
        assert_cell(answer, route, may=route.permission in GRANTS[role])
        if role == "operator" and route.permission in (Permission.READ, Permission.OPERATE) and answer.body:
            is_json = answer.headers.get("content-type") == "application/json"
            assert not (is_json and amounts_in(answer.json)), str(route)


async def test_the_admin_key_opens_the_administration_and_is_nobody_s_session(control):
    key = (await control.admin("POST", "/admin/settings/admin-api-key/regenerate")).data["key"]

    async def with_key(method: str, path: str, body: Any, **options: Any) -> Any:
        return await control.nobody(method, path, body, headers={"x-api-key": key}, **options)

    for route in sorted(PROTECTED, key=ends_the_session):
        answer = await called(with_key, route)
        if route.permission is Permission.USER:
            assert (answer.status, answer.json) == (401, STRANGE), str(route)
        else:
            assert_cell(answer, route, may=True)
            if "regenerate" in route.path:
                key = answer.data["key"]
            if str(route) == "DELETE /admin/settings/admin-api-key":
                key = (await control.admin("POST", "/admin/settings/admin-api-key/regenerate")).data["key"]


async def test_nobody_gets_in_without_a_credential_and_the_body_is_not_read(control):
    for route in PROTECTED:
        answer = await control.nobody(route.method, route.at(), content=b"{not json")
        assert (answer.status, answer.json) == (401, STRANGE), str(route)
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer nonsense"},
        {"authorization": "Basic YTpi"},
        {"x-api-key": "admin-" + "0" * 64},
    ],
)
async def test_a_wrong_credential_is_as_good_as_none(control, headers):
    for route in PROTECTED:
        answer = await control.nobody(route.method, route.at(), {}, headers=headers)
        assert answer.status == 401, str(route)
        assert set(answer.json) == {"code", "message", "reason"}, str(route)


async def test_a_browser_s_session_writes_only_from_our_own_page(control):
    """No write of the whole table goes through on a cookie alone."""
    browser = Browser(control.client)
    await browser("POST", "/auth/login", {"email": "admin@example.com", "password": PASSWORD})
    for route in PROTECTED:
        if route.has_no_end:
            continue
        answer = await browser(route.method, route.at(), {}, headers={"x-csrf-token": ""})
        if route.method == "GET":
            assert_cell(answer, route, may=True)
        else:
            assert (answer.status, answer.json["code"]) == (403, "CSRF_FAILED"), str(route)


async def test_anybody_may_call_what_is_public(control):
    for route in ROUTES:
        if route.permission is Permission.PUBLIC:
            answer = await control.nobody(route.method, route.at(), None if route.method == "GET" else {})
            assert answer.status in (200, 201, 400, 401, 403, 404, 409), (str(route), answer.body)
            assert answer.json.get("code") not in ("UNAUTHORIZED", "FORBIDDEN"), str(route)


def test_the_page_about_roles_shows_what_the_routes_declare():
    assert table() in PAGE.read_text(encoding="utf-8"), "run python -m tools.role_table"
