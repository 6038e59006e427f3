"""What visitors and users see in a real browser, against the real gateway: `web/e2e/user.mjs` tells what.
Screenshots are left in artifacts/screens/."""

from collections.abc import Iterator

import pytest

from tests.e2e.test_web_app import demo_key, greeting, login_of, pytestmark, simulator_of, tell
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, RunningProvider, running_provider

__all__ = ["greeting", "pytestmark"]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningProvider]:
    """A company's identity provider, known to the gateway that is started after it."""
    monkeypatch.setenv("HEADGATE_AUTH__PRIVATE_IDENTITY_HOSTS", '["127.0.0.1"]')
    with running_provider() as found:
        found.person(sub="user-7", email="kim@corp.example", email_verified=True, preferred_username="kim")
        yield found


def test_people_protect_their_accounts_and_go_on_when_the_money_is_spent(
    provider: RunningProvider, greeting: str
) -> None:
    """First password and two-factor login by a fresh sign-in at a provider; logins with a code of the app and
    a recovery code; in the playground the balance ends, and a code is redeemed."""
    tell("people.mjs", *login_of(greeting), provider.issuer, CLIENT_ID, CLIENT_SECRET)


@pytest.mark.parametrize("part", ["visitors", pytest.param("users", marks=pytest.mark.exhaustive)])
def test_visitors_and_users_find_their_pages(greeting: str, part: str) -> None:
    tell(f"user.mjs {part}", *login_of(greeting), demo_key(greeting), simulator_of(greeting))
