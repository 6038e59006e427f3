"""The ledger in the browser: lines by book, kind and exchange, by cursor, and the proof."""

import pytest
from sqlalchemy import text

from headgate.control.ledger import entries
from headgate.storage.ledger_chain import LEDGER_KEY
from headgate.storage.models import LedgerEntryRow
from tests.control.usage.records import store


def line(number, kind="charge", debit="user:1", credit="revenue", exchange=None, **more):
    known = {"tariff": "input=1000 output=2000", "multiplier": 20_000, "price_version": "v1"}
    return LedgerEntryRow(
        exchange_id=exchange or f"e{number}", attempt=0, kind=kind, debit_book=debit, credit_book=credit,
        amount_nano=6_000_000_000, created_at_ms=1_700_000_000_000 + number, **(known | more),
    )  # fmt: skip


async def asked(control, caller=None, **query):
    words = {name: str(value) for name, value in query.items()}
    return (await (caller or control.admin)("GET", "/admin/ledger", query=words)).data


async def test_a_line_names_its_books_and_says_what_made_its_amount(control):
    anna = control.anna.user_id
    await store(control, line(1, debit=f"user:{anna}"))
    (seen,) = (await asked(control))["items"]
    assert (seen["debit"]["book"], seen["credit"]) == (f"user:{anna}", {"book": "revenue", "name": ""})
    assert seen["debit"]["name"].startswith("anna")
    assert (seen["amount"], seen["multiplier"]) == (6, 2)
    assert seen["tariff"] == {"input": 0.000001, "output": 0.000002}


async def test_every_filter_finds_its_lines_newest_first(control):
    await store(
        control,
        line(1, debit="user:1"),
        line(2, kind="cost", debit="cost", credit="account:7", exchange="e1"),
        line(3, debit="user:11"),
        line(4, kind="adjustment", debit="equity", credit="user:1", exchange="op", tariff="", note="a gift"),
        line(5, kind="correction:2", debit="revenue", credit="user:1", exchange="e1"),
    )
    found = {
        "user:1": [line["exchange_id"] for line in (await asked(control, book="user:1"))["items"]],
        "account:7": [line["kind"] for line in (await asked(control, book="account:7"))["items"]],
        "e1": [line["kind"] for line in (await asked(control, exchange_id="e1"))["items"]],
        "gifts": [line["note"] for line in (await asked(control, kind="adjustment"))["items"]],
        "corrected": [line["kind"] for line in (await asked(control, kind="correction"))["items"]],
    }
    assert found == {
        "user:1": ["e1", "op", "e1"],
        "account:7": ["cost"],
        "e1": ["correction:2", "cost", "charge"],
        "gifts": ["a gift"],
        "corrected": ["correction:2"],
    }


async def test_the_cursor_walks_over_every_line_once(control):
    await store(control, *(line(number) for number in range(1, 8)))
    seen, cursor = [], None
    for _ in range(4):
        page = await asked(control, limit=2, **({} if cursor is None else {"cursor": cursor}))
        seen += [each["exchange_id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"e{number}" for number in range(7, 0, -1)]
    assert cursor is None


async def test_a_page_looks_at_so_many_lines_only_and_says_how_far_it_came(control, monkeypatch):
    monkeypatch.setattr(entries, "WINDOW", 3)
    await store(control, line(1, debit="user:9"), *(line(number) for number in range(2, 8)))
    page = await asked(control, book="user:9")
    assert page["items"] == []
    assert page["searched_to"] == "2023-11-14T22:13:20.005000Z"
    pages = [page]
    while (cursor := pages[-1]["next_cursor"]) is not None:
        pages.append(await asked(control, book="user:9", cursor=cursor))
    assert [each["exchange_id"] for each in pages[-1]["items"]] == ["e1"]
    assert len(pages) == 3


@pytest.mark.parametrize(
    "query", [{"book": "user:0"}, {"book": "anna"}, {"kind": "gift"}, {"limit": "201"}, {"cursor": "0"}]
)
async def test_a_filter_that_is_none_is_refused(control, query):
    assert (await control.admin("GET", "/admin/ledger", query=query)).status == 400


async def test_a_sound_ledger_is_proven_and_a_changed_line_is_found(control, sessions):
    sessions.kw["info"][LEDGER_KEY] = control.deps.vault.ledger_key()
    anna = control.anna.user_id
    await control.admin("POST", f"/admin/users/{anna}/balance", {"balance": 5, "operation": "add"})
    proof = (await control.admin("GET", "/admin/ledger/verify")).data
    assert proof["is_sound"], proof["findings"]
    assert proof["entries"] >= 1
    assert all(chain["is_whole"] for chain in proof["chains"])
    async with control.deps.uow() as uow:
        await uow.session.execute(text("UPDATE ledger_entries SET amount_nano = amount_nano + 1"))
    proof = (await control.admin("GET", "/admin/ledger/verify")).data
    assert not proof["is_sound"]
    assert {"chain", "book"} <= set(proof["counts"])
    assert "hash does not match" in str(proof["findings"])


async def test_one_proof_runs_at_a_time(control):
    async with control.deps.proving:
        refused = await control.admin("GET", "/admin/ledger/verify")
    assert (refused.status, refused.json["reason"]) == (409, "LEDGER_VERIFY_RUNNING")


async def test_the_ledger_is_for_administration(control):
    for path in ("/admin/ledger", "/admin/ledger/verify"):
        assert (await control.anna("GET", path)).status == 403
