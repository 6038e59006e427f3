"""`headgate config` as an operator uses it (issue 5, item 7). On PostgreSQL the same code runs in
tests/control/configuration."""

from pathlib import Path

import pytest
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.storage.directory_rows import ACCOUNT_CONTEXT
from headgate.storage.engine import DatabaseTarget
from tests.cli.conftest import Done, Run
from tests.storage.books import VAULT, value

DOCUMENT = """
version: 1
proxies:
  egress: {protocol: http, host: proxy.example.com, port: 3128, username: u, password: "env:PROXY_PASSWORD"}
groups:
  sonnet:
    platform: anthropic
    rate_multiplier: 1.5
    rpm_limit: 60
    fallback_group: spare
    model_routing: {"claude-opus*": [second]}
    model_routing_enabled: true
  spare: {platform: anthropic}
accounts:
  first:
    platform: anthropic
    type: apikey
    secret: env:FIRST_KEY
    credentials: {base_url: "https://1.1.1.1/", model_mapping: {"claude-*": claude-sonnet-4-5}}
    proxy: egress
    groups: [sonnet]
    concurrency: 4
    extra: {quota_limit: 100}
  second: {platform: anthropic, type: apikey, secret: "env:SECOND_KEY", groups: [sonnet, spare], priority: 7}
prices:
  - {model: "house-*", input: 1, output: 2.5}
  - {model: "house-*", input: 2, output: 5, effective_from: 2027-01-01T00:00:00Z}
error_rules:
  full: {error_codes: [529], passthrough_code: false, response_code: 503, priority: 5}
  words: {keywords: [quota], passthrough_body: false, custom_message: come back}
rules:
  overload_cooldown: {enabled: true, cooldown_minutes: 7}
  beta_policy: {rules: [{beta_token: context-1m-2025-08-07, action: pass}]}
identity_providers:
  office: {name: Office, client_id: me, issuer: "https://id.example.com", client_secret: "env:OFFICE_SECRET"}
settings: {site_name: Canal, promo_code_enabled: false}
"""
VIAS = ("apply", "rollback", "found")
SECRETS = {"PROXY_PASSWORD": "canary-proxy", "FIRST_KEY": "canary-first", "SECOND_KEY": "canary-second",
           "OFFICE_SECRET": "canary-office"}  # fmt: skip


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: AsyncEngine) -> Path:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    (tmp_path / "gateway.yaml").write_text(DOCUMENT)
    return tmp_path / "gateway.yaml"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def without_canaries(*done: Done) -> None:
    assert not any("canary" in each.out + each.problems for each in done)


async def test_a_file_becomes_the_configuration_and_comes_back_the_same(
    headgate: Run, file: Path, engine: AsyncEngine
) -> None:
    planned = await headgate("config", "plan", str(file))
    assert "+ group sonnet\n    platform: anthropic\n    rate_multiplier: 1.5" in planned.out
    assert "    secret: env:FIRST_KEY" in planned.out
    assert planned.out.rstrip().endswith("Plan: 10 to add, 3 to change, 0 to delete.")
    assert await value(engine, "SELECT COUNT(*) FROM groups") == 0
    applied = await headgate("config", "apply", str(file), "--yes", "--note", "first")
    assert (applied.code, applied.problems) == (0, "")
    again = await headgate("config", "apply", str(file), "--yes")
    assert again.out == "Nothing to do: everything is as the document says.\n"
    exported = await headgate("config", "export")
    document = yaml.safe_load(exported.out)
    assert document["accounts"]["first"]["secret"] == "env:FIRST_KEY"
    assert document["accounts"]["first"]["credentials"]["base_url"] == "https://1.1.1.1"
    assert document["groups"]["sonnet"]["model_routing"] == {"claude-opus*": ["second"]}
    assert document["prices"][1]["effective_from"] == "2027-01-01T00:00:00Z"
    assert "fallback_group" not in document["groups"]["spare"]
    assert document["error_rules"]["full"]["response_code"] == 503
    assert document["rules"]["overload_cooldown"] == {"enabled": True, "cooldown_minutes": 7}
    assert document["rules"]["beta_policy"]["rules"][0]["scope"] == "all"
    assert document["identity_providers"]["office"]["client_secret"] == "env:OFFICE_SECRET"
    file.write_text(exported.out)
    assert (await headgate("config", "apply", str(file), "--prune", "--yes")).out == again.out
    without_canaries(planned, applied, again, exported)
    sealed = await value(engine, "SELECT credentials_sealed FROM accounts WHERE name = 'first'")
    assert b"canary-first" in VAULT.unseal(bytes(sealed), context=ACCOUNT_CONTEXT)
    assert await value(engine, "SELECT COUNT(*) FROM config_revisions WHERE document LIKE '%canary%'") == 0
    assert await value(engine, "SELECT COUNT(*) FROM audit_log") == 1


