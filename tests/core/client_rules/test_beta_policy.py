"""Features by `anthropic-beta`: passed, filtered, refused (spec 2.4, 8.8)."""

import pytest

from headgate.core.client_rules.beta_policy import (
    DEFAULT_BETA_POLICY,
    BetaAction,
    BetaPolicy,
    BetaRule,
    BetaScope,
    Filtered,
    beta_policy_from,
    filter_betas,
)
from headgate.core.faults import Fault
from headgate.core.world import CredentialKind


def rule(token: str, action: str, scope: str = "all", message: str = "") -> BetaRule:
    return BetaRule(
        beta_token=token, action=BetaAction(action), scope=BetaScope(scope), error_message=message
    )


def done(header: str, *rules: BetaRule, kind: str = "apikey") -> tuple[str, ...] | str:
    found = filter_betas(header, BetaPolicy(rules=rules), CredentialKind(kind))
    return found.message if isinstance(found, Fault) else (found.header, *found.removed)


@pytest.mark.parametrize("header", ["a-1, b-2", "a-1,  ,b-2,", "", "fast-mode-2026-02-01x"])
def test_a_header_that_no_rule_concerns_keeps_its_bytes(header: str) -> None:
    assert filter_betas(header, DEFAULT_BETA_POLICY, CredentialKind.API_KEY) == Filtered(header, ())


def test_costly_features_are_filtered_unless_somebody_says_otherwise() -> None:
    header = "a-1, fast-mode-2026-02-01,context-1m-2025-08-07"
    removed = ("fast-mode-2026-02-01", "context-1m-2025-08-07")
    assert filter_betas(header, DEFAULT_BETA_POLICY, CredentialKind.API_KEY) == Filtered("a-1", removed)
    assert beta_policy_from('{"rules":[]}').rules == ()
    for unreadable in (None, "{", '{"rules":[{"beta_token":"a","action":"explode"}]}'):
        assert beta_policy_from(unreadable) == DEFAULT_BETA_POLICY


def test_a_header_of_which_nothing_remains_is_empty() -> None:
    assert done("a-1", rule("a-1", "filter")) == ("", "a-1")


def test_a_blocked_feature_is_named_or_explained() -> None:
    assert done("x,a-1", rule("a-1", "block")) == "beta feature a-1 is not allowed"
    assert done("a-1", rule("a-1", "block", message="ask us")) == "ask us"


@pytest.mark.parametrize(
    ("scope", "kind", "applies"),
    [("all", "apikey", True), ("all", "bearer", True), ("apikey", "apikey", True),
     ("apikey", "bearer", False), ("oauth", "bearer", True), ("oauth", "apikey", False),
     ("bedrock", "apikey", False)],
)  # fmt: skip
def test_rules_are_for_kinds_of_accounts(scope: str, kind: str, applies: bool) -> None:
    assert (done("a-1", rule("a-1", "filter", scope), kind=kind) == ("", "a-1")) is applies


def test_the_first_rule_that_concerns_a_feature_decides() -> None:
    rules = rule("a-1", "block", "oauth"), rule("a-1", "pass"), rule("a-1", "filter")
    assert done("a-1", *rules) == ("a-1",)
    assert done("a-1", *rules, kind="bearer") == "beta feature a-1 is not allowed"
