"""The envelope and paging, as existing tools expect them (spec 0.2)."""

import pytest

from headgate.control.web.envelope import Paging, _paging


async def test_success_has_code_0(control):
    answer = await control.nobody("POST", "/auth/logout")
    assert answer.json == {"code": 0, "message": "success", "data": {"message": "logged out"}}
    assert answer.headers["cache-control"] == "no-store"


async def test_created_is_201_in_the_same_envelope(control):
    answer = await control.admin("POST", "/admin/groups", {"name": "g"})
    assert answer.status == 201
    assert (answer.json["code"], answer.json["message"]) == (0, "success")


async def test_an_unknown_path_answers_in_the_envelope(control):
    answer = await control.nobody("GET", "/nothing/here")
    assert answer.status == 404
    assert answer.json == {"code": 404, "message": "Not Found", "reason": "NOT_FOUND"}


async def test_a_wrong_method_answers_in_the_envelope(control):
    answer = await control.nobody("DELETE", "/auth/login")
    assert answer.status == 405
    assert answer.json == {"code": 405, "message": "Method Not Allowed", "reason": "METHOD_NOT_ALLOWED"}


async def test_a_missing_thing_carries_its_reason(control):
    answer = await control.admin("GET", "/admin/groups/77")
    assert answer.json == {"code": 404, "message": "group not found", "reason": "GROUP_NOT_FOUND"}


@pytest.mark.parametrize(
    "content",
    [
        b"{not json",
        b"[]",
        b"",
        b"\xff\xfe",
        b'{"name": 1}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\\ud800"}',
        b"[" * 5000,
    ],
)
async def test_a_bad_body_is_an_invalid_request(control, content):
    answer = await control.admin("POST", "/admin/groups", content=content)
    assert answer.status == 400
    assert answer.json["message"].startswith("Invalid request:")
    assert answer.json["reason"] in ("INVALID_JSON", "VALIDATION_ERROR")


async def test_a_validation_message_names_the_field_but_not_the_value(control):
    answer = await control.admin("POST", "/admin/users", {"email": "x@y.z", "password": "hunt"})
    assert "password" in answer.json["message"]
    assert "hunt" not in answer.json["message"]


async def test_a_body_beyond_one_mebibyte_is_refused(control):
    answer = await control.admin("POST", "/admin/groups", content=b" " * (1024 * 1024 + 1))
    assert answer.status == 413
    assert answer.json["reason"] == "REQUEST_TOO_LARGE"


async def test_an_undeclared_large_body_is_refused_too(control):
    answer = await control.admin(
        "POST", "/admin/groups", content=b" " * (1024 * 1024 + 1), headers={"content-length": "1"}
    )
    assert answer.status == 413


@pytest.mark.parametrize(
    "path", ["/admin/groups/0", "/admin/groups/abc", "/admin/groups/99999999999999999999"]
)
async def test_an_id_that_is_none_is_an_invalid_request(control, path):
    answer = await control.admin("GET", path)
    assert answer.status == 400
    assert answer.json["message"].startswith("Invalid request:")


@pytest.mark.parametrize(
    ("page", "page_size", "limit", "expected"),
    [
        (None, None, None, Paging(1, 20)),
        ("3", "50", None, Paging(3, 50)),
        (None, None, "7", Paging(1, 7)),
        ("0", "0", None, Paging(1, 20)),
        ("-1", "-5", None, Paging(1, 20)),
        ("x", "x", None, Paging(1, 20)),
        ("1", "1000", None, Paging(1, 1000)),
        ("1", "1001", None, Paging(1, 20)),
        ("9" * 40, "9" * 40, None, Paging(1, 20)),
        ("999999999999", None, None, Paging(1_000_000, 20)),
        ("٣", None, None, Paging(1, 20)),
    ],
)
def test_paging_falls_back_instead_of_failing(page, page_size, limit, expected):
    assert _paging(page, page_size, limit) == expected


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (20, 1), (21, 2), (40, 2), (41, 3)])
def test_there_is_always_at_least_one_page(total, pages):
    assert Paging().wrap([], total).pages == pages


async def test_pages_follow_each_other_without_overlap(control):
    for number in range(5):
        await control.add_group(f"g{number}")
    first = (await control.admin("GET", "/admin/groups", query={"page_size": 2})).data
    last = (await control.admin("GET", "/admin/groups", query={"page_size": 2, "page": 3})).data
    assert [item["name"] for item in first["items"]] == ["g0", "g1"]
    assert (first["total"], first["page"], first["page_size"], first["pages"]) == (5, 1, 2, 3)
    assert [item["name"] for item in last["items"]] == ["g4"]


async def test_the_documentation_is_served_below_the_mount(control):
    page = await control.client.call("GET", "/docs")
    assert page.status == 200
    assert b"SwaggerUIBundle" not in page.body  # its script is a file: no inline script is allowed
    schema = await control.client.call("GET", "/openapi.json")
    assert "/v1/auth/login" in schema.json["paths"]
