"""What visitors and users see in a real browser, against the real gateway: `web/e2e/user.mjs` tells what.
Screenshots are left in artifacts/screens/."""

import subprocess

import pytest

from tests.e2e.test_web_app import ROOT, greeting, pytestmark, said

__all__ = ["greeting", "pytestmark"]


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
