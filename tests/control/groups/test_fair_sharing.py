"""How a group shares its slots, set and seen by admins."""

import pytest

from headgate.core.ids import UserId
from headgate.core.limits.fair_share import FairSharing, UserShare
from headgate.storage.read_model import ReadModel

SHARING = {"slots": 10, "guaranteed": 1, "users": {"7": {"weight": 3, "guaranteed": 4}}}


async def test_what_is_set_is_shown_to_admins_alone_and_reaches_the_data_plane(control, engine):
    group = await control.add_group("g", fair_sharing=SHARING)
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["fair_sharing"] == SHARING
    await control.admin("PUT", f"/admin/groups/{group}", {"description": "kept"})
    (seen,) = (await ReadModel(engine, control.deps.vault).load_directory()).groups
    assert seen.sharing == FairSharing(
        slots=10, guaranteed=1, users={UserId(7): UserShare(weight=3, guaranteed=4)}
    )
    slots = control.deps.state.slots
    await slots.try_acquire(f"group:{group}", limit=10, owner="x1")
    held = (await control.admin("GET", "/admin/slots", query={"resource": f"group:{group}"})).data
    assert (held["limit"], held["in_use"], held["holders"][0]["exchange_id"]) == (10, 1, "x1")
    available = (await control.anna("GET", "/groups/available")).json
    assert "fair_sharing" not in str(available)
    await control.admin("PUT", f"/admin/groups/{group}", {"fair_sharing": {"slots": 0}})
    assert (await control.admin("GET", f"/admin/groups/{group}")).data["fair_sharing"] is None


@pytest.mark.parametrize(
    ("sharing", "where"),
    [
        ({"guaranteed": 1}, "slots"),
        ({"slots": -1}, "slots"),
        ({"slots": 2, "guaranteed": 3}, "guarantees"),
        ({"slots": 3, "users": {"1": {"guaranteed": 2}, "2": {"guaranteed": 2}}}, "guarantees"),
        ({"slots": 3, "users": {"1": {"weight": 0}}}, "weight"),
        ({"slots": 3, "users": {"anna": {}}}, "anna"),
    ],
)
async def test_sharing_that_cannot_be_kept_is_refused_by_name(control, sharing, where):
    answer = await control.admin("POST", "/admin/groups", {"name": "g", "fair_sharing": sharing})
    assert answer.status == 400
    assert where in answer.json["message"]


async def test_a_key_may_let_others_go_first(control):
    made = (await control.anna("POST", "/keys", {"name": "k", "priority": "background"})).data
    assert made["priority"] == "background"
    changed = (await control.anna("PUT", f"/keys/{made['id']}", {"priority": "normal"})).data
    assert changed["priority"] == "normal"
    assert (await control.anna("PUT", f"/keys/{made['id']}", {"priority": "first"})).status == 400
