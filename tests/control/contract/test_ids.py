"""Ids that lead nowhere: unknown, of no number, of somebody else, deleted. Generated from the routes."""

from typing import Any

import pytest

from headgate.control.web.permissions import Permission
from tests.control.contract.objects import KEPT, OF_ANNA
from tests.control.contract.routes import MISSING, ROUTES, Route

WITH_IDS = [route for route in ROUTES if route.has_integer_ids]
OF_USERS = [
    route for route in ROUTES if route.permission is Permission.USER and set(route.parameters) & set(OF_ANNA)
]
"""What has an owner; announcements are everybody's."""
MAY_BE_EMPTY = {
    "GET /admin/groups/{group_id}/api-keys", "GET /admin/groups/{group_id}/subscriptions",
    "GET /admin/users/{user_id}/api-keys", "GET /admin/users/{user_id}/subscriptions",
}  # fmt: skip


async def bare(caller: Any, route: Route, path: str) -> Any:
    return await caller(route.method, path, None if route.method in ("GET", "DELETE") else {})


async def test_an_unknown_id_is_404_with_a_reason_that_says_what_is_missing(control):
    """Or a complaint about the empty body, which is looked at first; nothing else, and never 500."""
    seen = 0
    for route in WITH_IDS:
        answer = await bare(control.admin, route, route.at())
        if answer.status == 400:
            assert route.method in ("POST", "PUT"), (str(route), answer.body)
            continue
        if str(route) in MAY_BE_EMPTY and answer.status == 200:
            continue
        seen += 1
        assert answer.status == 404, (str(route), answer.body)
        assert answer.json["reason"].endswith("_NOT_FOUND"), (str(route), answer.body)
        assert answer.json["code"] == 404
    assert seen > 50


@pytest.mark.parametrize(
    "text", ["0", "-1", "abc", "1.5", "9007199254740992", "9" * 40, "%25", "1%00", "%F0%9F%98%80"]
)
async def test_an_id_that_is_none_is_an_invalid_request(control, text):
    for route in WITH_IDS:
        path = route.at(**dict.fromkeys(route.parameters, text))
        answer = await bare(control.admin, route, path)
        assert answer.status in (400, 404, 405), (str(route), answer.body)
        if answer.status == 400:
            assert answer.json["message"].startswith("Invalid request: "), (str(route), answer.body)


def test_everything_that_a_user_owns_is_known_here():
    """A new parameter of a user's route: add it to OF_ANNA, or to those that nobody owns."""
    nobody_s = {"announcement_id", "provider", "session_id", "identity_id"}
    named = {name for route in ROUTES if route.permission is Permission.USER for name in route.parameters}
    assert named <= set(OF_ANNA) | nobody_s


async def test_nobody_reaches_what_is_somebody_else_s(control):
    assert OF_USERS
    for route in OF_USERS:
        (name,) = route.parameters
        path = route.at(**{name: await OF_ANNA[name](control)})
        answer = await control.ben(route.method, path, None if route.method in ("GET", "DELETE") else {})
        assert answer.status in (403, 404), (str(route), answer.body)
        assert b"annas" not in answer.body
        own = await bare(control.anna, route, path)
        assert own.status not in (403, 500), (str(route), own.body)


@pytest.mark.parametrize("path", sorted(KEPT))
async def test_what_is_deleted_is_gone_for_every_route(control, path):
    name, make = KEPT[path]
    caller = control.anna if path == "/keys" else control.admin
    gone = await make(control)
    assert (await caller("DELETE", f"{path}/{gone}")).status == 200
    for route in ROUTES:
        if route.parameters != (name,) or not route.path.startswith(path + "/") or str(route) in MAY_BE_EMPTY:
            continue
        answer = await bare(caller, route, route.at(**{name: gone}))
        if answer.status == 400:  # the empty body is looked at first
            assert route.method in ("POST", "PUT"), (str(route), answer.body)
            continue
        assert answer.status == 404, (str(route), answer.body)
        assert answer.json["reason"].endswith("_NOT_FOUND"), (str(route), answer.body)


async def test_what_never_was_cannot_be_deleted(control):
    for path in KEPT:
        caller = control.anna if path == "/keys" else control.admin
        assert (await caller("DELETE", f"{path}/{MISSING}")).status == 404, path
