"""`/api/docs` works on a machine that reaches no other (PAINS S1)."""

import re

import pytest

ASSET = re.compile(r'(?:src|href)="([^"]+)"')


async def test_the_page_and_its_files_come_from_this_server_alone(control):
    page = await control.client.call("GET", "/docs")
    assert page.status == 200
    assert b"//" not in page.body.replace(b"<!doctype html>", b"")
    linked = [link for link in ASSET.findall(page.body.decode()) if not link.startswith("data:")]
    assert len(linked) == 3
    for link in linked:
        assert link.startswith("docs/")
        answer = await control.client.call("GET", f"/{link}")
        assert answer.status == 200
        assert answer.headers["content-type"].split(";")[0] in ("text/css", "text/javascript")
        assert len(answer.body) > 50


async def test_the_page_may_load_and_call_nothing_foreign(control):
    policy = (await control.client.call("GET", "/docs")).headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert (rules["script-src"], rules["connect-src"]) == ("'self'", "'self'")
    assert rules["frame-ancestors"] == "'none'"
    assert "http" not in policy


async def test_the_page_asks_for_the_schema_that_is_served(control):
    start = (await control.client.call("GET", "/docs/start.js")).body
    assert b'url: "openapi.json"' in start
    assert (await control.client.call("GET", "/openapi.json")).json["openapi"].startswith("3.")


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/auth/me", "/v1/nowhere"])
async def test_every_answer_tells_browsers_to_guess_and_frame_nothing(control, path):
    headers = (await control.client.call("GET", path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"


async def test_a_refused_body_carries_them_too(control):
    answer = await control.client.call("POST", "/v1/auth/login", content=b"x" * (1024 * 1024 + 1))
    assert (answer.status, answer.headers["x-frame-options"]) == (413, "DENY")
