"""The operator's prices, and what something would cost."""

import pytest

from headgate.control.audit.record import Call
from headgate.control.prices.status import price_status
from headgate.control.work import Work
from headgate.core.pricing.book import PriceBook, price_list
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import flat_price
from headgate.storage.price_files import ActiveFile, Attempt, install, note_attempt

PRICE = {"model": "my-model", "input": 3, "output": 15, "cache_read": 0.3}


async def test_a_price_is_created_changed_and_removed(control):
    created = (await control.admin("POST", "/admin/prices", PRICE)).data
    assert (created["input"], created["cache_read"], created["cache_write_5m"]) == (3, 0.3, None)
    path = f"/admin/prices/{created['id']}"
    assert (await control.admin("PUT", path, {"model": "my-model", "input": 4, "output": 1})).data[
        "cache_read"
    ] is None
    assert (await control.admin("DELETE", path)).status == 200
    assert (await control.admin("GET", path)).json["reason"] == "PRICE_NOT_FOUND"


async def test_a_model_has_one_price(control):
    await control.admin("POST", "/admin/prices", PRICE)
    answer = await control.admin("POST", "/admin/prices", PRICE | {"model": "MY-model"})
    assert (answer.status, answer.json["reason"]) == (409, "PRICE_EXISTS")


@pytest.mark.parametrize("change", [{"model": "a*b"}, {"model": " "}, {"input": -1}, {"output": None}])
async def test_a_bad_price_is_refused(control, change):
    assert (await control.admin("POST", "/admin/prices", PRICE | change)).status == 400


@pytest.mark.parametrize(
    "number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1e300", b"-0.01", b'"3"', b"true"]
)
@pytest.mark.parametrize("field", ["input", "cache_write_1h", "image_4k", "web_search"])
async def test_amounts_that_are_no_prices_are_refused(control, number, field):
    content = b'{"model":"m","input":1,"output":2,"%s":%s}' % (field.encode(), number)
    if field == "input":
        content = b'{"model":"m","output":2,"input":%s}' % number
    answer = await control.admin("POST", "/admin/prices", content=content)
    assert answer.status == 400 or (number == b'"3"' and answer.status == 201)
    if answer.status == 400:
        assert (await control.admin("GET", "/admin/prices")).data["total"] == 0


async def test_a_model_may_have_a_price_for_now_and_one_for_later(control):
    later = PRICE | {"input": 9, "effective_from": "2026-01-01T00:00:00+01:00"}
    await control.admin("POST", "/admin/prices", PRICE)
    created = (await control.admin("POST", "/admin/prices", later)).data
    assert created["effective_from"] == "2025-12-31T23:00:00Z"
    again = await control.admin("POST", "/admin/prices", later | {"model": "My-Model"})
    assert (again.status, again.json["reason"]) == (409, "PRICE_EXISTS")
    listed = (await control.admin("GET", "/admin/prices")).data["items"]
    assert [(row["effective_from"], row["input"]) for row in listed] == [
        (None, 3),
        ("2025-12-31T23:00:00Z", 9),
    ]


@pytest.mark.parametrize(
    "when", ["2026-01-01T00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon", -1]
)
async def test_a_date_needs_a_zone_and_a_sensible_year(control, when):
    assert (await control.admin("POST", "/admin/prices", PRICE | {"effective_from": when})).status == 400


async def test_audio_pictures_and_searches_have_their_prices(control):
    full = PRICE | {
        "audio_input": 40,
        "audio_output": 80,
        "image": 0.04,
        "image_2k": 0.05,
        "web_search": 0.02,
    }
    created = (await control.admin("POST", "/admin/prices", full)).data
    assert {name: created[name] for name in full} == full
    body = {
        "model": "x", "draft": full, "audio_input_tokens": 1_000_000, "image_count": 2, "image_size": "2K",
        "web_search_calls": 3,
    }  # fmt: skip
    data = (await control.admin("POST", "/admin/prices/preview", body)).data
    assert (data["other_cost"], data["total_cost"]) == (40.16, 40.16)
    assert data["rates"]["audio_output"] == 80


async def test_the_status_says_which_prices_are_in_use_and_what_went_wrong(control):
    now = control.clock.now_ms()
    async with control.deps.uow() as uow:
        await note_attempt(
            uow.session, Attempt(at_ms=now, source="https://x/p", result="failed", error="it is down")
        )
    data = (await control.admin("GET", "/admin/prices/status")).data
    assert data["version"].startswith("genai-prices-")
    assert (data["file"], data["unknown_model"], data["overrides"]) == (None, "default", 0)
    assert (data["last_attempt"]["result"], data["last_attempt"]["error"]) == ("failed", "it is down")
    assert (await control.anna("GET", "/admin/prices/status")).status == 403


async def test_the_status_shows_the_file_in_use_and_its_age(control):
    now = control.clock.now_ms()
    file = price_list({"m": flat_price(input_usd_per_mtok=1, output_usd_per_mtok=2)})
    active = ActiveFile(
        digest=file.digest, sha256="a" * 64, source="https://x/p", models=1, installed_at_ms=now - 5_000,
        doubted=("odd",),
    )  # fmt: skip
    async with control.deps.uow() as uow:
        await install(uow, file, active)
    async with control.deps.uow() as uow:
        work = Work(control.deps, uow, None, Call(action="test"), None)
        book = PriceBook(catalogue=bundled_catalogue(), default=file.prices["m"], file=file)
        status = await price_status(work, book)
    assert status.file is not None
    assert (status.file.source, status.file.age_s, status.file.doubted) == ("https://x/p", 5, ("odd",))


async def test_a_preview_prices_like_a_real_request(control):
    body = {
        "model": "claude-sonnet-4-5",
        "input_tokens": 1_000_000,
        "output_tokens": 100_000,
        "rate_multiplier": 1.5,
    }
    data = (await control.admin("POST", "/admin/prices/preview", body)).data
    assert (data["source"], data["is_price_default"]) == ("bundled", False)
    assert data["total_cost"] == data["input_cost"] + data["output_cost"]
    assert data["actual_cost"] == pytest.approx(data["total_cost"] * 1.5)


async def test_a_preview_says_when_nobody_knows_the_price(control):
    body = {"model": "no-such-model", "input_tokens": 1_000_000}
    data = (await control.admin("POST", "/admin/prices/preview", body)).data
    assert (data["source"], data["is_price_default"], data["total_cost"]) == ("default", True, 10)


async def test_a_draft_can_be_tried_before_it_is_saved(control):
    group = await control.add_group(rate_multiplier=2)
    body = {"model": "x", "input_tokens": 1000, "cache_read_tokens": 1000, "draft": PRICE, "group_id": group}
    data = (await control.admin("POST", "/admin/prices/preview", body)).data
    assert (data["source"], data["total_cost"], data["actual_cost"]) == ("draft", 0.0033, 0.0066)
