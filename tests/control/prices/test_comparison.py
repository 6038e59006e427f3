"""What other prices would have changed over the last days (issue 3: preview of a new version)."""

import pytest

from headgate.core.pricing.cost import price_usage
from headgate.core.usage import TokenUsage
from tests.control.usage.records import record, store

DAY_MS = 86_400_000
DRAFT = {"model": "claude-sonnet-4-5", "input": 6, "output": 30, "cache_read": 0.6}


async def compare(control, **body):
    answer = await control.admin("POST", "/admin/prices/preview-version", body)
    assert answer.status == 200, answer.json
    return answer.data


def used(control, exchange_id, *, model="claude-sonnet-4-5", days_ago=1, tier=None, **buckets):
    """A record as the gateway writes it: priced under the book in use."""
    usage = TokenUsage(**buckets)
    quote = control.deps.prices().quote(model, at_ms=control.clock.now_ms())
    lines = price_usage(
        quote.price, usage, charge_multiplier=10_000, cost_multiplier=10_000, service_tier=tier,
        is_default=quote.is_default,
    )  # fmt: skip
    return record(
        exchange_id=exchange_id, client_model=model, upstream_model=model, service_tier=tier,
        created_at_ms=control.clock.now_ms() - days_ago * DAY_MS, input_tokens=usage.input,
        output_tokens=usage.output, reasoning_tokens=usage.reasoning, cache_read_tokens=usage.cache_read,
        cache_write_5m_tokens=usage.cache_write_5m, cache_write_1h_tokens=usage.cache_write_1h,
        audio_input_tokens=usage.audio_input, audio_output_tokens=usage.audio_output,
        image_count=usage.images, image_size=usage.image_size, web_search_calls=usage.web_search_calls,
        list_cost_nano=lines.list_cost,
    )  # fmt: skip


async def test_without_a_change_nothing_changes_and_the_past_is_priced_as_it_was_booked(control):
    rows = [
        used(control, "a", input=150_000, output=1_000, cache_read=70_000),  # above 200,000
        used(control, "b", input=150_000, output=1_000, cache_read=50_000),  # at 200,000
        used(control, "c", model="gpt-5", input=1_000, output=1_000, tier="priority"),
        used(control, "d", model="gpt-5", input=1_000, output=1_000, tier="flex"),
        used(control, "e", model="gemini-2.5-flash", input=1_000, web_search_calls=4),
        used(control, "f", model="gemini-2.5-flash", input=1_000, web_search_calls=2),
        used(control, "g", model="gemini-2.5-flash-image", input=100, output=1290, images=1),
        used(control, "h", model="gemini-2.5-flash-image", input=100, output=50),
        used(control, "i", model="gpt-audio", audio_input=1_000, audio_output=2_000),
        used(control, "j", model="nobody-knows", input=1_000, output=7),
    ]
    await store(control, *rows)
    data = await compare(control)
    assert data["records"] == len(rows)
    assert data["present"] == data["candidate"] == pytest.approx(data["booked"], abs=1e-7)
    assert data["present_version"] == data["candidate_version"]
    by_model = {row["model"]: row for row in data["models"]}
    assert by_model["claude-sonnet-4-5"]["present"] == pytest.approx(by_model["claude-sonnet-4-5"]["booked"])
    assert by_model["nobody-knows"]["present_source"] == "default: default"


async def test_a_draft_shows_what_it_would_have_changed(control):
    await store(
        control,
        used(control, "a", input=1_000_000 // 10, output=100_000),
        used(control, "b", model="gpt-5", input=1_000),
    )
    data = await compare(control, overrides=[DRAFT])
    first = data["models"][0]
    assert (first["model"], first["candidate_source"]) == (
        "claude-sonnet-4-5",
        "override: claude-sonnet-4-5",
    )
    assert (first["present"], first["candidate"]) == (1.8, 3.6)
    assert data["change"] == first["change"] == 1.8
    assert data["present_version"] != data["candidate_version"]
    assert (await control.admin("GET", "/admin/prices")).data["total"] == 0


async def test_a_price_of_the_future_is_tried_as_if_its_date_had_come(control):
    await store(control, used(control, "a", input=100_000))
    data = await compare(control, overrides=[DRAFT | {"effective_from": "2030-01-01T00:00:00Z"}])
    assert data["models"][0]["candidate"] == 0.6


async def test_only_the_days_asked_for_count(control):
    await store(control, used(control, "a", input=1, days_ago=3), used(control, "b", input=1, days_ago=40))
    assert (await compare(control, days=2))["records"] == 0
    assert (await compare(control))["records"] == 1


async def test_a_price_file_is_judged_and_tried(control):
    await store(control, used(control, "a", input=100_000))
    cached = {"cache_read_input_token_cost": 4e-07}
    costs = {"input_cost_per_token": 4e-06, "output_cost_per_token": 2e-05} | cached
    good = {"claude-sonnet-4-5": costs}
    data = await compare(control, file=good)
    assert (data["file"]["refused"], data["models"][0]["candidate"]) == (None, 0.4)
    zeroed = {"claude-sonnet-4-5": {"input_cost_per_token": 0, "output_cost_per_token": 0}}
    data = await compare(
        control, file=good | zeroed | {"x": {"input_cost_per_token": 1e-06, "mode": "embedding"}}
    )
    assert (data["file"]["doubted"], data["change"]) == (["claude-sonnet-4-5"], 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"file": {"m": 5}}, "PRICE_FILE_INVALID"),
        ({"file": {"m": {"input_cost_per_token": -1}}}, "PRICE_FILE_INVALID"),
        ({"from_source": True}, "NO_PRICE_SOURCE"),
        ({"days": 0}, None),
        ({"days": 400}, None),
        ({"overrides": [DRAFT | {"input": -1}]}, None),
    ],
)
async def test_what_cannot_be_tried_is_refused(control, body, reason):
    answer = await control.admin("POST", "/admin/prices/preview-version", body)
    assert answer.status == 400
    assert reason is None or answer.json["reason"] == reason


async def test_an_empty_file_would_be_refused(control):
    assert (await compare(control, file={}))["file"]["refused"] == "it holds no price"


async def test_users_may_not_compare(control):
    assert (await control.anna("POST", "/admin/prices/preview-version", {})).status == 403