async def test_a_plan_shows_what_changes_and_rotated_secrets_without_them(
    headgate: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await headgate("config", "apply", str(file), "--yes")
    edit(file, "rate_multiplier: 1.5", "rate_multiplier: 2")
    edit(file, "groups: [sonnet, spare]", "groups: [spare]")
    monkeypatch.setenv("FIRST_KEY", "canary-rotated")
    planned = await headgate("config", "plan", str(file))
    assert planned.out == (
        "~ group sonnet\n    rate_multiplier: 1.5 -> 2.0\n"
        "~ account first\n    secret: another secret -> env:FIRST_KEY\n"
        '~ account second\n    groups: ["sonnet","spare"] -> ["spare"]\n'
        "Plan: 0 to add, 3 to change, 0 to delete.\n"
    )
    assert (await headgate("config", "apply", str(file), "--yes")).code == 0
    assert (await headgate("config", "plan", str(file))).out.startswith("Nothing to do")


async def test_what_is_not_in_the_file_stays_until_it_is_pruned(headgate: Run, file: Path) -> None:
    await headgate("config", "apply", str(file), "--yes")
    line = next(each for each in file.read_text().splitlines() if each.startswith("  second:"))
    edit(file, line + "\n", "")
    edit(file, 'model_routing: {"claude-opus*": [second]}', "model_routing: {}")
    planned = await headgate("config", "plan", str(file))
    assert ". account second\n" in planned.out
    assert "1 not in the document stay (delete them with --prune)" in planned.out
    pruned = await headgate("config", "apply", str(file), "--prune", "--yes")
    assert "- account second\n" in pruned.out
    assert "second" not in yaml.safe_load((await headgate("config", "export")).out)["accounts"]


async def test_drift_is_seen_and_a_revision_can_be_gone_back_to(headgate: Run, file: Path) -> None:
    assert "CONFIG_NO_REVISION" in (await headgate("config", "drift")).problems
    await headgate("config", "apply", str(file), "--yes")
    assert (await headgate("config", "drift")).code == 0
    await headgate("group", "disable", "spare")
    drifted = await headgate("config", "drift")
    assert (drifted.code, drifted.out.splitlines()[:2]) == (
        2, ["~ group spare", "    status: inactive -> active"],
    )  # fmt: skip
    edit(file, "concurrency: 4", "concurrency: 9")
    edit(
        file,
        "  spare: {platform: anthropic}\n",
        "  spare: {platform: anthropic}\n  new: {platform: openai}\n",
    )
    await headgate("config", "apply", str(file), "--yes")
    back = await headgate("config", "rollback", "2", "--yes")
    assert "concurrency: 9 -> 4" in back.out
    assert "- group new" in back.out
    assert (await headgate("config", "drift", str(file))).code == 2
    history = (await headgate("config", "history")).out.splitlines()
    kinds = [next(word for word in line.split() if word in VIAS) for line in history[1:]]
    assert kinds == ["rollback", "apply", "found", "apply", "found"]


async def test_a_deleted_account_comes_back_with_its_secret(
    headgate: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await headgate("config", "apply", str(file), "--yes")
    await headgate("config", "rollback", "1", "--yes")
    monkeypatch.delenv("SECOND_KEY")
    refused = await headgate("config", "rollback", "2", "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert "accounts.second.secret needs the value of env:SECOND_KEY" in refused.problems
    monkeypatch.setenv("SECOND_KEY", "canary-second")
    assert (await headgate("config", "rollback", "2", "--yes")).code == 0
    assert (await headgate("config", "plan", str(file))).out.startswith("Nothing to do")


async def test_rules_and_providers_change_drift_and_come_back(headgate: Run, file: Path) -> None:
    await headgate("config", "apply", str(file), "--yes")
    edit(file, "cooldown_minutes: 7", "cooldown_minutes: 9")
    edit(file, ", response_code: 503", ", response_code: 502")
    edit(file, "name: Office", "name: Bureau")
    line = next(each for each in file.read_text().splitlines() if each.startswith("  words:"))
    edit(file, line + "\n", "")
    planned = await headgate("config", "plan", str(file), "--prune")
    assert planned.out == (
        "~ error rule full\n    response_code: 503 -> 502\n"
        "- error rule words\n"
        "~ rule overload_cooldown\n    cooldown_minutes: 7 -> 9\n"
        "~ identity provider office\n    name: Office -> Bureau\n"
        "Plan: 0 to add, 3 to change, 1 to delete.\n"
    )
    assert (await headgate("config", "apply", str(file), "--prune", "--yes")).code == 0
    assert (await headgate("config", "drift")).code == 0
    back = await headgate("config", "rollback", "2", "--yes")
    assert "+ error rule words\n" in back.out
    assert "name: Bureau -> Office" in back.out
    again = await headgate("config", "drift", str(file))
    assert (again.code, again.out.splitlines()[-1]) == (2, "Plan: 0 to add, 3 to change, 1 to delete.")


async def test_a_provider_that_moves_needs_its_secret_and_takes_it_from_the_reference(
    headgate: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await headgate("config", "apply", str(file), "--yes")
    edit(file, "https://id.example.com", "https://id.example.net")
    edit(file, '"env:OFFICE_SECRET"', "stored")
    refused = await headgate("config", "apply", str(file), "--yes")
    assert (refused.code, "SECRET_REQUIRED" in refused.problems) == (1, True)
    edit(file, "client_secret: stored", "client_secret: env:OFFICE_SECRET")
    assert (await headgate("config", "apply", str(file), "--yes")).code == 0
    assert (await headgate("config", "plan", str(file))).out.startswith("Nothing to do")


async def test_shares_name_people_by_their_addresses(headgate: Run, file: Path, engine: AsyncEngine) -> None:
    sharing = "fair_sharing: {slots: 8, users: {Anna@Example.com: {weight: 3}}}"
    edit(file, "  spare: {platform: anthropic}", "  spare: {platform: anthropic, " + sharing + "}")
    refused = await headgate("config", "apply", str(file), "--yes")
    assert (refused.code, "is nobody's address here" in refused.problems) == (1, True)
    assert await value(engine, "SELECT COUNT(*) FROM groups") == 0
    password = file.with_name("password")
    password.write_text("correct horse battery")
    made = await headgate("user", "create", "anna@example.com", "--secret-file", str(password))
    assert (made.code, made.problems) == (0, "")
    applied = await headgate("config", "apply", str(file), "--yes")
    assert (applied.code, applied.problems) == (0, "")
    assert (await headgate("config", "plan", str(file))).out.startswith("Nothing to do")
    exported = yaml.safe_load((await headgate("config", "export")).out)
    users = exported["groups"]["spare"]["fair_sharing"]["users"]
    assert users == {"anna@example.com": {"weight": 3, "guaranteed": None}}
    number = await value(engine, "SELECT id FROM users WHERE email = 'anna@example.com'")
    stored = await value(engine, "SELECT fair_sharing FROM groups WHERE name = 'spare'")
    assert f'"{number}"' in str(stored)


async def test_what_fails_half_way_changes_nothing(headgate: Run, file: Path, engine: AsyncEngine) -> None:
    edit(file, "fallback_group: spare", "fallback_group: nowhere")
    for later in ("error_rules", "settings"):
        assert f"\n{later}:" in file.read_text()
    done = await headgate("config", "apply", str(file), "--yes")
    assert (done.code, done.problems) == (
        1,
        "headgate: groups: 'nowhere' does not exist, neither here nor in the document (CONFIG_INVALID)\n",
    )
    for table in ("groups", "accounts", "proxies", "price_overrides", "config_revisions", "settings",
                  "error_passthrough_rules"):  # fmt: skip
        assert await value(engine, f"SELECT COUNT(*) FROM {table}") == 0


async def test_nothing_is_applied_unasked(headgate: Run, file: Path, engine: AsyncEngine) -> None:
    done = await headgate("config", "apply", str(file))
    assert (done.code, "apply with --yes" in done.problems) == (1, True)
    assert await value(engine, "SELECT COUNT(*) FROM config_revisions") == 0
