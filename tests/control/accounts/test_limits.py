"""Limits of an account, checked where they come in."""

from typing import Any

import pytest

from headgate.control.accounts.limits import checked_limits
from headgate.errors import BadRequest


def test_limits_are_stored_as_they_were_checked_and_other_fields_stay() -> None:
    extra = {
        "base_rpm": 20_000,
        "model_limits": {"claude-*": {"rpm_limit": 5}},
        "note": "mine",
        "max_sessions": None,
    }
    assert checked_limits(extra) == {
        "base_rpm": 10_000,
        "model_limits": {"claude-*": {"rpm_limit": 5, "tpm_limit": 0}},
        "note": "mine",
        "max_sessions": None,
    }


@pytest.mark.parametrize(
    ("extra", "where"),
    [
        ({"max_sessions": -1}, "extra.max_sessions"),
        ({"max_sessions": "3"}, "extra.max_sessions"),
        ({"base_rpm": 1.5}, "extra.base_rpm"),
        ({"rpm_strategy": "often"}, "extra.rpm_strategy"),
        ({"window_cost_limit": "much"}, "extra.window_cost_limit"),
        ({"window_cost_limit": -1}, "extra.window_cost_limit"),
        ({"session_idle_timeout_minutes": 0}, "extra.session_idle_timeout_minutes"),
        ({"model_limits": {"a*b": {"rpm_limit": 1}}}, "extra.model_limits"),
        ({"model_limits": {"m": {"rpm_limit": -1}}}, "extra.model_limits.m.rpm_limit"),
        ({"tpm_limit": 10**10}, "extra.tpm_limit"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused_by_name(extra: dict[str, Any], where: str) -> None:
    with pytest.raises(BadRequest, match=where):
        checked_limits(extra)
