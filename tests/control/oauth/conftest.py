"""The API with a real identity provider process beside it."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from headgate.kit.clock import FakeClock
from headgate.settings import AuthSettings
from headgate.storage.engine import DatabaseTarget
from headgate.upstream.web import WebClient
from tests.support.asgi import Answer
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, RunningProvider, running_provider

BASE = "https://gate.example.com"
PERSON = {"sub": "user-7", "email": "Kim@Corp.example", "email_verified": True, "preferred_username": "kim"}


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target


@pytest.fixture(scope="module")
def provider_process() -> Iterator[RunningProvider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(provider_process: RunningProvider) -> RunningProvider:
    provider_process.person(**PERSON)
    return provider_process


@pytest.fixture
def clock() -> FakeClock:
    """The provider's time is the real one."""
    return FakeClock(time.time_ns() // 1_000_000)


class Browser:
    """Keeps cookies by path, as far as this sign-in needs it."""

    def __init__(self, control: Any, provider: RunningProvider) -> None:
        self.control = control
        self.provider = provider
        self.cookies: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"cookie": cookie} | options.pop("headers", {})
        answer: Answer = await self.control.client.call(
            method, "/v1" + path, body, headers=headers, **options
        )
        for line in answer.set_cookies:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer

    async def start(self, slug: str = "corp", **query: str) -> str:
        answer = await self.call("GET", f"/auth/oauth/{slug}/start", query=query)
        assert answer.status == 302, answer.body
        return answer.headers["location"]

    async def back(self, location: str) -> dict[str, str]:
        """From the provider to our callback; what the page gets behind the #."""
        parts = urlsplit(location)
        assert location.startswith(BASE + "/api/v1/auth/oauth/")
        answer = await self.call(
            "GET",
            parts.path.removeprefix("/api/v1"),
            query={key: values[0] for key, values in parse_qs(parts.query).items()},
        )
        assert answer.status == 302
        page = answer.headers["location"]
        assert page.startswith(BASE + "/auth/")
        return {key: values[0] for key, values in parse_qs(urlsplit(page).fragment).items()}

    async def at_page(self, slug: str = "corp", **query: str) -> dict[str, str]:
        return await self.back(self.provider.authorize(await self.start(slug, **query)))

    async def complete(self, page: dict[str, str], slug: str = "corp", **fields: str) -> Answer:
        body = {"login_token": page["login_token"], **fields}
        return await self.call("POST", f"/auth/oauth/{slug}/complete", body)

    async def sign_in(self, slug: str = "corp", **fields: str) -> Answer:
        return await self.complete(await self.at_page(slug), slug, **fields)


@pytest.fixture
async def browser(control: Any, provider: RunningProvider):
    """A provider `corp` is configured, and newcomers may come in through it."""
    settings = AuthSettings(private_identity_hosts=("127.0.0.1",), login_limit_per_minute=100)
    object.__setattr__(control.deps.settings, "auth", settings)
    object.__setattr__(control.deps, "web", WebClient(control.deps.settings))
    opened = {"frontend_url": BASE, "oauth_registration_enabled": True}
    await control.admin("PUT", "/admin/settings", opened)
    await configure(control, provider)
    yield Browser(control, provider)
    await control.deps.web.close()


async def configure(control: Any, provider: RunningProvider, slug: str = "corp", **fields: Any) -> Answer:
    body = {
        "name": "Corp", "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    } | fields  # fmt: skip
    answer: Answer = await control.admin("PUT", f"/admin/settings/oauth-providers/{slug}", body)
    return answer
