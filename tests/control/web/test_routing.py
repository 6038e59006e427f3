"""Permissions: deny by default, and every route times every role (PAINS S5, DESIGN 9.7)."""

import re

import pytest
from fastapi import FastAPI, Response

from headgate.control.app import SLICES
from headgate.control.web.envelope import MessageView
from headgate.control.web.routing import GuardedRoute, Permission, RouteTable

OPEN = {
    "GET /v1/settings/public",
    "POST /v1/auth/login",
    "POST /v1/auth/logout",
    "POST /v1/auth/refresh",
    "POST /v1/auth/validate-invitation-code",
    "POST /v1/auth/validate-promo-code",
}


def table() -> list[tuple[str, str, Permission]]:
    app = FastAPI()
    for slice_ in SLICES:
        slice_.routes.install(app)
    routes = [route for route in app.router.routes if isinstance(route, GuardedRoute)]
    return [(method, route.path, route.permission) for route in routes for method in route.methods or ()]


ROUTES = table()
PROTECTED = [
    (method, path, permission) for method, path, permission in ROUTES if permission is not Permission.PUBLIC
]


def concrete(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "999999", path)


def test_a_route_without_a_permission_cannot_be_registered():
    app = FastAPI()
    app.router.route_class = GuardedRoute
    with pytest.raises(TypeError, match="no permission"):
        app.get("/secret")(lambda: None)


def test_the_writes_of_the_contract_take_an_idempotency_key():
    """Spec 7.15, as far as the routes exist."""
    app = FastAPI()
    for slice_ in SLICES:
        slice_.routes.install(app)
    scopes = [route.scope for route in app.router.routes if isinstance(route, GuardedRoute) and route.scope]
    assert len(scopes) == len(set(scopes))
    assert {
        "admin.accounts.create",
        "admin.proxies.create",
        "admin.users.balance.update",
        "admin.redeem_codes.generate",
        "admin.redeem_codes.create_and_redeem",
        "admin.subscriptions.extend",
        "user.api_keys.create",
    } <= set(scopes)


@pytest.mark.parametrize(
    ("permission", "answer"), [(Permission.PUBLIC, MessageView), (Permission.ADMIN, Response)]
)
def test_what_cannot_be_repeated_cannot_be_declared_idempotent(permission, answer):
    async def endpoint():
        raise AssertionError

    endpoint.__annotations__["return"] = answer
    table = RouteTable("", tag="test")
    with pytest.raises(TypeError):
        declare(table, permission, endpoint)


def declare(routes, permission, endpoint):
    routes.route("POST", "/x", permission, idempotent="x")(endpoint)
    routes.install(FastAPI())


def test_the_public_routes_are_exactly_these():
    assert {
        f"{method} {path}" for method, path, permission in ROUTES if permission is Permission.PUBLIC
    } == OPEN


def test_everything_below_admin_needs_an_admin():
    assert {permission for _, path, permission in ROUTES if path.startswith("/v1/admin/")} == {
        Permission.ADMIN
    }


async def test_every_protected_route_refuses_strangers_in_the_flat_shape(control):
    for method, path, _ in PROTECTED:
        answer = await control.client.call(method, concrete(path), {})
        assert answer.status == 401, (method, path)
        assert answer.json == {"code": "UNAUTHORIZED", "message": "Authorization header is required"}


async def test_no_admin_route_lets_a_user_in(control):
    for method, path, permission in PROTECTED:
        if permission is Permission.ADMIN:
            answer = await control.client.call(method, concrete(path), {}, headers=control.anna.headers)
            assert (answer.status, answer.json["code"]) == (403, "FORBIDDEN"), (method, path)


async def test_an_admin_is_let_in_everywhere(control):
    for method, path, _ in PROTECTED:
        if any(part in path for part in ("admin-api-key", "/user/password", "revoke-all-sessions")):
            continue
        answer = await control.client.call(method, concrete(path), headers=control.admin.headers)
        assert answer.status not in (401, 403, 500), (method, path, answer.body)


async def test_strangers_are_refused_before_their_body_is_read(control):
    answer = await control.client.call("POST", "/v1/admin/groups", content=b"{not json")
    assert answer.status == 401


async def test_an_unprintable_idempotency_key_is_refused(control):
    answer = await control.admin("GET", "/admin/groups", headers={"Idempotency-Key": "x" * 129})
    assert (answer.status, answer.json["reason"]) == (400, "IDEMPOTENCY_KEY_INVALID")
