"""A start that cannot succeed: exit code 1, one line with key, problem and remedy (issue 2, "Bad input")."""

import asyncio
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import pytest

from tests.support.databases import *  # noqa: F403 - fixtures
from tests.support.gateway import running_gateway
from tests.support.postgres import PostgresServer

SECRET = "canary-8f2e"
BOUND_BY_MODES = (
    "import ctypes, os, sys; PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1;"
    "ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0);"
    "os.execv(sys.executable, [sys.executable, '-m', 'headgate', *sys.argv[1:]])"
)
"""Root may write what its mode forbids; give that up for the program that follows (capabilities(7))."""


def attempt(
    folder: Path, *options: str, environment: Mapping[str, str] | None = None, bound_by_modes: bool = False
) -> str:
    """Start the gateway on a free port, expect the refusal, return its one line."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    program = ["-c", BOUND_BY_MODES] if bound_by_modes else ["-m", "headgate"]
    done = subprocess.run(
        [sys.executable, *program, "serve", "--port", "0", "--data-dir", str(folder / "data"), *options],
        env={**clean, **(environment or {})}, capture_output=True, text=True, timeout=30, cwd=folder,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert SECRET not in said
    (line,) = said.strip().splitlines()
    return line


BAD_VALUES = {
    "HEADGATE_SERVER__PORT": ("99999", "server.port"),
    "HEADGATE_SERVER__WORKERS": ("0", "server.workers"),
    "HEADGATE_SERVER__HEADER_TIMEOUT_S": ("soon", "server.header_timeout_s"),
    "HEADGATE_SERVER__PROT": ("1", "server.prot"),
    "HEADGATE_DATABASE__POOL_SIZE": ("0", "database.pool_size"),
    "HEADGATE_DATABASE__SQLITE_SYNCHRONOUS": ("maybe", "database.sqlite_synchronous"),
    "HEADGATE_REDIS__DEADLINE_S": ("-1", "redis.deadline_s"),
    "HEADGATE_SECURITY__URL_ALLOWLIST__ALLOW_PRIVATE_HOSTS": (
        "perhaps", "security.url_allowlist.allow_private_hosts",
    ),
    "HEADGATE_SECURITY__URL_ALLOWLIST__UPSTREAM_HOSTS": (
        "a,b", "security: cannot read HEADGATE_SECURITY__URL_ALLOWLIST",
    ),
    "HEADGATE_GATEWAY__MAX_BODY_SIZE": ("10", "gateway.max_body_size"),
    "HEADGATE_GATEWAY__NONSENSE": ("1", "gateway.nonsense"),
    "HEADGATE_LIMITS__SLOT_LEASE_S": ("1", "limits.slot_lease_s"),
    "HEADGATE_PRICING__UNKNOWN_MODEL": ("free", "pricing.unknown_model"),
    "HEADGATE_AUTH__ACCESS_TOKEN_S": ("1", "auth.access_token_s"),
    "HEADGATE_LOG__LEVEL": ("loud", "log.level"),
    "HEADGATE_SERVER__TRUSTED_PROXIES": ('["10.0.0.0/99"]', "server.trusted_proxies"),
    "HEADGATE_PRICING__FILE": ("missing.json", "pricing.file"),
    "HEADGATE_TIMEZONE": ("Mars/Olympus", "timezone"),
    "HEADGATE_SERVER": ("nonsense", "server"),
}  # fmt: skip


@pytest.mark.parametrize("variable", BAD_VALUES)
def test_a_bad_variable_is_named_with_its_remedy(tmp_path: Path, variable: str) -> None:
    value, key = BAD_VALUES[variable]
    line = attempt(tmp_path, environment={variable: value})
    assert line.startswith(f"headgate: configuration {key}")
    assert ";" in line


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("server: {prot: 1}", "server.prot"),
        ("sever: {port: 1}", "sever"),
        ("server: [1]", "server"),
        ("gateway: {max_line_size: -5}", "gateway.max_line_size"),
        ("server: {port: yes}", "server.port"),
        ("- a", "the top level"),
        ("server: {port: 1", "not valid YAML"),
        ("a: &x [*x]", "a"),
        ("\x00", "not valid YAML"),
        ("database: {url: 'nonsense://canary-8f2e'}", "database.url"),
        ("redis: {url: 5}", "redis.url"),
        ("redis: {url: 'http://canary-8f2e@nowhere'}", "redis.url"),
        ("secret_key: canary-8f2e", "secret key"),
        ("admin_password: [canary-8f2e]", "admin_password"),
        ("database: {url: ['canary-8f2e']}", "database.url"),
        ("database: canary-8f2e", "database"),
    ],
)
def test_a_bad_config_file_is_one_line(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(text)
    line = attempt(tmp_path, "--config", str(file))
    assert key in line


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    assert "none.yaml" in attempt(tmp_path, "--config", "none.yaml")


def test_a_config_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"server:\n  host: \xff\xfe\n")
    assert "c.yaml" in attempt(tmp_path, "--config", "c.yaml")


@pytest.mark.parametrize("value", [SECRET, "ab" * 31, "zz" * 32, ""])
def test_a_bad_secret_key_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    line = attempt(tmp_path, environment={"HEADGATE_SECRET_KEY": value})
    assert "64 hex digits" in line


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/secret.key").write_bytes(b"\xff" * 32)
    assert "secret.key" in attempt(tmp_path)


def test_another_secret_key_than_the_data_was_made_with_is_refused(tmp_path: Path) -> None:
    """Otherwise every customer key would silently be unknown and no credential could be opened."""
    with running_gateway(tmp_path, HEADGATE_SECRET_KEY="ab" * 32):
        pass
    line = attempt(tmp_path, environment={"HEADGATE_SECRET_KEY": "cd" * 32})
    assert "HEADGATE_SECRET_KEY" in line or "secret key" in line


def test_several_workers_need_redis(tmp_path: Path) -> None:
    assert "HEADGATE_REDIS_URL" in attempt(tmp_path, "--workers", "2")


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}" in attempt(tmp_path, "--port", str(port))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "not an address"])
def test_an_address_that_is_not_ours_is_named(tmp_path: Path, host: str) -> None:
    assert host in attempt(tmp_path, "--host", host)


@pytest.mark.parametrize("content", ["{", "[]", '{"m": {"input_cost_per_token": "x"}}', "\x00"])
def test_a_bad_price_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "prices.json").write_text(content)
    assert "prices.json" in attempt(tmp_path, environment={"HEADGATE_PRICING__FILE": "prices.json"})


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://root:{SECRET}@localhost/x", f"postgresql://a:{SECRET}@127.0.0.1:1/x", SECRET, "sqlite://",
        f"postgresql://a:{SECRET}@127.0.0.1:notaport/x", f"postgresql://a:{SECRET}@no.such.host.invalid/x",
        f"postgresql://a:{SECRET}@127.0.0.1/x?nonsense=1",
    ],
)  # fmt: skip
def test_a_database_that_cannot_be_reached_is_one_line(tmp_path: Path, url: str) -> None:
    line = attempt(tmp_path, environment={"HEADGATE_DATABASE_URL": url})
    assert "HEADGATE_DATABASE_URL" in line


@pytest.mark.pg
def test_a_user_that_postgres_does_not_know_is_one_line(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = f"postgresql://nobody:{SECRET}@127.0.0.1:{postgres_server.port}/missing"
    assert "missing" in attempt(tmp_path, environment={"HEADGATE_DATABASE_URL": url})


@pytest.mark.pg
def test_a_first_start_that_nobody_watches_creates_the_missing_database(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    asyncio.run(postgres_server.drop_database("made_by_serve"))
    with running_gateway(tmp_path, HEADGATE_DATABASE_URL=postgres_server.url("made_by_serve")) as gateway:
        first = gateway.api("POST", "/admin/groups", {"name": "kept", "platform": "openai"})
        assert "database_created" in gateway.log_file.read_text()
        gateway.kill()
        gateway.restart()
        assert [group["id"] for group in gateway.api("GET", "/admin/groups")["items"]] == [first["id"]]
        assert gateway.log_file.read_text().count("database_created") == 1


@pytest.mark.pg
def test_a_user_that_may_not_create_the_missing_database_is_told_so(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async def make_role() -> None:
        connection = await asyncpg.connect(postgres_server.url("postgres"))
        await connection.execute("CREATE ROLE limited LOGIN")
        await connection.close()

    asyncio.run(make_role())
    url = f"postgresql://limited@127.0.0.1:{postgres_server.port}/missing"
    line = attempt(tmp_path, environment={"HEADGATE_DATABASE_URL": url})
    assert "missing does not exist" in line
    assert "may not create databases" in line


@pytest.mark.pg
def test_a_name_that_is_no_plain_one_is_not_created(tmp_path: Path, postgres_server: PostgresServer) -> None:
    url = postgres_server.url('x"; DROP DATABASE postgres').replace(" ", "%20").replace('"', "%22")
    assert "letters, digits" in attempt(tmp_path, environment={"HEADGATE_DATABASE_URL": url})


def test_a_newer_database_is_refused(tmp_path: Path, sqlite_template: Path) -> None:
    (tmp_path / "data").mkdir()
    file = shutil.copy(sqlite_template, tmp_path / "data/headgate.db")
    connection = sqlite3.connect(file)
    connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
    connection.commit()
    connection.close()
    assert "newer than this program" in attempt(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/headgate.db").write_bytes(b"nonsense" * 1000)
    assert "headgate.db" in attempt(tmp_path)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_database_that_may_not_be_written_is_refused(
    tmp_path: Path, sqlite_template: Path, what: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = Path(shutil.copy(sqlite_template, data / "headgate.db"))
    (data / "secret.key").write_text("ab" * 32)
    (data / "secret.key").chmod(0o600)
    file.chmod(0o444)
    if what == "folder":
        data.chmod(0o555)
    try:
        assert "write" in attempt(tmp_path, bound_by_modes=True)
    finally:
        data.chmod(0o755)
