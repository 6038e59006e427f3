"""Limits of single models in a group, set and seen by admins."""

import pytest

from headgate.core.limits.model_rates import ModelRate
from headgate.core.limits.rate_limit import RateLimit
from headgate.storage.read_model import ReadModel

LIMITS = {"claude-opus-*": {"rpm_limit": 5, "user_tpm_limit": 9000}, "gpt-5": {"user_rpm_limit": 1}}


async def test_what_is_set_is_shown_to_admins_alone_and_reaches_the_data_plane(control, engine):
    group = await control.add_group("g", model_limits={**LIMITS, "unlimited": {"rpm_limit": 0}})
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["model_limits"] == LIMITS
    await control.admin("PUT", f"/admin/groups/{group}", {"description": "kept"})
    (seen,) = (await ReadModel(engine, control.deps.vault).load_directory()).groups
    assert seen.model_rates["claude-opus-*"] == ModelRate(
        together=RateLimit(requests=5), each=RateLimit(tokens=9000)
    )
    assert "model_limits" not in str((await control.anna("GET", "/groups/available")).json)
    await control.admin("PUT", f"/admin/groups/{group}", {"model_limits": {}})
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["model_limits"] == {}


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ({"m": {"rpm_limit": -1}}, "rpm_limit"),
        ({"m": {"tpm_limit": "many"}}, "tpm_limit"),
        ({"m": {"rpm": 1}}, "rpm"),
        ({"": {"rpm_limit": 1}}, "model_limits"),
        ({"a*b": {"rpm_limit": 1}}, "model_limits"),
        ({"(a+)+$ ": {"rpm_limit": 1}}, "model_limits"),
        ({f"m{n}": {"rpm_limit": 1} for n in range(101)}, "model_limits"),
        ([], "model_limits"),
    ],
)
async def test_limits_that_cannot_be_meant_are_refused_by_name(control, limits, where):
    answer = await control.admin("POST", "/admin/groups", {"name": "g", "model_limits": limits})
    assert answer.status == 400
    assert where in answer.json["message"]


async def test_a_configuration_document_sets_them_once(control):
    group = await control.add_group("pool")
    body = {"document": {"version": 1, "groups": {"pool": {"model_limits": {**LIMITS, "x": {}}}}}}
    assert (await control.admin("POST", "/admin/config/apply", body)).status == 200
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["model_limits"] == LIMITS
    assert (await control.admin("POST", "/admin/config/plan", body)).data["changes"] == []
