"""The list of records that somebody should look at, and taking them off (DESIGN 4)."""

import json
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from headgate.core.pricing.cost import price_usage
from headgate.core.usage import TokenUsage
from headgate.storage.models import LedgerEntryRow, UserRow
from headgate.storage.price_books import PriceBooks
from tests.control.usage.records import record, store


async def listed(control, **query):
    data = (await control.admin("GET", "/admin/usage/review", query=query)).data
    return [item["request_id"] for item in data["items"]], data["total"]


async def test_only_records_with_a_reason_are_listed_newest_first(control):
    said = json.dumps({"input": 10**9})
    await store(
        control,
        record(exchange_id="plain", created_at_ms=1),
        record(exchange_id="estimated", created_at_ms=2, review="estimated"),
        record(exchange_id="default", created_at_ms=3, review="default_price"),
        record(exchange_id="odd", created_at_ms=4, review="implausible", quarantined=said),
        record(exchange_id="seen", created_at_ms=5, review="estimated", reviewed_at_ms=9),
    )
    assert await listed(control) == (["odd", "default", "estimated"], 3)
    assert await listed(control, reason="implausible") == (["odd"], 1)
    assert await listed(control, page_size=1, page=2) == (["default"], 3)
    (first, *_) = (await control.admin("GET", "/admin/usage/review")).data["items"]
    assert (first["review"], first["quarantined"], first["reviewed_at"]) == (
        "implausible",
        {"input": 10**9},
        None,
    )


async def test_an_unknown_reason_is_refused(control):
    assert (await control.admin("GET", "/admin/usage/review", query={"reason": "odd"})).status == 400


async def test_a_reviewed_record_leaves_the_list_and_keeps_its_amounts(control):
    (id_,) = await store(control, record(review="estimated"))
    answer = await control.admin("POST", f"/admin/usage/{id_}/review", {})
    assert answer.data["reviewed_at"] is not None
    assert (answer.data["review"], answer.data["actual_cost"]) == ("estimated", 6.14e-06)
    assert await listed(control) == ([], 0)


async def test_a_record_is_reviewed_once_and_only_for_a_reason(control):
    plain, odd = await store(
        control, record(exchange_id="a"), record(exchange_id="b", review="default_price")
    )
    nothing = await control.admin("POST", f"/admin/usage/{plain}/review", {})
    assert (nothing.status, nothing.json["reason"]) == (400, "NOTHING_TO_REVIEW")
    await control.admin("POST", f"/admin/usage/{odd}/review", {})
    again = await control.admin("POST", f"/admin/usage/{odd}/review", {})
    assert (again.status, again.json["reason"]) == (409, "ALREADY_REVIEWED")
    missing = await control.admin("POST", "/admin/usage/4711/review", {})
    assert missing.json["reason"] == "USAGE_LOG_NOT_FOUND"


async def test_users_may_neither_list_nor_review(control):
    (id_,) = await store(control, record(user_id=control.anna.user_id, review="estimated"))
    assert (await control.anna("GET", "/admin/usage/review")).status == 403
    assert (await control.anna("POST", f"/admin/usage/{id_}/review")).status == 403
    (item,) = (await control.anna("GET", "/usage")).data["items"]
    assert not {"reviewed_at", "quarantined"} & set(item)


@dataclass(frozen=True)
class Charged:
    """A record as the journal would have left it: priced, with its ledger lines and the balance lowered."""

    id: int
    user_id: int


