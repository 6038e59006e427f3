from typing import Any

import pytest

from headgate.control.accounts.options import checked_options
from headgate.errors import BadRequest

RULE = {"error_code": 503, "keywords": ["down"], "duration_minutes": 30}


def test_options_are_stored_as_they_were_checked_and_other_fields_stay() -> None:
    fields = {"temp_unschedulable_rules": [RULE], "pool_mode_retry_count": 99, "base_url": "https://x"}
    assert checked_options(fields, "apikey") == {
        "temp_unschedulable_rules": [{**RULE, "description": ""}],
        "pool_mode_retry_count": 10,
        "base_url": "https://x",
    }


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"temp_unschedulable_rules": [{**RULE, "error_code": 42}]}, "temp_unschedulable_rules.0.error_code"),
        ({"temp_unschedulable_rules": [{**RULE, "keywords": []}]}, "temp_unschedulable_rules.0.keywords"),
        ({"temp_unschedulable_rules": [{**RULE, "keywords": [" "]}]}, "temp_unschedulable_rules.0.keywords"),
        ({"temp_unschedulable_rules": [{**RULE, "duration_minutes": 0}]}, "rules.0.duration_minutes"),
        ({"temp_unschedulable_rules": [RULE] * 51}, "temp_unschedulable_rules"),
        ({"custom_error_codes": ["429"]}, "custom_error_codes.0"),
        ({"pool_mode": "yes"}, "pool_mode"),
    ],
)
def test_a_bad_option_is_refused_by_name(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(BadRequest, match=where):
        checked_options(fields, "apikey")


@pytest.mark.parametrize("name", ["pool_mode", "custom_error_codes_enabled"])
def test_pools_and_custom_codes_are_for_api_keys(name: str) -> None:
    with pytest.raises(BadRequest, match=name):
        checked_options({name: True}, "bearer")
