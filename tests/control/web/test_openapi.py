"""The document that clients are made from says what holds: who may call, how it fails, what comes back."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from headgate.control.app import management_routes, management_schema
from headgate.control.web.bodies import RequestBody
from headgate.control.web.routing import GuardedRoute

METHODS = {"get", "post", "put", "delete", "patch"}
WRONG: dict[str, Any] = {"integer": "1", "number": "1.5", "boolean": "true"}
"""What a lenient reader would take for the right type."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return management_schema()


def operations(document):
    return [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def bodies() -> list[type[BaseModel]]:
    """Every model that a body is read into."""
    found = set()
    for route in management_routes():
        field = route.body_field if isinstance(route, GuardedRoute) else None
        if field is not None:
            given = field.field_info.annotation
            found |= set(get_args(given) or (given,)) - {type(None)}
    return sorted(found, key=lambda model: model.__qualname__)


def test_every_route_is_in_it(document):
    documented = {(method.upper(), path) for method, path, _ in operations(document)}
    guarded = [route for route in management_routes() if isinstance(route, GuardedRoute)]
    routes = {(method, route.path) for route in guarded for method in route.methods or ()}
    assert len(guarded) == len(management_routes())
    assert documented == routes


def test_who_may_call_is_said_of_every_operation(document):
    schemes = set(document["components"]["securitySchemes"])
    assert schemes == {"accessToken", "session", "adminKey"}
    for method, path, operation in operations(document):
        named = {name for way in operation["security"] for name in way}
        match operation["x-permission"]:
            case "public":
                assert named == set(), (method, path)
            case "user":
                assert named == {"accessToken", "session"}, (method, path)
            case _:
                assert named == schemes, (method, path)


def test_failures_are_the_envelope_and_never_422(document):
    for method, path, operation in operations(document):
        assert "422" not in operation["responses"], (method, path)
        assert "400" in operation["responses"], (method, path)
        if operation["x-permission"] != "public":
            assert {"401", "403"} <= set(operation["responses"]), (method, path)
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_every_success_says_what_it_looks_like(document):
    for method, path, operation in operations(document):
        succeeded = [answer for status, answer in operation["responses"].items() if status[0] in "23"]
        assert succeeded, (method, path)
        for answer in succeeded:
            assert answer.get("content") or answer.get("headers"), (method, path, "declare produces=")


def test_every_reference_leads_somewhere(document):
    waiting: list[Any] = [document["paths"]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            target = node.get("$ref")
            if isinstance(target, str):
                _, _, kind, name = target.split("/")
                assert name in document["components"][kind], target
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def test_every_body_is_read_by_the_one_base():
    assert bodies()
    assert all(issubclass(model, RequestBody) for model in bodies())


@pytest.mark.parametrize("model", bodies(), ids=lambda model: model.__qualname__)
def test_a_number_is_no_text_and_no_truth_value(model):
    """Every scalar field of every body: nothing is guessed."""
    for name, schema in model.model_json_schema(mode="validation").get("properties", {}).items():
        kinds = {schema.get("type"), *(option.get("type") for option in schema.get("anyOf", ()))}
        if kinds & {"string", "object", "array"} or any(
            "$ref" in option for option in schema.get("anyOf", ())
        ):
            continue
        for kind in kinds & set(WRONG):
            for wrong in {WRONG[kind], True} - ({True} if "boolean" in kinds else set()):
                with pytest.raises(ValidationError) as failed:
                    model.model_validate({name: wrong})
                assert name in {error["loc"][0] for error in failed.value.errors() if error["loc"]}, (
                    name,
                    wrong,
                )


@pytest.mark.parametrize("wrong", [0, 1.5, 253402300800, "253402300800", "12", True, "2026"])
def test_a_number_is_no_date(wrong):
    """Pydantic takes large ones for milliseconds: 9999 would be 1978."""

    class Body(RequestBody):
        at: datetime | None = None

    with pytest.raises(ValidationError):
        Body.model_validate({"at": wrong})
    assert Body.model_validate({"at": "2026-01-02T03:04:05Z"}).at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert Body.model_json_schema()["properties"]["at"]["anyOf"][0]["format"] == "date-time"


def test_json_has_one_kind_of_number():
    class Body(RequestBody):
        count: int
        share: float

    assert Body.model_validate({"count": 5.0, "share": 1}).model_dump() == {"count": 5, "share": 1.0}
    with pytest.raises(ValidationError):
        Body.model_validate({"count": 5.5, "share": 1})


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/admin/groups", "GET, POST"),
        ("POST", "/admin/groups/1", "DELETE, GET, PUT"),
        ("PUT", "/admin/groups/all", "GET"),
        ("GET", "/admin/groups/sort-order", "PUT"),
        ("OPTIONS", "/keys", "GET, POST"),
        ("PATCH", "/keys/1", "DELETE, GET, PUT"),
    ],
)
async def test_a_refused_method_is_told_all_that_the_path_has(control, method, path, allowed):
    """Also where a path with a parameter would fit one that is written out."""
    answer = await control.admin(method, path)
    assert (answer.status, answer.json["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allowed
