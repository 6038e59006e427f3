"""Installing over REST: against real databases and a real Redis (spec 7.13; PAINS S10: no takeover)."""

import json
import stat
from pathlib import Path

import asyncpg
import pytest

from headgate.cli.options import settings_from
from headgate.kit.clock import FakeClock
from headgate.settings import Settings
from headgate.setup.installation import Installer
from headgate.setup.wizard import SetupWizard
from headgate.web_app import WebApp
from tests.support.asgi import AsgiClient
from tests.support.databases import *  # noqa: F403 - fixtures
from tests.support.redis_server import running_redis

TOKEN = "setup-token-4c2"
ADMIN = {"email": "root@example.com", "password": "a long password 7"}


class Page:
    """The pages of the set-up, with the token unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.told = 0
        wizard = SetupWizard(
            Installer(Settings(data_dir=folder)), token=TOKEN, clock=self.clock, on_installed=self._note
        )
        self.client = AsgiClient(wizard)

    def _note(self) -> None:
        self.told += 1

    async def post(self, path, body, token=TOKEN):
        return await self.client.call("POST", path, body, headers={"x-setup-token": token})

    async def status(self):
        return (await self.client.call("GET", "/setup/status")).data


@pytest.fixture
def page(tmp_path):
    return Page(tmp_path / "data")


def postgres(server, name, **fields):
    return {"host": "127.0.0.1", "port": server.port, "user": "postgres", "dbname": name} | fields


async def test_everything_but_the_status_wants_the_token(page):
    assert await page.status() == {"needs_setup": True, "step": "welcome"}
    for path in ("/setup/test-db", "/setup/test-redis", "/setup/install"):
        for token in ("", "wrong", TOKEN[:-1], TOKEN + "x"):
            answer = await page.post(path, {"admin": ADMIN}, token)
            assert answer.status in (401, 429)
    assert not page.folder.exists()


async def test_guessing_the_token_is_slowed_even_for_the_right_one(page):
    answers = [await page.post("/setup/install", {}, "wrong") for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert (await page.post("/setup/test-db", {"type": "sqlite"})).status == 429
    page.clock.advance(61)
    assert (await page.post("/setup/test-db", {"type": "sqlite"})).status == 200


async def test_installing_on_sqlite_writes_a_private_file_and_ends_the_set_up(page):
    answer = await page.post("/setup/install", {"database": {"type": "sqlite"}, "admin": ADMIN})
    assert answer.data["restart"] is True
    assert page.told == 1
    assert await page.status() == {"needs_setup": False, "step": "completed"}
    file = page.folder / "headgate.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ADMIN["password"] not in file.read_text()
    again = await page.post("/setup/install", {"admin": ADMIN})
    assert (again.status, again.json["reason"]) == (403, "SETUP_COMPLETED")


@pytest.mark.pg
async def test_a_missing_database_is_created_and_served_afterwards(page, postgres_server):
    draft = postgres(postgres_server, "made_by_setup")
    tried = await page.post("/setup/test-db", draft)
    assert tried.data["message"] == "the database is missing and will be created"
    assert (await page.post("/setup/install", {"database": draft, "admin": ADMIN})).status == 200
    connection = await asyncpg.connect(postgres_server.url("made_by_setup"))
    admins = await connection.fetch("SELECT email, role FROM users")
    await connection.close()
    assert [tuple(row) for row in admins] == [("root@example.com", "admin")]
    settings = settings_from(page.folder, None)
    assert settings.database.url is not None
    assert "made_by_setup" in settings.database.url.reveal()
    await postgres_server.drop_database("made_by_setup")


@pytest.mark.pg
async def test_a_database_that_has_an_admin_is_not_taken_over(page, postgres_server, tmp_path):
    draft = postgres(postgres_server, "taken_before")
    await page.post("/setup/install", {"database": draft, "admin": ADMIN})
    other = Page(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret.key").write_text((page.folder / "secret.key").read_text())
    evil = {"email": "evil@example.com", "password": "a long password 8"}
    answer = await other.post("/setup/install", {"database": draft, "admin": evil})
    assert answer.json["reason"] == "ALREADY_ADMINISTERED"
    assert (await other.status())["needs_setup"] is True
    await postgres_server.drop_database("taken_before")


@pytest.mark.pg
async def test_what_is_wrong_with_a_database_is_said_without_its_password(
    page, postgres_server, unused_tcp_port
):
    secret = {"password": "canary-77"}
    for draft in (
        postgres(postgres_server, "x", port=unused_tcp_port, **secret),
        postgres(postgres_server, "x", user="nobody_here", **secret),
        postgres(postgres_server, "x", sslmode="require", **secret),
        postgres(postgres_server, 'x"; DROP', **secret),
        postgres(postgres_server, "x", host="a b", **secret),
        postgres(postgres_server, "x", port="5432", **secret),
    ):
        answer = await page.post("/setup/test-db", draft)
        assert answer.status == 400, draft
        assert b"canary" not in answer.body


@pytest.mark.redis
async def test_redis_is_tried_out(page, tmp_path, unused_tcp_port):
    with running_redis(tmp_path) as url:
        port = int(url.partition("127.0.0.1:")[2].partition("/")[0])
        assert (await page.post("/setup/test-redis", {"host": "127.0.0.1", "port": port})).status == 200
    gone = await page.post("/setup/test-redis", {"host": "127.0.0.1", "port": unused_tcp_port})
    assert (gone.status, gone.json["reason"]) == (400, "CONNECTION_FAILED")


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"admin": {"email": "x", "password": "a long password"}},
        {"admin": ADMIN | {"password": "short"}},
        {"admin": ADMIN, "server": {"port": 0}}, {"admin": ADMIN, "database": {"type": "oracle"}},
    ],
)  # fmt: skip
async def test_an_unusable_installation_is_refused_and_leaves_nothing(page, body):
    answer = await page.post("/setup/install", body)
    assert answer.status == 400
    assert (await page.status())["needs_setup"] is True


async def test_a_failed_installation_can_be_tried_again(page, unused_tcp_port):
    broken = {"host": "127.0.0.1", "port": unused_tcp_port}
    assert (await page.post("/setup/install", {"database": broken, "admin": ADMIN})).status == 400
    answer = await page.post("/setup/install", {"database": {"type": "sqlite"}, "admin": ADMIN})
    assert answer.status == 200


async def test_nothing_else_is_served_before(page):
    for path in ("/api/v1/auth/login", "/v1/messages", "/"):
        answer = await page.client.call("POST", path, {}, headers={"x-setup-token": TOKEN})
        assert (answer.status, json.loads(answer.body)["reason"]) == (404, "SETUP_REQUIRED")


class Site(Page):
    """With a web app, as a browser sees it."""

    def __init__(self, folder, built):
        super().__init__(folder)
        (built / "assets").mkdir(parents=True)
        (built / "index.html").write_text("the page")
        (built / "pages.json").write_text('["setup"]')
        (built / "assets/a-1.js").write_text("script")
        wizard = SetupWizard(
            Installer(Settings(data_dir=folder)),
            token=TOKEN, clock=self.clock, on_installed=self._note, web=WebApp(built),
        )  # fmt: skip
        self.client = AsgiClient(wizard)

    async def browse(self, path):
        return await self.client.call("GET", path, headers={"accept": "text/html,*/*;q=0.8"})


async def test_a_browser_gets_the_page_and_every_other_page_leads_to_it(tmp_path):
    site = Site(tmp_path / "data", tmp_path / "web")
    assert (await site.browse("/setup")).body == b"the page"
    assert (await site.client.call("GET", "/assets/a-1.js")).body == b"script"
    for path in ("/", "/login", "/admin/accounts"):
        answer = await site.browse(path)
        assert (answer.status, answer.headers["location"]) == (303, "/setup")


async def test_the_page_takes_nothing_from_the_api(tmp_path):
    site = Site(tmp_path / "data", tmp_path / "web")
    assert (await site.browse("/setup/status")).data["needs_setup"] is True
    assert (await site.browse("/api/v1/keys")).json["reason"] == "SETUP_REQUIRED"
    assert (await site.browse("/v1/models")).json["reason"] == "SETUP_REQUIRED"
    assert (await site.client.call("GET", "/")).json["reason"] == "SETUP_REQUIRED"
