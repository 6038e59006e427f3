"""Names that are given twice, circles of fallback groups, spellings of e-mails: refused with a stable reason,
nothing half-done (issue 5, bad input)."""

from typing import Any

import pytest

TWICE: dict[str, tuple[str, dict[str, Any], str]] = {
    "groups": ("/admin/groups", {"name": "pool"}, "GROUP_EXISTS"),
    "users": ("/admin/users", {"email": "x@example.com", "password": "long enough 9"}, "EMAIL_EXISTS"),
    "promo codes": ("/admin/promo-codes", {"code": "SPRING", "bonus_amount": 1}, "PROMO_CODE_EXISTS"),
    "attributes": (
        "/admin/user-attributes", {"key": "team", "name": "Team", "type": "text"}, "ATTRIBUTE_KEY_EXISTS",
    ),
    "keys": ("/keys", {"name": "k", "custom_key": "sk-my-own-key-0123456789"}, "API_KEY_EXISTS"),
    "prices": (
        "/admin/prices",
        {"model": "m", "input": 1, "output": 2, "effective_from": "2030-01-01T00:00:00Z"},
        "PRICE_EXISTS",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TWICE)
async def test_a_name_that_is_taken_is_refused_and_what_has_it_stays(control, what):
    path, body, reason = TWICE[what]
    first = await control.admin("POST", path, body)
    assert first.status in (200, 201), first.body
    before = (await control.admin("GET", path)).data
    for _ in range(2):
        again = await control.admin("POST", path, body)
        assert (again.status, again.json["reason"]) == (409, reason)
    assert (await control.admin("GET", path)).data == before


async def test_fallback_groups_never_form_a_circle_of_any_length(control):
    ids = [await control.add_group(f"g{number}") for number in range(5)]
    for group, following in zip(ids, ids[1:], strict=False):
        answer = await control.admin("PUT", f"/admin/groups/{group}", {"fallback_group_id": following})
        assert answer.status == 200, answer.body
    for target in ids:
        answer = await control.admin("PUT", f"/admin/groups/{ids[-1]}", {"fallback_group_id": target})
        assert (answer.status, answer.json["reason"]) == (400, "INVALID_INPUT"), target
    last = (await control.admin("GET", f"/admin/groups/{ids[-1]}")).data
    assert last["fallback_group_id"] is None


@pytest.mark.parametrize("spelling", ["Anna@Example.com", "ANNA@EXAMPLE.COM", " anna@example.com "])
async def test_other_spellings_of_an_e_mail_are_the_same_mailbox(control, spelling):
    body = {"email": spelling, "password": "long enough 9"}
    answer = await control.admin("POST", "/admin/users", body)
    assert answer.status in (400, 409), "taken, or no address at all"
    assert answer.json["reason"] in ("EMAIL_EXISTS", "VALIDATION_ERROR", "INVALID_INPUT")
    other = (await control.add_user("ben2@example.com")).user_id
    changed = await control.admin("PUT", f"/admin/users/{other}", {"email": spelling})
    assert changed.status in (400, 409)
    assert (await control.admin("GET", f"/admin/users/{other}")).data["email"] == "ben2@example.com"


@pytest.mark.parametrize(
    ("email", "twin"),
    [
        ("jos\u00e9@example.com", "jose\u0301@example.com"),
        ("anna@b\u00fccher.example", "ANNA@B\u00dcCHER.example"),
        ("\u0131nna@example.com", "\u0131NNA@example.com"),
    ],
)
async def test_unicode_e_mails_have_one_spelling_or_are_refused(control, email, twin):
    first = await control.admin("POST", "/admin/users", {"email": email, "password": "long enough 9"})
    second = await control.admin("POST", "/admin/users", {"email": twin, "password": "long enough 9"})
    if first.status == 201:
        assert (second.status, second.json.get("reason")) == (409, "EMAIL_EXISTS"), (first.body, second.body)
    else:
        assert (first.status, second.status) == (400, 400), (first.body, second.body)
        assert first.json["reason"] == second.json["reason"]
