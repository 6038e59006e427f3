"""The security lessons S1 to S18 that apply to the management API: one test named after each rule, beside the
suites that try them from all sides (the docstrings say where).

S16 (LDAP) and S17 (answers of providers untouched: tests/e2e/test_bytes.py) have no surface here; of S8 there
is no payment webhook yet.
"""

import ast
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from headgate.control.app import management_schema
from headgate.control.auth.cookies import ACCESS
from headgate.control.oauth.claims import Identity
from headgate.control.web.routing import GuardedRoute
from headgate.core.ids import KeyId
from headgate.core.routing.affinity import response_session, state_session
from headgate.kit.crypto import Vault
from headgate.settings import Settings
from headgate.storage.engine import DatabaseTarget
from headgate.storage.models import UserRow
from headgate.storage.read_model import ReadModel
from headgate.upstream.web import WebClient, WebFailed, get
from tests.control.auth.browsers import Browser

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "headgate"
LOGIN = {"email": "anna@example.com", "password": "correct horse battery"}


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target


@pytest.mark.parametrize("lock", ["runtime", "dev", "bootstrap"])
def test_s01_everything_that_is_installed_is_pinned_by_hash(lock):
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    packages = re.split(r"\n(?=\S)", text.strip())
    assert packages
    for package in packages:
        assert re.search(r"==\S+", package), package
        assert "--hash=sha256:" in package, package


@pytest.mark.parametrize(
    "secret", ["' OR '1'='1", "x'; DROP TABLE api_keys;--", "%", "\x00", "\ud800", "k" * 10_000]
)
async def test_s02_no_key_that_anybody_invents_reaches_sql(control, engine, secret):
    """Keys are looked up by a keyed hash of fixed length, whatever comes in."""
    digest = control.deps.vault.key_hash(secret)
    assert len(digest) == 32
    assert await ReadModel(engine, control.deps.vault).load_key(digest) is None


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), min_size=2, max_size=6, unique=True))
def test_s03_different_people_never_share_a_digest(people):
    """Whole values with their authority, not prefixes. See also tests/control/oauth/test_sign_in.py."""
    clean = {(a.replace("\0", ""), s.replace("\0", "")) for a, s in people}
    digests = {Identity(authority=a, subject=s).digest for a, s in clean}
    assert len(digests) == len(clean)


async def test_s04_nothing_believes_the_host_header(control):
    """Links: tests/control/registration/test_reset.py and oauth/test_sign_in.py."""
    evil = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    answer = await control.nobody("GET", "/settings/public", headers=evil)
    assert b"evil.example" not in answer.body
    assert (await control.nobody("GET", "/admin/users", headers=evil)).status == 401


def test_s05_a_route_without_a_permission_cannot_be_registered():
    """Every route times every role: tests/control/contract/test_roles.py."""
    app = FastAPI()
    app.router.route_class = GuardedRoute
    with pytest.raises(TypeError, match="has no permission"):
        app.get("/config/update")(lambda: None)


async def test_s06_a_password_hash_is_no_password_and_is_never_shown(control):
    async with control.deps.uow() as uow:
        stored = (await uow.session.get(UserRow, control.anna.user_id)).password_hash
    assert stored.startswith("$argon2id$")
    assert (await control.nobody("POST", "/auth/login", LOGIN | {"password": stored})).status == 401
    for path in ("/admin/users", f"/admin/users/{control.anna.user_id}", "/auth/me"):
        assert b"argon2" not in (await control.admin("GET", path)).body


