"""What visitors and users see in a real browser, against the real gateway: `web/e2e/user.mjs` tells what.
Screenshots are left in artifacts/screens/."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.test_web_app import ROOT, greeting, pytestmark, said
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
    arguments = [
        said(greeting, r"serves on (http://\S+)"),
        said(greeting, r"Admin login, shown this once: (\S+)"),
        said(greeting, r"Admin login, shown this once: \S+\s+(\S+)"),
        provider.issuer,
        CLIENT_ID,
        CLIENT_SECRET,
        str(ROOT / "artifacts/screens"),
    ]
    done = subprocess.run(
        ["node", "e2e/people.mjs", *arguments], cwd=ROOT / "web", capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "ok: no error in the console" in done.stdout


@pytest.mark.parametrize("part", ["visitors", pytest.param("users", marks=pytest.mark.exhaustive)])
def test_visitors_and_users_find_their_pages(greeting: str, part: str) -> None:
    arguments = [
        said(greeting, r"serves on (http://\S+)"),
        said(greeting, r"Admin login, shown this once: (\S+)"),
        said(greeting, r"Admin login, shown this once: \S+\s+(\S+)"),
        said(greeting, r"Demo key \(anthropic-demo\), shown this once: (\S+)"),
        said(greeting, r"simulator on ([^;\s]+)"),
        str(ROOT / "artifacts/screens"),
        part,
    ]
    done = subprocess.run(
        ["node", "e2e/user.mjs", *arguments], cwd=ROOT / "web", capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "ok: no error in the console" in done.stdout