async def charged(control, *, usage: TokenUsage, multiplier: int = 15_000, **fields) -> Charged:
    book = control.deps.prices()
    await PriceBooks(engine_of(control), control.clock).keep(book)
    quote = book.quote("claude-sonnet-4-5", at_ms=control.clock.now_ms())
    lines = price_usage(quote.price, usage, charge_multiplier=multiplier, cost_multiplier=20_000)
    user = await control.add_user("paying@example.com", balance_nano=10**9)
    row = record(
        exchange_id="e9", user_id=user.user_id, created_at_ms=control.clock.now_ms(), review="estimated",
        input_tokens=usage.input, output_tokens=usage.output, list_cost_nano=lines.list_cost,
        charge_nano=lines.charge, account_cost_nano=lines.account_cost, charge_multiplier=multiplier,
        cost_multiplier=20_000, price_version=book.version, **fields,
    )  # fmt: skip
    (id_,) = await store(control, row)
    async with control.deps.uow() as uow:
        for kind, debit, credit, amount, factor in (
            ("charge", f"user:{user.user_id}", "revenue", lines.charge, multiplier),
            ("cost", "cost", "account:1", lines.account_cost, 20_000),
        ):
            entry = LedgerEntryRow(
                exchange_id="e9", attempt=0, kind=kind, debit_book=debit, credit_book=credit,
                amount_nano=amount, price_version=book.version, multiplier=factor,
                created_at_ms=control.clock.now_ms(),
            )  # fmt: skip
            uow.session.add(entry)
    return Charged(id_, user.user_id)


def engine_of(control):
    return control.deps.uow().session.bind


async def balance(control, user_id) -> int:
    async with control.deps.uow() as uow:
        row = await uow.session.get(UserRow, user_id)
        assert row is not None
        return int(row.balance_nano)


async def corrections(control):
    async with control.deps.uow() as uow:
        query = select(LedgerEntryRow).where(LedgerEntryRow.kind.startswith("correction"))
        rows = await uow.session.scalars(query.order_by(LedgerEntryRow.kind))
        return [(row.debit_book, row.credit_book, row.amount_nano) for row in rows]


async def test_the_true_usage_corrects_the_charge_by_new_lines(control):
    made = await charged(control, usage=TokenUsage(input=1_000, output=2_000))
    corrected = {"input_tokens": 1_000, "output_tokens": 100}
    body = {"note": "the vendor's bill says 100", "corrected": corrected}
    answer = await control.admin("POST", f"/admin/usage/{made.id}/review", body)
    list_cost = 1_000 * 3_000 + 100 * 15_000  # claude-sonnet-4-5, nano-USD per token
    less = 1_900 * 15_000
    assert answer.data["correction"] == {
        "total_cost": list_cost / 10**9,
        "actual_cost": list_cost * 1.5 / 10**9,
        "change": -less * 1.5 / 10**9,
    }
    assert await balance(control, made.user_id) == 10**9 + less * 3 // 2
    assert await corrections(control) == [
        ("revenue", f"user:{made.user_id}", less * 3 // 2),
        ("account:1", "cost", less * 2),
    ]
    assert answer.data["output_tokens"] == 2_000  # the record stays as it was
    assert f"user:{made.user_id}:balance" in control.bounds


async def test_a_failed_attempt_is_corrected_for_the_account_alone(control):
    made = await charged(control, usage=TokenUsage(), multiplier=0, outcome="failed")
    body = {"corrected": {"output_tokens": 100}}
    answer = await control.admin("POST", f"/admin/usage/{made.id}/review", body)
    assert answer.data["correction"]["change"] == 0
    assert await corrections(control) == [("cost", "account:1", 100 * 15_000 * 2)]


async def test_a_record_whose_prices_are_not_kept_cannot_be_corrected(control):
    (id_,) = await store(control, record(review="estimated", price_version="lost"))
    body = {"corrected": {"output_tokens": 1}}
    answer = await control.admin("POST", f"/admin/usage/{id_}/review", body)
    assert (answer.status, answer.json["reason"]) == (400, "PRICE_VERSION_UNKNOWN")
    assert (await listed(control))[1] == 1


@pytest.mark.parametrize(
    "corrected",
    [
        {"input_tokens": 9_000_000, "output_tokens": 2_000_000},
        {"input_tokens": -1},
        {"output_tokens": 10**12},
        {"image_size": "9K"},
        {"input_tokens": "x"},
        5,
    ],
)
async def test_nonsense_is_no_correction(control, corrected):
    (id_,) = await store(control, record(review="estimated"))
    answer = await control.admin("POST", f"/admin/usage/{id_}/review", {"corrected": corrected})
    assert answer.status == 400
