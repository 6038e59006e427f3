"""The command line as an operator uses it: users, groups, accounts and keys beside a running gateway."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.bad_input_client import MESSAGES, ask, code_in
from tests.support.gateway import SAFE_FOR_TESTS, Gateway, running_gateway
from tests.support.simulator import RunningSimulator

Run = Callable[..., str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("cli")) as running:
        yield running


@pytest.fixture(scope="module")
def headgate(served: Gateway) -> Run:
    return _runner(served.data_dir)


@pytest.fixture(scope="module")
def key(headgate: Run, simulator: RunningSimulator, tmp_path_factory: pytest.TempPathFactory) -> str:
    """README's walk-through: group, account (secret from stdin), user (password from a file), key."""
    password = tmp_path_factory.mktemp("secret") / "password"
    password.write_text("a long password\n")
    headgate("group", "create", "main", "--platform", "anthropic")
    headgate(
        "account", "add", "--platform", "anthropic", "--name", "first", "--group", "main",
        "--base-url", simulator.url, typed="sim-cli\n",
    )  # fmt: skip
    headgate("user", "create", "ann@headgate.test", "--balance", "1", "--secret-file", str(password))
    return headgate("key", "create", "--user", "ann@headgate.test", "--group", "main").strip()


def _runner(data_dir: Path) -> Run:
    def run(*words: str, typed: str = "", code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "headgate", *words, "--data-dir", str(data_dir)],
            input=typed, capture_output=True, text=True, timeout=30, env={**os.environ, **SAFE_FOR_TESTS},
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + (done.stderr if code else "")

    return run


def _soon(holds: Callable[[], bool]) -> None:
    """Within a second."""
    deadline = time.monotonic() + 1
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _status(served: Gateway, key: str) -> int:
    return ask(served.url, MESSAGES.path, MESSAGES.body, MESSAGES.headers(key)).status


def test_a_key_made_on_the_command_line_works_within_a_second(served: Gateway, key: str) -> None:
    assert key.startswith("sk-")
    _soon(lambda: _status(served, key) == 200)


def test_what_the_running_gateway_refuses_follows_the_command_line(
    served: Gateway, headgate: Run, key: str
) -> None:
    headgate("user", "disable", "ann@headgate.test")
    _soon(lambda: _status(served, key) == 401)
    headgate("user", "enable", "ann@headgate.test")
    _soon(lambda: _status(served, key) == 200)


def test_a_key_rotated_on_the_command_line_overlaps_or_stops(
    served: Gateway, headgate: Run, key: str
) -> None:
    made = headgate("key", "create", "--user", "ann@headgate.test", "--group", "main", "--name", "turning")
    first = made.strip()
    listed = headgate("key", "list", "--user", "ann@headgate.test").splitlines()
    number = next(line.split()[0] for line in listed if "turning" in line)
    second = headgate("key", "rotate", number).strip()
    _soon(lambda: [_status(served, secret) for secret in (first, second)] == [200, 200])
    third = headgate("key", "rotate", number, "--overlap-hours", "0").strip()
    _soon(lambda: [_status(served, secret) for secret in (first, second, third)] == [401, 401, 200])


def test_a_balance_changed_on_the_command_line_is_seen(served: Gateway, headgate: Run, key: str) -> None:
    assert _status(served, key) == 200
    headgate("user", "balance", "ann@headgate.test", "0", "--operation", "set")

    def is_refused() -> bool:
        got = ask(served.url, MESSAGES.path, MESSAGES.body, MESSAGES.headers(key))
        return got.status == 403 and code_in(MESSAGES.dialect, got) == "INSUFFICIENT_BALANCE"

    _soon(is_refused)
    headgate("user", "balance", "ann@headgate.test", "1", "--note", "a gift")
    _soon(lambda: _status(served, key) == 200)


def test_secrets_are_not_listed(headgate: Run, key: str) -> None:
    listed = headgate("account", "list") + headgate("key", "list", "--user", "ann@headgate.test")
    assert "first" in listed
    assert "sim-cli" not in listed
    assert key not in listed


def test_a_code_is_made_and_redeemed(headgate: Run, key: str) -> None:
    code = headgate("codes", "generate", "balance", "--value", "2.5").strip()
    assert "used" in headgate("codes", "redeem", code, "ann@headgate.test")
    assert "REDEEM_CODE_USED" in headgate("codes", "redeem", code, "ann@headgate.test", code=1)


def test_a_secret_on_the_command_line_is_no_option(headgate: Run) -> None:
    headgate("account", "add", "--platform", "openai", "--name", "x", "--api-key", "sk-x", code=2)


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (("key", "create", "--user", "nobody@headgate.test", "--group", "main"), ""),
        (("key", "create", "--user", "ann@headgate.test", "--group", "missing"), ""),
        (("account", "add", "--platform", "anthropic", "--name", "empty"), "\n"),
        (("account", "add", "--platform", "nonsense", "--name", "x"), "secret\n"),
        (("account", "add", "--platform", "openai", "--name", "x", "--secret-file", "/nonexistent"), ""),
        (("account", "disable", "missing"), ""),
        (("user", "create", "not-an-address"), "a long password\n"),
        (("user", "balance", "missing", "1"), ""),
        (("group", "create", "bad", "--platform", "nonsense"), ""),
        (("codes", "generate", "balance"), ""),
        (("codes", "redeem", "not-a-code", "ann@headgate.test"), ""),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_wrong_word_is_one_line_and_exit_code_1(
    headgate: Run, key: str, words: tuple[str, ...], typed: str
) -> None:
    said = headgate(*words, typed=typed, code=1)
    assert said.startswith("headgate: ")
    assert len(said.strip().splitlines()) == 1


def test_doctor_is_content_with_a_sound_installation(headgate: Run, key: str) -> None:
    report = headgate("doctor")
    assert "FAIL" not in report
    for subject in ("configuration", "database", "redis", "egress of account first", "clock"):
        assert subject in report


def test_doctor_says_what_to_do_about_an_empty_database(tmp_path: Path) -> None:
    report = _runner(tmp_path / "new")("doctor", code=1)
    assert "headgate migrate" in report


def test_migrate_then_doctor_is_content(tmp_path: Path) -> None:
    run = _runner(tmp_path / "new")
    assert "is at revision 0" in run("migrate")
    assert "FAIL" not in run("doctor")


def test_doctor_names_an_account_that_cannot_be_reached(tmp_path: Path) -> None:
    run = _runner(tmp_path / "new")
    run("account", "add", "--platform", "openai", "--name", "dead", "--base-url", "http://127.0.0.1:9",
        typed="secret-canary\n")  # fmt: skip
    report = run("doctor", code=1)
    assert "egress of account dead" in report
    assert "secret-canary" not in report
