"""User attributes over HTTP (spec 1.12, 8.2)."""

from typing import Any

PATH = "/admin/user-attributes"
FULL = {
    "key": "team", "name": "Team", "description": "who pays", "type": "select",
    "options": [{"value": "r", "label": "Research"}, {"value": "s", "label": "Sales"}],
    "required": True, "validation": {"max_length": 5}, "placeholder": "choose", "enabled": False,
}  # fmt: skip


async def define(control: Any, key: str = "note", **fields: Any) -> Any:
    return await control.admin("POST", PATH, {"key": key, "name": key, "type": "text", **fields})


async def defined(control: Any, key: str = "note", **fields: Any) -> int:
    answer = await define(control, key, **fields)
    assert answer.status == 201, answer.json
    return int(answer.data["id"])


async def put(control: Any, user_id: int, values: dict[int, Any]) -> Any:
    body = {"values": {str(attribute): value for attribute, value in values.items()}}
    return await control.admin("PUT", f"/admin/users/{user_id}/attributes", body)


async def values(control: Any, user_id: int) -> Any:
    return (await control.admin("GET", f"/admin/users/{user_id}/attributes")).data["values"]


async def emails(control: Any, wanted: dict[int, str]) -> list[str]:
    query = {f"attr[{attribute}]": text for attribute, text in wanted.items()}
    answer = await control.admin("GET", "/admin/users", query=query)
    assert answer.status == 200, answer.json
    return sorted(user["email"] for user in answer.data["items"])


async def test_a_definition_is_made_shown_changed_and_deleted(control: Any) -> None:
    made = (await control.admin("POST", PATH, FULL)).data
    bounds = {"min_length": None, "max_length": 5, "min": None, "max": None, "pattern": None, "message": None}
    assert {name: made[name] for name in FULL} == FULL | {"validation": bounds}
    one = f"{PATH}/{made['id']}"
    assert (await control.admin("GET", one)).data == made
    changed = (await control.admin("PUT", one, {"name": "Squad", "enabled": True})).data
    assert changed == made | {"name": "Squad", "enabled": True, "updated_at": changed["updated_at"]}
    assert (await control.admin("DELETE", one)).status == 200
    gone = await control.admin("GET", one)
    assert (gone.status, gone.json["reason"]) == (404, "ATTRIBUTE_DEFINITION_NOT_FOUND")


async def test_definitions_have_an_order_and_can_be_out_of_use(control: Any) -> None:
    ids = [await defined(control, key) for key in ("a", "b", "c")]
    await control.admin("PUT", f"{PATH}/{ids[0]}", {"enabled": False})
    answer = await control.admin("PUT", f"{PATH}/reorder", {"ids": [ids[2], ids[0]]})
    assert [row["id"] for row in answer.data] == [ids[2], ids[0], ids[1]]
    listed = (await control.admin("GET", PATH)).data
    assert [row["display_order"] for row in listed] == [0, 1, 2]
    assert [row["key"] for row in (await control.admin("GET", PATH, query={"enabled": "true"})).data] == [
        "c",
        "b",
    ]
    for wrong, status in (([ids[0], ids[0]], 400), ([999], 404)):
        assert (await control.admin("PUT", f"{PATH}/reorder", {"ids": wrong})).status == status
    assert (await control.admin("GET", PATH)).data == listed
    assert await defined(control, "d") == (await control.admin("GET", PATH)).data[-1]["id"]


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"type": "colour"}, "INVALID_ATTRIBUTE_TYPE"),
    ({"validation": {"pattern": "("}}, "INVALID_ATTRIBUTE_PATTERN"),
    ({"validation": {"pattern": "(?=a)"}}, "INVALID_ATTRIBUTE_PATTERN"),
    ({"validation": {"min_length": 3, "max_length": 2}}, "INVALID_INPUT"),
    ({"validation": {"min": 3, "max": 2}}, "INVALID_INPUT"),
    ({"type": "select"}, "INVALID_INPUT"),
    ({"type": "select", "options": [{"value": "a", "label": "A"}] * 2}, "INVALID_INPUT"),
)


async def test_bad_definitions_are_refused_when_made_and_when_changed(control: Any) -> None:
    good = await defined(control, "good")
    before = (await control.admin("GET", f"{PATH}/{good}")).data
    for fields, reason in BAD:
        for answer in (await define(control, **fields), await control.admin("PUT", f"{PATH}/{good}", fields)):
            assert (answer.status, answer.json["reason"]) == (400, reason), fields
    assert (await control.admin("GET", PATH)).data == [before]


