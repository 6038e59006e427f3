"""The web app in a real browser, against the real gateway with the simulator behind it: the scripts of
`web/e2e` say what is looked at. Screenshots are left in artifacts/screens/."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.web_app import WebApp
from tests.support.gateway import SAFE_FOR_TESTS
from tests.support.simulator import RunningSimulator

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not any(map(os.path.exists, BROWSERS)), reason="no Chromium on this machine"),
    pytest.mark.skipif(not WebApp().is_built, reason="the web app is not built: make web"),
    pytest.mark.skipif(
        shutil.which("node") is None or not (ROOT / "web/node_modules/playwright-core").is_dir(),
        reason="no Node or no web/node_modules: make web-check",
    ),
]


@pytest.fixture
def greeting(tmp_path: Path) -> Iterator[str]:
    """What a demo says at its first start: addresses, the admin's password and keys."""
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "headgate",
        "serve",
        "--demo",
        "--port",
        "0",
        "--data-dir",
        str(tmp_path / "data"),
    ]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while "Try it:" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield log.read_text()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def said(greeting: str, pattern: str) -> str:
    found = re.search(pattern, greeting)
    assert found, greeting
    return found[1]


def login_of(greeting: str) -> tuple[str, str, str]:
    """Address of the demo, its admin's name and password."""
    return (
        said(greeting, r"serves on (http://\S+)"),
        said(greeting, r"Admin login, shown this once: (\S+)"),
        said(greeting, r"Admin login, shown this once: \S+\s+(\S+)"),
    )


def demo_key(greeting: str) -> str:
    return said(greeting, r"Demo key \(anthropic-demo\), shown this once: (\S+)")


def simulator_of(greeting: str) -> str:
    return said(greeting, r"simulator on ([^;\s]+)")


def tell(story: str, *arguments: str, timeout_s: float = 115) -> None:
    """A story of `web/e2e` in a browser, which fails where it does not see what it should. `story` is the
    script and, if it has several, its part."""
    script, *part = story.split()
    done = subprocess.run(
        ["node", f"e2e/{script}", *arguments, str(ROOT / "artifacts/screens"), *part],
        cwd=ROOT / "web", capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "ok: no error in the console" in done.stdout


def test_operators_and_users_do_their_work_in_the_browser(greeting: str) -> None:
    tell("run.mjs", *login_of(greeting), demo_key(greeting), simulator_of(greeting))


@pytest.mark.parametrize(
    "story",
    [
        pytest.param("trouble.mjs", id="trouble", marks=pytest.mark.exhaustive),
        pytest.param("admin.mjs", id="many-at-once", marks=pytest.mark.exhaustive),
        pytest.param("bounds.mjs", id="bounds", marks=pytest.mark.exhaustive),
        pytest.param("tour.mjs pages", id="every-page", marks=pytest.mark.exhaustive),
        pytest.param("tour.mjs people", id="every-role", marks=pytest.mark.exhaustive),
    ],
)
def test_the_web_app_in_the_browser(greeting: str, story: str) -> None:
    """Trouble, many things at once, long and foreign names, every page, and what each role sees of them."""
    tell(story, *login_of(greeting))


@pytest.fixture
def local_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway that is started after it may send webhooks to this machine."""
    monkeypatch.setenv("HEADGATE_WEBHOOKS__PRIVATE_HOSTS", '["127.0.0.1"]')


@pytest.mark.exhaustive
def test_prices_webhooks_and_configuration_in_the_browser(local_webhooks: None, greeting: str) -> None:
    """Looked at before they are kept, kept, taken back; and who sees the buttons."""
    tell("office.mjs", *login_of(greeting), demo_key(greeting), timeout_s=200)


def test_from_an_empty_directory_to_the_first_answer_in_the_browser(
    tmp_path: Path, simulator: RunningSimulator
) -> None:
    log, folder = tmp_path / "log", tmp_path / "data"
    command = [sys.executable, "-m", "headgate", "setup", "--port", "0", "--data-dir", str(folder)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    allowed = {name: value for name, value in SAFE_FOR_TESTS.items() if "ALLOWLIST" in name}
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=clean | allowed)
    try:
        deadline = time.monotonic() + 60
        while "token" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        url = said(log.read_text(), r"Set-up on (http://[^/]+)/setup")
        token = said(log.read_text(), r"good until it is done: (\S+)")
        tell("setup.mjs", url, token, simulator.url)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
