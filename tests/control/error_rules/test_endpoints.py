"""Error passthrough rules over HTTP (spec 1.14, 8.8)."""

from typing import Any

PATH = "/admin/error-passthrough-rules"
RULE = {
    "name": "full", "enabled": True, "priority": 5, "error_codes": [529, 503], "keywords": ["Overloaded"],
    "match_mode": "all", "platforms": ["anthropic"], "passthrough_code": False, "response_code": 503,
    "passthrough_body": False, "custom_message": "come back", "skip_monitoring": True, "description": "d",
}  # fmt: skip


async def create(control: Any, **fields: Any) -> Any:
    return await control.admin("POST", PATH, {"name": "r", "error_codes": [500], **fields})


async def test_a_rule_is_made_shown_changed_and_deleted(control: Any) -> None:
    made = await control.admin("POST", PATH, RULE)
    assert made.status == 201
    one = f"{PATH}/{made.data['id']}"
    assert (await control.admin("GET", one)).data == made.data
    assert {name: made.data[name] for name in RULE} == RULE
    changed = (await control.admin("PUT", one, {"enabled": False, "priority": 1})).data
    assert {name: changed[name] for name in RULE} == RULE | {"enabled": False, "priority": 1}
    assert (await control.admin("DELETE", one)).status == 200
    gone = await control.admin("GET", one)
    assert (gone.status, gone.json["reason"]) == (404, "ERROR_PASSTHROUGH_RULE_NOT_FOUND")


async def test_defaults_and_the_order_in_which_rules_are_asked(control: Any) -> None:
    second = (await create(control, priority=2)).data
    first = (await create(control, priority=-1, keywords=[" twice ", "twice"], error_codes=[])).data
    assert [rule["id"] for rule in (await control.admin("GET", PATH)).data] == [first["id"], second["id"]]
    assert first["keywords"] == ["twice"]
    defaults = {"enabled": True, "match_mode": "any", "platforms": [], "passthrough_code": True,
                "passthrough_body": True, "skip_monitoring": False, "response_code": None}  # fmt: skip
    assert {name: second[name] for name in defaults} == defaults


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"error_codes": []}, "at least one of error_codes and keywords"),
    ({"passthrough_code": False}, "response_code is required"),
    ({"passthrough_body": False}, "custom_message is required"),
    ({"passthrough_body": False, "custom_message": "  "}, "custom_message is required"),
    ({"name": " "}, "name"),
    ({"error_codes": [200]}, "error_codes"),
    ({"error_codes": ["500"]}, "error_codes"),
    ({"keywords": [" "]}, "keywords"),
    ({"keywords": ["x" * 201]}, "keywords"),
    ({"platforms": ["moon"]}, "platforms"),
    ({"match_mode": "some"}, "match_mode"),
    ({"response_code": 200}, "response_code"),
)


async def test_bad_rules_are_refused_with_the_reason(control: Any) -> None:
    for fields, words in BAD:
        refused = await create(control, **fields)
        assert refused.status == 400, fields
        assert words in refused.json["message"]
    assert (await control.admin("GET", PATH)).data == []


async def test_a_change_cannot_make_a_good_rule_bad(control: Any) -> None:
    made = (await create(control)).data
    refused = await control.admin("PUT", f"{PATH}/{made['id']}", {"error_codes": []})
    assert refused.status == 400
    assert (await control.admin("GET", f"{PATH}/{made['id']}")).data == made
