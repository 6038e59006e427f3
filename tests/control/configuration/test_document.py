"""What a document may hold, and how mistakes are named. Pure."""

from typing import Any

import pytest
import yaml

from headgate.cli.configuration import PlainLoader, resolved
from headgate.control.configuration.differences import Action, SecretFacts, differences, has_work
from headgate.control.configuration.document import Document, parse
from headgate.control.configuration.normal import normalised
from headgate.control.configuration.planning import brief, with_references
from headgate.control.configuration.rendering import plan_lines
from headgate.errors import BadRequest, StartupError
from tests.cli.test_configuration import DOCUMENT

NOTHING = SecretFacts(given=frozenset(), differing=frozenset())
GIVEN = SecretFacts(
    given=frozenset({"env:FIRST_KEY", "env:SECOND_KEY", "env:PROXY_PASSWORD", "env:OFFICE_SECRET"}),
    differing=frozenset(),
)


def load(text: str) -> Any:
    return yaml.load(text, Loader=PlainLoader)


def planned(text: str) -> list[str]:
    return plan_lines(differences(Document({}), normalised(parse(load(text))), GIVEN, prune=False))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version: 1", "version: 2", "version must be 1"),
        ("settings:", "stettings:", "stettings is no section"),
        ("rpm_limit: 60", "rpm: 60", "groups.sonnet.rpm is not known"),
        ("rpm_limit: 60", "rpm_limit: -1", "groups.sonnet.rpm_limit: Input should be greater"),
        ("secret: env:FIRST_KEY", "secret: sk-ant-canary", "never the secret itself"),
        ("secret: env:FIRST_KEY", "secret: stored", "there is no such thing yet"),
        ("secret: env:FIRST_KEY", "secret: env:OTHER", "needs the value of env:OTHER"),
        ("    secret: env:FIRST_KEY\n", "", "is new and needs a `secret`"),
        ("credentials: {base_url", "credentials: {api_key: canary, base_url", "secrets go under `secret`"),
        ("concurrency: 4", "concurrency: null", "accounts.first.concurrency must not be null"),
        ("quota_limit: 100", "quota_limit: -1", "accounts.first.extra.quota_limit"),
        ("groups: [sonnet]", "groups: sonnet", "accounts.first.groups must be a list of names"),
        ('model: "house-*", input: 1', 'model: "h*e", input: 1', "prices.h*e.model"),
        ("site_name: Canal", "site_name: ''", "settings.site_name"),
        (", effective_from: 2027-01-01T00:00:00Z", "", "prices: 'house-*' is there twice"),
        ("  spare: {platform", "  7: {platform", "groups: 7 must be a name"),
        ("rpm_limit: 60", "fair_sharing: {slots: 2, users: {anna: {}}}", "must be by e-mail address"),
        ("rpm_limit: 60", "fair_sharing: {slots: 2, users: {A@b.c: {}, a@b.c: {}}}", "names somebody twice"),
        ("rpm_limit: 60", "fair_sharing: {slots: 0.5}", "groups.sonnet.fair_sharing.slots"),
        ("error_codes: [529]", "error_codes: [200]", "error_rules.full.error_codes"),
        ("overload_cooldown:", "overload:", "rules.overload is no rule"),
        ("cooldown_minutes: 7", "minutes: 7", "rules.overload_cooldown.minutes is not known"),
        ("cooldown_minutes: 7", "threshold_count: 7", "rules.overload_cooldown.threshold_count is not known"),
        ("action: pass", "action: block all", "rules.beta_policy.rules.0.action"),
        ('"env:OFFICE_SECRET"', "canary", "identity_providers.office.client_secret must be a reference"),
    ],
)  # fmt: skip
def test_mistakes_are_named_by_their_place(old: str, new: str, problem: str) -> None:
    assert old in DOCUMENT
    with pytest.raises(BadRequest) as error:
        planned(DOCUMENT.replace(old, new))
    assert problem in error.value.message
    assert error.value.reason == "CONFIG_INVALID"
    assert "canary" not in error.value.message


def test_a_name_given_twice_is_no_yaml() -> None:
    with pytest.raises(yaml.YAMLError, match="'sonnet' is there twice"):
        load(DOCUMENT.replace("  spare: {", "  sonnet: {"))


@pytest.mark.parametrize("data", [None, [], "x", {"version": 1, "groups": []}, {"version": 1, "prices": {}}])
def test_other_shapes_are_refused(data: Any) -> None:
    with pytest.raises(BadRequest):
        parse(data)


def test_references_are_looked_up_here_or_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("CONFIG_TEST_KEY", " key ")
    (tmp_path / "secret").write_text("from file\n")
    found = resolved(["env:CONFIG_TEST_KEY", f"file:{tmp_path}/secret"])
    assert [secret.reveal() for secret in found.values()] == ["key", "from file"]
    for missing in ("env:CONFIG_TEST_NOT_SET", "file:/nowhere", f"file:{tmp_path}"):
        assert resolved([missing], missing_is_fine=True) == {}
        with pytest.raises(StartupError, match="is not there or empty"):
            resolved([missing])


def test_a_section_that_is_absent_is_not_managed() -> None:
    present = Document({"groups": {"pool": {"platform": "openai"}}, "prices": {"m": {"model": "m"}}})
    changes = differences(present, Document({"prices": {}}), NOTHING, prune=True)
    assert [(change.name, change.action) for change in changes] == [("m", Action.DELETE)]
    left = differences(present, Document({"prices": {}}), NOTHING, prune=False)
    assert ([change.action for change in left], has_work(left)) == ([Action.LEFT], False)


def test_shown_documents_are_brief_and_name_where_secrets_come_from() -> None:
    document = Document({"accounts": {"a": {"secret": "stored", "notes": "", "proxy": None, "priority": 0}}})
    named = with_references(document, {("accounts", "a", "secret"): "env:A"})
    assert brief(named).shown() == {"version": 1, "accounts": {"a": {"secret": "env:A", "priority": 0}}}
