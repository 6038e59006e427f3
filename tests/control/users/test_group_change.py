"""Users move between exclusive groups, keys and all (spec 8.2)."""

from typing import Any


async def replace(control: Any, old: int, new: int, user_id: int | None = None) -> Any:
    path = f"/admin/users/{user_id or control.anna.user_id}/replace-group"
    return await control.admin("POST", path, {"old_group_id": old, "new_group_id": new})


async def exclusive(control: Any, name: str, **fields: Any) -> int:
    return int(await control.add_group(name, is_exclusive=True, **fields))


async def test_permission_and_keys_go_together(control: Any) -> None:
    old, new, open_to_all = (
        await exclusive(control, "old"),
        await exclusive(control, "new"),
        await control.add_group("open"),
    )
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"allowed_groups": [old]})
    await control.admin("PUT", f"/admin/users/{control.ben.user_id}", {"allowed_groups": [old]})
    for caller, group in (
        (control.anna, old),
        (control.anna, old),
        (control.anna, open_to_all),
        (control.ben, old),
    ):
        assert (await caller("POST", "/keys", {"name": "k", "group_id": group})).status == 201
    assert (await replace(control, old, new)).data == {"migrated_keys": 2}
    keys = (await control.anna("GET", "/keys")).data["items"]
    assert sorted(key["group_id"] for key in keys) == sorted([new, new, open_to_all])
    user = (await control.admin("GET", f"/admin/users/{control.anna.user_id}")).data
    assert user["allowed_groups"] == [new]
    (others,) = (await control.ben("GET", "/keys")).data["items"]
    assert others["group_id"] == old
    again = await replace(control, old, new)
    assert (again.status, again.json["reason"]) == (400, "GROUP_NOT_ALLOWED")


async def test_what_cannot_be_replaced_is_refused_and_nothing_changes(control: Any) -> None:
    old, asleep = await exclusive(control, "old"), await exclusive(control, "asleep")
    sold, shared = (
        await exclusive(control, "sold", subscription_type="subscription"),
        await control.add_group("s"),
    )
    await control.admin("PUT", f"/admin/groups/{asleep}", {"status": "inactive"})
    await control.admin("PUT", f"/admin/users/{control.anna.user_id}", {"allowed_groups": [old]})
    wanted = (
        (old, old, "SAME_GROUP"),
        (old, asleep, "GROUP_NOT_ACTIVE"),
        (old, shared, "GROUP_NOT_EXCLUSIVE"),
        (old, sold, "GROUP_IS_SUBSCRIPTION"),
        (old, 999, "GROUP_NOT_FOUND"),
    )
    for before, after, reason in wanted:
        assert (await replace(control, before, after)).json["reason"] == reason
    assert (await replace(control, old, asleep, user_id=999)).json["reason"] == "USER_NOT_FOUND"
    user = (await control.admin("GET", f"/admin/users/{control.anna.user_id}")).data
    assert user["allowed_groups"] == [old]