async def test_a_key_is_taken_once(control: Any) -> None:
    first, second = await defined(control, "a"), await defined(control, "b")
    again = await define(control, "a")
    assert (again.status, again.json["reason"]) == (409, "ATTRIBUTE_KEY_EXISTS")
    assert (await control.admin("PUT", f"{PATH}/{second}", {"key": "a"})).status == 409
    assert (await control.admin("PUT", f"{PATH}/{first}", {"key": "a"})).status == 200


async def test_values_are_set_kept_and_taken_away(control: Any) -> None:
    note, age = await defined(control), await defined(control, "age", type="number")
    anna = control.anna.user_id
    answer = await put(control, anna, {note: "  likes tea ", age: "41"})
    assert answer.data == {"values": {str(note): "likes tea", str(age): "41"}}
    assert (await put(control, anna, {note: ""})).data == {"values": {str(age): "41"}}
    assert await values(control, anna) == {str(age): "41"}
    assert await values(control, control.ben.user_id) == {}


async def test_one_bad_value_and_none_is_stored(control: Any) -> None:
    note, age = await defined(control, required=True), await defined(control, "age", type="number")
    anna = control.anna.user_id
    for wrong in ({note: "x", age: "old"}, {age: "1", note: " "}):
        refused = await put(control, anna, wrong)
        assert (refused.status, refused.json["reason"]) == (400, "ATTRIBUTE_VALIDATION_FAILED")
        assert "old" not in refused.json["message"]
    missing = await put(control, anna, {note: "x", 999: "y"})
    assert (missing.status, missing.json["reason"]) == (404, "ATTRIBUTE_DEFINITION_NOT_FOUND")
    assert (await put(control, 999, {note: "x"})).json["reason"] == "USER_NOT_FOUND"
    assert (await put(control, anna, {note: 5})).status == 400
    assert await values(control, anna) == {}


async def test_many_users_at_once(control: Any) -> None:
    note = await defined(control)
    anna, ben = control.anna.user_id, control.ben.user_id
    await put(control, anna, {note: "a"})
    body = {"user_ids": [anna, ben, 999]}
    answer = await control.admin("POST", f"{PATH}/batch", body)
    assert answer.data == {"attributes": {str(anna): {str(note): "a"}}}


async def test_users_are_found_by_what_is_known_of_them(control: Any) -> None:
    note, age = await defined(control), await defined(control, "age", type="number")
    await put(control, control.anna.user_id, {note: "100% Tea_time", age: "41"})
    await put(control, control.ben.user_id, {note: "coffee", age: "4"})
    anna, ben = ["anna@example.com"], ["ben@example.com"]
    assert await emails(control, {note: "% tea_"}) == anna
    assert await emails(control, {note: "%"}) == anna
    assert await emails(control, {age: "4"}) == ben
    assert await emails(control, {note: "e", age: "41"}) == anna
    assert await emails(control, {note: "tea", age: "4"}) == []
    assert len(await emails(control, {note: ""})) == 3
    for wrong in ({"attr[x]": "1"}, {"attr[0]": "1"}, {f"attr[{note}]": "\x00"}):
        assert (await control.admin("GET", "/admin/users", query=wrong)).status == 400


async def test_values_go_with_their_definition_and_with_their_user(control: Any) -> None:
    note, other = await defined(control), await defined(control, "other")
    anna = control.anna.user_id
    await put(control, anna, {note: "a", other: "b"})
    await control.admin("DELETE", f"{PATH}/{note}")
    assert await values(control, anna) == {str(other): "b"}
    await control.admin("DELETE", f"/admin/users/{anna}")
    batch = await control.admin("POST", f"{PATH}/batch", {"user_ids": [anna]})
    assert batch.data == {"attributes": {}}


async def test_auditors_read_and_change_nothing(control: Any) -> None:
    note = await defined(control)
    auditor = await control.add_user("eye@example.com", role="auditor")
    assert (await auditor("GET", PATH)).status == 200
    body = {"values": {str(note): "x"}}
    assert (await auditor("PUT", f"/admin/users/{control.anna.user_id}/attributes", body)).status == 403
    assert (await control.anna("GET", PATH)).status == 403
