"""The operator's prices, and what something would cost."""

import pytest

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
