"""Permissions: deny by default (PAINS S5, DESIGN 9.7). Every route times every role:
tests/control/contract/test_roles.py."""

import pytest
from fastapi import APIRouter, FastAPI, Response

from headgate.control.app import SLICES
from headgate.control.web.envelope import MessageView
from headgate.control.web.permissions import GRANTS, ROLES, Permission, may
from headgate.control.web.routing import GuardedRoute, RouteTable

OPEN = {
    "GET /v1/settings/public",
    "GET /v1/public/models",
    "GET /v1/public/status",
    "GET /v1/auth/oauth/{provider}/start",
    "GET /v1/auth/oauth/{provider}/callback",
    "POST /v1/auth/oauth/{provider}/complete",
    "POST /v1/auth/login",
    "POST /v1/auth/login/2fa",
    "POST /v1/auth/logout",
    "POST /v1/auth/refresh",
    "POST /v1/auth/register",
    "POST /v1/auth/send-verify-code",
    "POST /v1/auth/forgot-password",
    "POST /v1/auth/reset-password",
    "POST /v1/auth/validate-invitation-code",
    "POST /v1/auth/validate-promo-code",
}


def table() -> list[tuple[str, str, Permission]]:
    app = FastAPI()
    for slice_ in SLICES:
        slice_.routes.install(app.router)
    routes = [route for route in app.router.routes if isinstance(route, GuardedRoute)]
    return [(method, route.path, route.permission) for route in routes for method in route.methods or ()]


ROUTES = table()


def test_a_route_without_a_permission_cannot_be_registered():
    app = FastAPI()
    app.router.route_class = GuardedRoute
    with pytest.raises(TypeError, match="no permission"):
        app.get("/secret")(lambda: None)


def test_the_writes_of_the_contract_take_an_idempotency_key():
    """Spec 7.15, as far as the routes exist."""
    app = FastAPI()
    for slice_ in SLICES:
        slice_.routes.install(app.router)
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
    routes.install(APIRouter())


def test_the_public_routes_are_exactly_these():
    assert {
        f"{method} {path}" for method, path, permission in ROUTES if permission is Permission.PUBLIC
    } == OPEN


def test_nothing_below_admin_is_for_users():
    below = {permission for _, path, permission in ROUTES if path.startswith("/v1/admin/")}
    assert below.isdisjoint(GRANTS["user"])


def test_who_only_reads_has_no_route_that_changes_anything():
    """A POST may only ask: for what a query would not hold."""
    asking = {
        "/v1/admin/accounts/check-mixed-channel",
        "/v1/admin/accounts/today-stats/batch",
        "/v1/admin/jobs/{job_id}/cancel",
        "/v1/admin/user-attributes/batch",
    }
    asking_of_money = {
        "/v1/admin/prices/preview",
        "/v1/admin/prices/preview-version",
        "/v1/admin/dashboard/users-usage",
        "/v1/admin/dashboard/api-keys-usage",
        "/v1/admin/jobs/usage-export",
    }
    reading = {(m, path) for m, path, permission in ROUTES if permission is Permission.READ}
    assert {path for method, path in reading if method != "GET"} == asking
    amounts = {(m, path) for m, path, permission in ROUTES if permission is Permission.AMOUNTS}
    assert {path for method, path in amounts if method != "GET"} == asking_of_money


def test_what_is_only_about_money_is_exactly_this():
    assert {path for m, path, permission in ROUTES if permission is Permission.AMOUNTS and m == "GET"} == {
        "/v1/admin/config",
        "/v1/admin/config/drift",
        "/v1/admin/config/revisions",
        "/v1/admin/config/revisions/{number}",
        "/v1/admin/groups/usage-summary",
        "/v1/admin/jobs/{job_id}/file",
        "/v1/admin/ledger",
        "/v1/admin/ledger/verify",
        "/v1/admin/prices",
        "/v1/admin/prices/{price_id}",
        "/v1/admin/promo-codes/{promo_id}/usages",
        "/v1/admin/redeem-codes/stats",
        "/v1/admin/settings/spending-bounds",
        "/v1/admin/users/{user_id}/balance-history",
    }


def test_what_an_operator_may_change_is_exactly_this():
    assert {f"{m} {path}" for m, path, permission in ROUTES if permission is Permission.OPERATE} == {
        "PUT /v1/admin/groups/sort-order",
        "POST /v1/admin/webhooks/{endpoint_id}/test",
        "POST /v1/admin/webhooks/{endpoint_id}/replay",
        "POST /v1/admin/webhooks/deliveries/{delivery_id}/replay",
        "POST /v1/admin/error-passthrough-rules",
        "PUT /v1/admin/error-passthrough-rules/{rule_id}",
        "DELETE /v1/admin/error-passthrough-rules/{rule_id}",
        "POST /v1/admin/scheduled-test-plans",
        "PUT /v1/admin/scheduled-test-plans/{plan_id}",
        "DELETE /v1/admin/scheduled-test-plans/{plan_id}",
        "POST /v1/admin/announcements",
        "PUT /v1/admin/announcements/{announcement_id}",
        "DELETE /v1/admin/announcements/{announcement_id}",
        "PUT /v1/admin/accounts/{account_id}",
        "POST /v1/admin/accounts/bulk-update",
        "POST /v1/admin/jobs/account-update",
        "POST /v1/admin/jobs/account-action",
        "POST /v1/admin/jobs/account-test",
        "POST /v1/admin/accounts/batch-clear-error",
        "POST /v1/admin/accounts/{account_id}/test",
        "POST /v1/admin/proxies/{proxy_id}/test",
        "POST /v1/admin/proxies/{proxy_id}/quality-check",
        "POST /v1/admin/accounts/{account_id}/schedulable",
        "POST /v1/admin/accounts/{account_id}/clear-error",
        "POST /v1/admin/accounts/{account_id}/clear-rate-limit",
        "POST /v1/admin/accounts/{account_id}/recover-state",
        "DELETE /v1/admin/accounts/{account_id}/temp-unschedulable",
    }


def test_each_role_holds_what_the_table_says():
    reader = {Permission.PUBLIC, Permission.USER, Permission.READ}
    assert dict(GRANTS) == {
        "user": {Permission.PUBLIC, Permission.USER},
        "auditor": reader | {Permission.AMOUNTS},
        "operator": reader | {Permission.OPERATE},
        "admin": set(Permission),
    }
    assert set(GRANTS) == set(ROLES)
    assert not may("made-up", Permission.READ)


async def test_strangers_are_refused_before_their_body_is_read(control):
    answer = await control.client.call("POST", "/v1/admin/groups", content=b"{not json")
    assert answer.status == 401


async def test_an_unprintable_idempotency_key_is_refused(control):
    answer = await control.admin("GET", "/admin/groups", headers={"Idempotency-Key": "x" * 129})
    assert (answer.status, answer.json["reason"]) == (400, "IDEMPOTENCY_KEY_INVALID")
