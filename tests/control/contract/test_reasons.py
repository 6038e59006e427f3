"""Every answer that is no success has a stable `reason` (spec 0.2, appendix B): of every route, for every
cause that all routes share. Beside this, the callers of tests/control look at every answer they get."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from headgate.control.web.permissions import Permission
from tests.control.auth.browsers import Browser
from tests.control.conftest import PASSWORD
from tests.control.contract.routes import ROUTES, Route

SOURCE = Path(__file__).resolve().parents[3] / "src" / "headgate"
STABLE = re.compile(r"[A-Z][A-Z0-9_]*")
WITH_BODIES = [route for route in ROUTES if "requestBody" in route.operation]
WRITES = [route for route in ROUTES if route.method != "GET"]
PROTECTED = [route for route in ROUTES if route.permission is not Permission.PUBLIC]


def caller_of(control: Any, route: Route) -> Any:
    return control.nobody if route.permission is Permission.PUBLIC else control.admin


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{not json", "INVALID_JSON"),
        (b"\xff\xfe", "INVALID_JSON"),
        (b"[" * 5000, "INVALID_JSON"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "VALIDATION_ERROR"),
        (b"[1, 2]", "VALIDATION_ERROR"),
        (b'"text"', "VALIDATION_ERROR"),
        (b'{"unheard_of\\u0000": 1}', "VALIDATION_ERROR"),
    ],
)
async def test_a_body_that_is_none_is_refused_by_every_route_that_takes_one(control, content, reason):
    assert len(WITH_BODIES) > 70
    for route in WITH_BODIES:
        answer = await caller_of(control, route)(route.method, route.at(), content=content)
        assert (answer.status, answer.json["reason"]) == (400, reason), (str(route), answer.body)
        assert answer.json["message"].startswith("Invalid request: "), str(route)


async def test_a_field_of_the_wrong_type_is_named_by_every_route_that_has_it(control):
    """Every field of every body in turn, as an object that nobody takes for what it should be."""
    tried = 0
    for route in WITH_BODIES:
        for field in route.body_fields:
            answer = await caller_of(control, route)(route.method, route.at(), {field: {"\x00": []}})
            assert (answer.status, answer.json["reason"]) == (400, "VALIDATION_ERROR"), (str(route), field)
            tried += 1
    assert tried > 300


async def test_ids_that_are_none_are_refused_by_every_route(control):
    for route in ROUTES:
        if route.has_integer_ids:
            path = route.at(**dict.fromkeys(route.parameters, "abc"))
            body: dict[str, Any] | None = None if route.method in ("GET", "DELETE") else {}
            answer = await caller_of(control, route)(route.method, path, body)
            assert (answer.status, answer.json["reason"]) == (400, "VALIDATION_ERROR"), str(route)


async def test_a_body_that_is_too_large_is_refused_by_every_route(control):
    for route in WRITES:
        headers = {"content-length": str(2**30)}
        answer = await control.admin(route.method, route.at(), content=b"", headers=headers)
        assert (answer.status, answer.json["reason"]) == (413, "REQUEST_TOO_LARGE"), str(route)


async def test_a_method_that_a_path_has_not_is_refused_by_every_path(control):
    for path in sorted({route.path for route in ROUTES}):
        answer = await control.admin("TRACE", path)
        assert (answer.status, answer.json["reason"]) == (405, "METHOD_NOT_ALLOWED"), path


async def test_who_may_not_is_told_why_by_every_route(control):
    """The flat shape of authentication names its code as the reason, too."""
    browser = Browser(control.client)
    await browser("POST", "/auth/login", {"email": "anna@example.com", "password": PASSWORD})
    for route in PROTECTED:
        answers = [
            await control.nobody(route.method, route.at()),
            await control.nobody(route.method, route.at(), headers={"authorization": "Bearer nonsense"}),
        ]
        if route.permission is not Permission.USER:
            answers.append(await control.anna(route.method, route.at()))
        if route.method != "GET":
            answers.append(await browser(route.method, route.at(), {}, headers={"x-csrf-token": ""}))
        for answer in answers:
            assert answer.status in (401, 403), (str(route), answer.body)
            assert answer.json["reason"] == answer.json["code"], str(route)
            assert STABLE.fullmatch(answer.json["reason"])


def test_reasons_in_the_source_are_upper_snake():
    """What is given as `reason=` to errors; rows of tables have reasons of other kinds."""
    seen = 0
    for path in sorted((SOURCE / "control").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                given = [word.value for word in node.exc.keywords if word.arg == "reason"]
                for value in given:
                    if isinstance(value, ast.Constant):
                        seen += 1
                        assert STABLE.fullmatch(str(value.value)), (path.name, value.value)
    assert seen > 50
