"""Lists: pages, bounds and searches, for every route that has them (spec 0.2, PAINS S9)."""

from typing import Any

import pytest

from tests.control.contract.objects import KEPT
from tests.control.contract.routes import ROUTES, Route

ENDING = {"/usage", "/admin/usage", "/admin/usage/review"}
"""Lists that end after 100,000 records, and say so."""
PAGED = [route for route in ROUTES if route.is_paged]
SEARCHED = [
    route
    for route in ROUTES
    if {"search", "q"} & route.query and "export" not in route.path and route.path != "/admin/audit-log"
]
"""The audit log's own lines hold such letters."""
FALLBACKS: list[tuple[dict[str, str], tuple[int, int]]] = [
    ({}, (1, 20)),
    ({"page": "0", "page_size": "0"}, (1, 20)),
    ({"page": "-1", "page_size": "-5"}, (1, 20)),
    ({"page": "one", "page_size": "1e3"}, (1, 20)),
    ({"page_size": "1001"}, (1, 20)),
    ({"page_size": "1000"}, (1, 1000)),
    ({"limit": "7"}, (1, 7)),
    ({"page": "999999999999"}, (1_000_000, 20)),
    ({"page": "9" * 40, "page_size": "9" * 40}, (1, 20)),
    ({"page": "%", "page_size": "_", "unheard_of": "x"}, (1, 20)),
]


@pytest.fixture
async def things(control) -> dict[str, Any]:
    """One of everything, by the parameter that names it."""
    made = {}
    for name, make in KEPT.values():
        made[name] = await make(control)
    job = await control.admin("POST", "/admin/jobs/account-action", {"account_ids": [1], "action": "recover"})
    return made | {"user_id": control.anna.user_id, "job_id": job.data["id"]}


def ids(route: Route) -> str:
    return str(route)


async def test_a_list_of_each_kind_is_paged_alike(control, things):
    """Absurd pages fall back, huge ones are empty, and what nobody knows is ignored."""
    assert len(PAGED) > 20
    for route in PAGED:
        path = route.at(**things)
        for query, (page, page_size) in FALLBACKS:
            answer = await control.admin("GET", path, query=query)
            if page > 1 and route.path in ENDING:
                assert (answer.status, answer.json["reason"]) == (400, "INVALID_INPUT")
                continue
            data = answer.data
            assert {"items", "total", "page", "page_size", "pages"} <= set(data), str(route)
            assert (data["page"], data["page_size"]) == (page, page_size), (str(route), query)
            assert data["pages"] == max(1, -(-data["total"] // page_size)), (str(route), query)
            assert len(data["items"]) <= page_size
            if page > data["pages"]:
                assert data["items"] == [], (str(route), query)


@pytest.mark.parametrize("text", ["%", "_", "%%%%%%%%", "\\", "'; --", "%' OR 1=1 --", "*", "[a-z]"])
async def test_what_means_something_to_sql_is_plain_text_in_every_search(control, things, text):
    assert len(SEARCHED) > 8
    for route in SEARCHED:
        name = "search" if "search" in route.query else "q"
        data = (await control.admin("GET", route.at(**things), query={name: text})).data
        assert found(data) == [], (str(route), text)


async def test_a_search_finds_what_holds_its_letters_in_any_case(control, things):
    for path, letters in {
        "/admin/users": "ANNA@ex", "/admin/groups": "KEP", "/admin/accounts": "kEp", "/admin/proxies": "P",
        "/admin/announcements": "T", "/keys": "NN", "/admin/usage/search-users": "Anna",
    }.items():  # fmt: skip
        caller = control.anna if path == "/keys" else control.admin
        name = "q" if "search-" in path else "search"
        assert found((await caller("GET", path, query={name: letters})).data), path


async def test_a_long_search_is_cut_and_a_nul_is_refused(control, things):
    for route in SEARCHED:
        name = "search" if "search" in route.query else "q"
        assert (await control.admin("GET", route.at(**things), query={name: "x" * 5000})).status == 200
        refused = await control.admin("GET", route.at(**things), query={name: "a\x00b"})
        assert refused.status == 400, str(route)
        assert refused.json["message"].startswith("Invalid request: "), str(route)


def found(data: Any) -> list[Any]:
    """The items of a page, of a bare list, or of a file of accounts."""
    if isinstance(data, list):
        return data
    return list(data["items"] if "items" in data else data["accounts"])