def test_s07_no_text_of_anybody_becomes_code_or_a_command():
    """No eval, no templates; processes only for our own workers and the demo's simulator."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = str(path.relative_to(SOURCE))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile"), name
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {m.partition(".")[0] for m in modules} & {"jinja2", "mako", "pickle", "marshal"}, name
            if "subprocess" in modules:
                found.add(name)
    assert found <= {"cli/workers.py", "cli/demo.py"}


async def test_s08_what_is_not_configured_lets_nobody_in_with_an_empty_secret(control):
    for headers in ({"x-api-key": ""}, {"authorization": "Bearer "}, {"cookie": f"{ACCESS}="}):
        assert (await control.nobody("GET", "/admin/users", headers=headers)).status == 401
    assert (await control.nobody("GET", "/auth/oauth/linuxdo/start")).status == 404
    empty = {"email": "anna@example.com", "token": "0" * 64, "new_password": "a new password 12"}
    assert (await control.nobody("POST", "/auth/reset-password", empty)).status == 403


@pytest.mark.parametrize("text", ["%", "_", "%%%%%%", "\\%"])
async def test_s09_wildcards_in_a_search_are_plain_letters(control, text):
    assert (await control.admin("GET", "/admin/users", query={"search": text})).data["total"] == 0
    assert (await control.admin("GET", "/admin/users", query={"search": "anna"})).data["total"] == 1


async def test_s10_no_script_of_a_page_can_read_what_opens_the_session(control):
    """First start: tests/setup/test_wizard.py."""
    browser = Browser(control.client)
    answer = await browser("POST", "/auth/login", LOGIN)
    assert "access_token" not in answer.data
    for name in (ACCESS, "headgate_refresh"):
        assert {"httponly", "samesite=strict"} <= browser.attributes[name]


def test_s11_no_answer_to_a_user_can_hold_an_account_s_secret():
    """Canaries in every field: tests/control/test_canary.py, tests/e2e/test_canary.py."""
    document = management_schema()
    secret = re.compile(r"credential|sealed|password_hash|upstream_key|refresh_token_of", re.IGNORECASE)
    user_paths = [
        operation["responses"]["200"]
        for path in document["paths"].values()
        for operation in path.values()
        if operation.get("x-permission") == "user" and "200" in operation.get("responses", {})
    ]
    assert user_paths
    for name in _schemas(document, user_paths):
        properties = document["components"]["schemas"][name].get("properties", {})
        assert not [field for field in properties if secret.search(field)], name


async def test_s12_a_failure_between_us_and_others_says_nothing_that_was_sent(control, unused_tcp_port):
    url = f"https://127.0.0.1:{unused_tcp_port}/token?code=canary-91"
    with pytest.raises(WebFailed) as failed:
        await control.deps.web.send(get(url, bearer="canary-92"))
    assert "canary" not in str(failed.value)
    assert "canary" not in repr(get(url, bearer="canary-92"))
    await control.deps.web.close()


@pytest.mark.parametrize(
    "url",
    ["https://169.254.169.254/", "https://10.0.0.1/", "https://[::1]/", "https://localhost/", "http://example.com/",
     "https://0x7f000001/", "https://[::ffff:169.254.169.254]/"],
)  # fmt: skip
async def test_s13_the_safe_values_are_the_defaults(url):
    settings = Settings()
    policy = settings.security.url_allowlist
    assert not policy.allow_private_hosts
    assert not policy.allow_insecure_http
    assert settings.server.host == "127.0.0.1"
    client = WebClient(settings)
    with pytest.raises(WebFailed):
        await client.send(get(url))
    await client.close()


async def test_s14_a_header_does_not_change_who_is_throttled(control):
    """An attacker behind no trusted proxy writes what it likes into X-Forwarded-For."""
    answers = [
        await control.nobody(
            "POST", "/auth/login", LOGIN | {"email": f"u{n}@example.com"},
            headers={"x-forwarded-for": f"203.0.113.{n}"},
        )
        for n in range(6)
    ]  # fmt: skip
    assert [answer.status for answer in answers] == [401] * 5 + [429]


async def test_s15_strangers_are_refused_before_their_body_is_looked_at(control):
    bomb = {"content-encoding": "gzip", "authorization": "Bearer nonsense"}
    answer = await control.client.call("POST", "/v1/admin/groups", content=b"\x1f\x8b" * 1000, headers=bomb)
    assert (answer.status, answer.json["code"]) == (401, "INVALID_TOKEN")


@given(st.text(max_size=30), st.integers(1, 2**40), st.integers(1, 2**40))
def test_s18_no_name_in_the_shared_state_is_the_same_for_two_keys(value, one, two):
    """Sessions of clients: tests/core/routing/test_affinity.py."""
    for name in (response_session, state_session):
        assert (name(KeyId(one), value) == name(KeyId(two), value)) == (one == two)
    vault = Vault(bytes(32))
    assert (vault.signature("a", value.encode()) == vault.signature("b", value.encode())) is False


def _schemas(document, node):
    """Names of all schemas that an answer leads to."""
    found, waiting = set(), [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            name = str(item.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(document["components"]["schemas"][name])
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found
