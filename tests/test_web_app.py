"""What a browser gets, and what it never gets from the web app: an answer in the place of an API."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headgate.control.oauth.flow import page_address
from headgate.kit import json
from headgate.web_app import WebApp

HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def app(tmp_path: Path) -> WebApp:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text('<script nonce="__CSP_NONCE__" src="/assets/a-1.js"></script>')
    (tmp_path / "pages.json").write_text('["login", "admin"]')
    for suffix, body in (("", "plain"), (".br", "brotli"), (".gz", "gzip")):
        (tmp_path / f"assets/a-1.js{suffix}").write_text(body)
    return WebApp(tmp_path)


def scope(path: str, headers: Mapping[str, str] = HTML, method: str = "GET") -> dict[str, Any]:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "headers": pairs}


async def get(app: WebApp, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    await app(scope(path, HTML | named), receive, send)
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    assert int(head["content-length"]) == len(sent[1]["body"])
    return sent[0]["status"], head, sent[1]["body"]


@pytest.mark.parametrize("path", ["/", "/login", "/setup", "/admin/accounts/5", "/nowhere"])
def test_pages_are_for_who_asks_for_html(app: WebApp, path: str) -> None:
    assert app.serves(scope(path))
    assert not app.serves(scope(path, {"accept": "*/*"}))
    assert not app.serves(scope(path, {}))
    assert not app.serves(scope(path, method="POST"))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages",
        "/v1",
        "/v1/nothing",
        "/v1beta/models/x",
        "/models",
        "/chat/completions",
        "/responses/r1",
    ]
    + ["/messages", "/api/v1/keys", "/api", "/health", "/ready", "/metrics", "/setup/status", "/embeddings"],
)
def test_paths_of_the_apis_are_never_taken_whatever_the_client_accepts(app: WebApp, path: str) -> None:
    assert not app.serves(scope(path))


async def test_a_page_has_a_policy_whose_nonce_is_new_each_time(app: WebApp) -> None:
    status, head, body = await get(app, "/login")
    nonces = set(re.findall(r"'nonce-([^']+)'", head["content-security-policy"]))
    assert status == 200
    assert nonces == set(re.findall(rb'nonce="([^"]+)"', body)[0].decode().split())
    assert nonces != set(
        re.findall(r"'nonce-([^']+)'", (await get(app, "/login"))[1]["content-security-policy"])
    )
    scripts = re.findall(r"script-src ([^;]+)", head["content-security-policy"])[0]
    assert "unsafe" not in scripts
    assert head["cache-control"] == "no-store"
    assert head["x-frame-options"] == "DENY"


async def test_pages_may_show_the_sites_of_configured_pages_and_no_others(
    app: WebApp, tmp_path: Path
) -> None:
    wanted = ["https://shop.example.com", "http://[::1]:8080"]

    async def frames() -> list[str]:
        return wanted

    framing = WebApp(tmp_path, frames=frames)
    for served, allowed in ((app, []), (framing, wanted)):
        policy = (await get(served, "/login"))[1]["content-security-policy"]
        assert re.findall(r"frame-src ([^;]+);", policy) == [
            " ".join(["https://challenges.cloudflare.com", *allowed])
        ]
        assert "frame-ancestors 'none'" in policy
    del wanted[:]
    policy = (await get(framing, "/login"))[1]["content-security-policy"]
    assert "shop.example.com" not in policy


async def test_an_unknown_page_is_shown_with_status_404(app: WebApp) -> None:
    assert (await get(app, "/nowhere"))[0] == 404


@pytest.mark.parametrize(
    ("accepted", "body", "encoding"),
    [
        ("gzip, br;q=0.9", b"brotli", "br"),
        ("gzip", b"gzip", "gzip"),
        ("br;q=0, gzip;q=0.0", b"plain", None),
        ("", b"plain", None),
    ],
)
async def test_assets_come_packed_as_the_browser_likes(
    app: WebApp, accepted: str, body: bytes, encoding: str | None
) -> None:
    status, head, given = await get(app, "/assets/a-1.js", accept_encoding=accepted)
    assert (status, given, head.get("content-encoding")) == (200, body, encoding)
    assert head["content-type"].startswith("text/javascript")
    assert "immutable" in head["cache-control"]


@pytest.mark.parametrize("path", ["/assets/../index.html", "/assets/gone.js", "/assets/%2e%2e/pages.json"])
async def test_no_other_file_is_reached_and_a_lost_asset_is_no_page(app: WebApp, path: str) -> None:
    assert app.serves(scope(path, {}))
    status, head, body = await get(app, path)
    assert (status, body) == (404, b"no such file")
    assert head["cache-control"] == "no-store"


def test_without_a_build_nothing_is_taken(tmp_path: Path) -> None:
    app = WebApp(tmp_path)
    assert not app.is_built
    assert not app.serves(scope("/"))


def test_the_pages_that_letters_and_providers_send_people_to_exist() -> None:
    """`/reset-password` as `tests/control/registration` reads it from a letter."""
    web = Path(__file__).parent.parent / "web"
    pages = json.loads((web / "public/pages.json").read_bytes())
    router = (web / "src/app/router.ts").read_text()
    callback = page_address("", ":provider", {}).partition("#")[0]
    for path in ("/reset-password", callback):
        assert f"path: '{path}'" in router
        assert path.split("/")[1] in pages
