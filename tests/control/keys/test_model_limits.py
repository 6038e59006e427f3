"""Limits of single models for a key: set by its owner, in force on the data plane."""

import pytest
from sqlalchemy import select

from headgate.core.limits.model_rates import NO_MODEL_RATES, ModelRate
from headgate.core.limits.rate_limit import RateLimit
from headgate.storage.directory_rows import key_from
from headgate.storage.models import ApiKeyRow

LIMITS = {"claude-opus-*": {"rpm_limit": 5}, "gpt-5": {"tpm_limit": 9000}}


async def in_force(control):
    async with control.deps.uow() as uow:
        (row,) = await uow.session.scalars(select(ApiKeyRow))
        return key_from(row).model_rates


async def test_what_is_set_stays_until_it_is_taken_away_and_reaches_the_data_plane(control):
    body = {"name": "k", "model_limits": {**LIMITS, "unlimited": {"rpm_limit": 0}}}
    made = (await control.anna("POST", "/keys", body)).data
    assert made["model_limits"] == LIMITS
    path = f"/keys/{made['id']}"
    assert (await control.anna("PUT", path, {"name": "other"})).data["model_limits"] == LIMITS
    rates = await in_force(control)
    assert rates["claude-opus-*"] == ModelRate(together=RateLimit(requests=5))
    assert rates["gpt-5"] == ModelRate(together=RateLimit(tokens=9000))
    assert (await control.anna("PUT", path, {"model_limits": {"a*b": {}}})).status == 400
    assert (await control.anna("PUT", path, {"model_limits": {}})).data["model_limits"] == {}
    assert await in_force(control) is NO_MODEL_RATES


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ({"m": {"rpm_limit": -1}}, "rpm_limit"),
        ({"m": {"tpm_limit": "many"}}, "tpm_limit"),
        ({"m": {"user_rpm_limit": 1}}, "user_rpm_limit"),
        ({"a*b": {"rpm_limit": 1}}, "model_limits"),
        ({f"m{n}": {"rpm_limit": 1} for n in range(101)}, "model_limits"),
        ([], "model_limits"),
    ],
)
async def test_limits_that_cannot_be_meant_are_refused_by_name(control, limits, where):
    answer = await control.anna("POST", "/keys", {"name": "k", "model_limits": limits})
    assert answer.status == 400
    assert where in answer.json["message"]
