"""What is answered here without a provider: model lists, the key's usage, courtesies (spec 2.9, 2.10)."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from headgate.core.faults import FaultKind, RelayError
from headgate.core.world import Dialect
from headgate.kit.clock import FakeClock
from headgate.relay.authentication import Authenticator
from headgate.relay.directory import Directory
from headgate.relay.local import LocalAnswers
from headgate.relay.routes import Local, match
from headgate.storage.models import AccountRow, ApiKeyRow, GroupRow, SubscriptionRow, UserRow
from headgate.storage.read_model import ReadModel
from tests.relay.conftest import DOLLAR, Change
from tests.relay.people import Client, responder_for
from tests.storage.books import NOW

HOUR = timedelta(hours=1)
ANTHROPIC = {"x-api-key": "sk-1", "anthropic-version": "2023-06-01"}


@pytest.fixture
def local(directory: Directory, read_model: ReadModel, clock: FakeClock) -> LocalAnswers:
    return LocalAnswers(Authenticator(directory, clock), directory, read_model, clock)


async def answer(
    local: LocalAnswers, path: str, headers: dict[str, str], query: bytes = b""
) -> tuple[int, Any]:
    route = match("GET", path, query)
    assert isinstance(route, Local)
    client = Client()
    await local.answer(route, headers, query, "203.0.113.7", responder_for(client, Dialect.OPENAI_CHAT))
    return client.status, json.loads(client.body)


async def refusal(local: LocalAnswers, path: str, headers: dict[str, str], query: bytes = b"") -> FaultKind:
    with pytest.raises(RelayError) as caught:
        await answer(local, path, headers, query)
    return caught.value.fault.kind


async def test_the_root_says_what_this_is_without_a_key(local: LocalAnswers) -> None:
    status, body = await answer(local, "/", {})
    assert (status, body["service"]) == (200, "headgate")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/m", "/v1/usage"])
async def test_nothing_else_is_told_without_a_key(local: LocalAnswers, path: str) -> None:
    assert await refusal(local, path, {}) is FaultKind.KEY_MISSING


async def test_a_group_with_open_accounts_lists_the_providers_models(local: LocalAnswers) -> None:
    _, body = await answer(local, "/v1/models", ANTHROPIC)
    assert any(entry["id"].startswith("claude-") for entry in body["data"])


async def test_a_group_of_mapped_accounts_lists_their_names_only(
    local: LocalAnswers, change: Change, directory: Directory
) -> None:
    mapping = {"model_mapping": {"mine": "theirs", "family-*": "theirs"}}
    await change(update(AccountRow).values(credentials_open=mapping))
    await directory.refresh()
    _, body = await answer(local, "/v1/models", ANTHROPIC)
    assert [entry["id"] for entry in body["data"]] == ["mine"]


async def test_a_model_that_selection_would_take_is_shown(
    local: LocalAnswers, change: Change, directory: Directory
) -> None:
    await change(update(AccountRow).values(credentials_open={"model_mapping": {"family-*": "theirs"}}))
    await directory.refresh()
    status, body = await answer(local, "/v1/models/family-one", ANTHROPIC)
    assert (status, body["id"]) == (200, "family-one")


async def test_a_model_that_nobody_serves_is_not_found(
    local: LocalAnswers, change: Change, directory: Directory
) -> None:
    await change(update(AccountRow).values(credentials_open={"model_mapping": {"mine": "theirs"}}))
    await directory.refresh()
    assert await refusal(local, "/v1/models/other", ANTHROPIC) is FaultKind.MODEL_NOT_FOUND


async def test_usage_is_told_even_with_an_empty_balance(local: LocalAnswers, change: Change) -> None:
    await change(update(UserRow).values(balance_nano=0))
    status, body = await answer(local, "/v1/usage", ANTHROPIC)
    assert (status, body["balance"], body["usage"]["total"]["requests"]) == (200, 0, 0)


@pytest.mark.parametrize(
    "key",
    [{"status": "expired"}, {"status": "quota_exhausted", "quota_nano": 10}, {"expires_at": NOW - HOUR}],
    ids=["expired", "exhausted", "over"],
)
async def test_usage_is_told_to_keys_that_may_ask_for_nothing_else(
    local: LocalAnswers, change: Change, directory: Directory, key: dict[str, Any]
) -> None:
    await change(update(ApiKeyRow).values(**key))
    await directory.refresh()
    status, body = await answer(local, "/v1/usage", ANTHROPIC)
    assert (status, body["isValid"]) == (200, True)


@pytest.mark.parametrize(("ends", "is_valid", "remaining"), [(HOUR, True, 4.0), (-HOUR, False, 0)])
async def test_usage_of_a_subscription_is_told_whether_or_not_it_still_runs(
    local: LocalAnswers,
    change: Change,
    directory: Directory,
    ends: timedelta,
    is_valid: bool,
    remaining: float,
) -> None:
    await change(
        update(GroupRow).values(subscription_type="subscription", daily_limit_nano=5 * DOLLAR),
        SubscriptionRow(
            id=1, user_id=1, group_id=1, starts_at=NOW - 2 * HOUR, expires_at=NOW + ends, assigned_at=NOW,
            created_at=NOW, updated_at=NOW, daily_window_start=NOW, daily_used_nano=DOLLAR,
        ),
    )  # fmt: skip
    await directory.refresh()
    status, body = await answer(local, "/v1/usage", ANTHROPIC)
    assert (status, body["isValid"], body["remaining"]) == (200, is_valid, remaining)
    assert body["subscription"]["daily_usage_usd"] == 1.0


@pytest.mark.parametrize("query", [b"start_date=2025-06-01", b"start_date=2025-06-01&end_date=2025-06-02"])
async def test_a_period_can_be_asked_for(local: LocalAnswers, query: bytes) -> None:
    assert (await answer(local, "/v1/usage", ANTHROPIC, query))[0] == 200


@pytest.mark.parametrize("query", [b"start_date=yesterday", b"end_date=2025-13-01", b"start_date=01/02/2025"])
async def test_a_period_that_is_no_date_is_refused(local: LocalAnswers, query: bytes) -> None:
    assert await refusal(local, "/v1/usage", ANTHROPIC, query) is FaultKind.REQUEST_INVALID
