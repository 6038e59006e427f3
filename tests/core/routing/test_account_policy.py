from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import AccountId
from headgate.core.routing.account_policy import (
    READ_BYTES,
    MarkedByCode,
    Matched,
    OverloadPolicy,
    StreamTimeoutPolicy,
    judge_by_policy,
    overload_from,
    policy_from,
    stream_timeout_from,
)
from headgate.core.routing.failover import FailoverPlan

RULE = {"error_code": 503, "keywords": ["Maintenance", "down"], "duration_minutes": 30, "description": ""}


def options(**fields: Any) -> Any:
    return policy_from({"temp_unschedulable_enabled": True, "temp_unschedulable_rules": [RULE]} | fields)


def test_a_rule_matches_status_and_any_keyword_whatever_its_case() -> None:
    verdict = judge_by_policy(options(), 503, b'{"error":"Under MAINTENANCE"}')
    assert isinstance(verdict, Matched)
    assert (verdict.rule.index, verdict.rule.minutes, verdict.keyword) == (0, 30, "maintenance")
    assert judge_by_policy(options(), 503, b"other words") == "usual"
    assert judge_by_policy(options(), 500, b"maintenance") == "usual"
    assert judge_by_policy(options(), 503, b" " * READ_BYTES + b"down") == "usual"


@pytest.mark.parametrize(
    "broken",
    [
        {"error_code": 503, "keywords": [], "duration_minutes": 30},
        {"error_code": 503, "keywords": ["  "], "duration_minutes": 30},
        {"error_code": 503, "keywords": "down", "duration_minutes": 30},
        {"error_code": 0, "keywords": ["down"], "duration_minutes": 30},
        {"error_code": 503, "keywords": ["down"], "duration_minutes": 0},
        {"error_code": True, "keywords": ["down"], "duration_minutes": "30"},
        {"keywords": ["down"]},
        "no rule",
        None,
    ],
)
def test_a_stored_rule_that_cannot_be_understood_is_no_rule(broken: Any) -> None:
    assert policy_from({"temp_unschedulable_enabled": True, "temp_unschedulable_rules": [broken]}) is None
    both = policy_from({"temp_unschedulable_enabled": True, "temp_unschedulable_rules": [broken, RULE]})
    assert both is not None
    assert [rule.index for rule in both.rules] == [1], "the place in the operator's list"


def test_an_account_without_options_has_no_policy() -> None:
    assert policy_from({}) is None
    assert options(temp_unschedulable_enabled=False) is None


NAMES = [
    "pool_mode",
    "pool_mode_retry_count",
    "custom_error_codes_enabled",
    "custom_error_codes",
    "temp_unschedulable_rules",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*RULE]), inner),
)


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING))
def test_no_stored_value_hurts(stored: dict[str, Any]) -> None:
    policy = policy_from({"temp_unschedulable_enabled": True, **stored})
    if policy is not None:
        judge_by_policy(policy, 503, b"down")


@pytest.mark.parametrize(
    ("fields", "status", "verdict"),
    [
        ({"custom_error_codes": [402]}, 402, MarkedByCode(402)),
        ({"custom_error_codes": [402]}, 429, "ignore"),
        ({"custom_error_codes": []}, 500, "ignore"),
        ({"custom_error_codes": [402], "pool_mode": True}, 402, MarkedByCode(402)),
    ],
)
def test_with_custom_codes_only_the_listed_ones_concern_the_account(
    fields: dict[str, Any], status: int, verdict: object
) -> None:
    policy = options(custom_error_codes_enabled=True, **fields)
    assert judge_by_policy(policy, status, b"") == verdict


def test_a_rule_wins_over_a_listed_code() -> None:
    policy = options(custom_error_codes_enabled=True, custom_error_codes=[503])
    assert isinstance(judge_by_policy(policy, 503, b"down"), Matched)


def test_a_pool_bears_nothing_and_is_tried_again() -> None:
    policy = options(pool_mode=True, pool_mode_retry_count=99)
    assert judge_by_policy(policy, 401, b"down") == "ignore"
    assert policy.pool_retries == 10
    plan = FailoverPlan(max_switches=1, max_same_account_retries=0)
    limited = Fault(kind=FaultKind.UPSTREAM_RATE_LIMITED, message="")
    decisions = [plan.after(AccountId(1), limited, response_started=False, pool_retries=2) for _ in range(3)]
    assert decisions == ["retry", "retry", "switch"]
    assert plan.pause_s == 0


@pytest.mark.parametrize("stored", [None, "", "nonsense", "[]", '{"action": "explode"}'])
def test_settings_that_cannot_be_read_are_the_defaults(stored: str | None) -> None:
    assert stream_timeout_from(stored) == StreamTimeoutPolicy()
    assert overload_from(stored if stored != '{"action": "explode"}' else "nonsense") is None
    assert overload_from('{"enabled": false}') == OverloadPolicy(enabled=False)
