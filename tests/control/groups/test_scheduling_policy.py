"""A group's scheduling policy: layered unless it says scored."""

import pytest

from headgate.control.commands import GroupCommands
from headgate.core.world import SchedulingPolicy
from headgate.storage.read_model import ReadModel


async def policies(control, engine):
    groups = (await ReadModel(engine, control.deps.vault).load_directory()).groups
    return [group.scheduling_policy for group in sorted(groups, key=lambda g: g.id)]


async def test_a_group_is_layered_until_it_is_set_to_scored_and_stays_so(control, engine):
    group = await control.add_group()
    assert await policies(control, engine) == [SchedulingPolicy.LAYERED]
    path = f"/admin/groups/{group}"
    assert (await control.admin("PUT", path, {"scheduling_policy": "scored"})).status == 200
    data = (await control.admin("PUT", path, {"description": "x"})).data
    assert data["scheduling_policy"] == "scored"
    assert await policies(control, engine) == [SchedulingPolicy.SCORED]


@pytest.mark.parametrize("bad", ["random", "", 1])
async def test_a_policy_that_there_is_not_is_refused(control, bad):
    group = await control.add_group()
    assert (await control.admin("PUT", f"/admin/groups/{group}", {"scheduling_policy": bad})).status == 400


async def test_the_command_line_sets_it(control, engine):
    await GroupCommands(control.deps).create(name="g", platform="openai", scheduling_policy="scored")
    assert await policies(control, engine) == [SchedulingPolicy.SCORED]
