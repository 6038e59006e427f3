"""Usage as CSV, and what its filters are found by (spec 7.12, 8.7)."""

import csv
import io
from typing import Any

from tests.control.usage.records import record, store


def table(answer: Any) -> list[dict[str, str]]:
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


async def fill(control: Any) -> None:
    now = control.clock.now_ms()
    anna = control.anna.user_id
    await store(
        control,
        record(exchange_id="a1", user_id=anna, created_at_ms=now, client_model="=cmd()", charge_nano=1),
        record(exchange_id="a2", user_id=anna, created_at_ms=now - 1, is_stream=False),
        record(exchange_id="a3", user_id=anna, created_at_ms=now - 2, outcome="failed", charge_nano=0),
        record(exchange_id="b1", user_id=control.ben.user_id, created_at_ms=now - 3),
    )


async def test_users_get_their_own_records_with_exact_amounts(control: Any) -> None:
    await fill(control)
    answer = await control.anna("GET", "/usage/export")
    first, second = table(answer)
    assert answer.headers["x-total-count"] == "2"
    assert (first["request_id"], first["model"], first["actual_cost"]) == ("a1", "'=cmd()", "0.000000001")
    assert (second["total_cost"], second["rate_multiplier"]) == ("0.00000307", "2")
    assert (second["request_type"], second["cache_creation_tokens"]) == ("sync", "3")
    assert not {"account", "account_cost", "ip_address", "user_email"} & set(first)
    (only,) = table(await control.anna("GET", "/usage/export", query={"stream": "false"}))
    assert only["request_id"] == "a2"


async def test_admins_get_everybody_s_with_accounts_and_failures(control: Any) -> None:
    await fill(control)
    rows = table(await control.admin("GET", "/admin/usage/export"))
    assert [row["request_id"] for row in rows] == ["a1", "a2", "a3", "b1"]
    assert (rows[2]["outcome"], rows[3]["account_cost"]) == ("failed", "0.00000307")
    assert {row["user_email"] for row in rows} == {"anna@example.com", "ben@example.com"}
    query = {"user_id": control.ben.user_id}
    (only,) = table(await control.admin("GET", "/admin/usage/export", query=query))
    assert only["request_id"] == "b1"
    assert (await control.anna("GET", "/admin/usage/export")).status == 403
    assert (await control.admin("GET", "/admin/usage/export", query={"start_date": "x"})).status == 400
    operator = await control.add_user("op@example.com", role="operator")
    shown = table(await operator("GET", "/admin/usage/export"))
    assert len(shown) == 4
    assert set(rows[0]) - set(shown[0]) == {"total_cost", "rate_multiplier", "actual_cost", "account_cost"}
    assert shown[0]["user_email"] == rows[0]["user_email"]


async def test_users_and_keys_are_found_by_a_few_letters(control: Any) -> None:
    made = (await control.anna("POST", "/keys", {"name": "Laptop 100%"})).data
    users = (await control.admin("GET", "/admin/usage/search-users", query={"q": "ANNA@"})).data
    assert users == [{"id": control.anna.user_id, "email": "anna@example.com"}]
    assert (await control.admin("GET", "/admin/usage/search-users")).data == []
    path = "/admin/usage/search-api-keys"
    found = {"id": made["id"], "name": "Laptop 100%", "user_id": control.anna.user_id}
    assert (await control.admin("GET", path, query={"q": "0%"})).data == [found]
    assert (await control.admin("GET", path, query={"q": "%"})).data == [found]
    assert (await control.admin("GET", path, query={"user_id": control.anna.user_id})).data == [found]
    assert (await control.admin("GET", path, query={"user_id": control.ben.user_id})).data == []
    assert (await control.admin("GET", path)).data == []
