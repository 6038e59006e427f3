"""People, accounts, intents and settlements for storage tests, and what the database says afterwards."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.ids import AccountId, ExchangeId, GroupId, KeyId, UserId
from headgate.core.usage import TokenUsage, UsageSource
from headgate.kit.crypto import Vault
from headgate.storage.journal import CostLines, Intent, Settlement
from headgate.storage.models import AccountRow, ApiKeyRow, GroupRow, SubscriptionRow, UserRow
from headgate.storage.unit_of_work import UnitOfWork

NOW = datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC)
NOW_MS = 1_750_000_000_000
VAULT = Vault(b"k" * 32)
_numbers = itertools.count(1)


def user_row(number: int = 1, **fields: Any) -> UserRow:
    given = {"email": f"user{number}@example.com", "password_hash": "-", "created_at": NOW, "updated_at": NOW}
    return UserRow(id=number, **{**given, **fields})


def key_row(number: int = 1, **fields: Any) -> ApiKeyRow:
    given: dict[str, Any] = {
        "user_id": 1, "key_hash": VAULT.key_hash(f"sk-{number}"), "key_prefix": "sk-…",
        "name": f"key {number}",
        "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return ApiKeyRow(id=number, **{**given, **fields})


def group_row(number: int = 1, **fields: Any) -> GroupRow:
    return GroupRow(id=number, **{"name": f"group {number}", "created_at": NOW, "updated_at": NOW, **fields})


def account_row(number: int = 1, *, secret: bytes = b'{"api_key":"sk-up"}', **fields: Any) -> AccountRow:
    given: dict[str, Any] = {
        "name": f"account {number}", "platform": "anthropic", "type": "apikey", "created_at": NOW,
        "updated_at": NOW,
        "credentials_sealed": VAULT.seal(secret, context="account.credentials"),
    }  # fmt: skip
    return AccountRow(id=number, **{**given, **fields})


def subscription_row(number: int = 1, **fields: Any) -> SubscriptionRow:
    given: dict[str, Any] = {
        "user_id": 1, "group_id": 1, "starts_at": NOW, "expires_at": NOW + timedelta(days=30),
        "assigned_at": NOW, "created_at": NOW, "updated_at": NOW,
    }  # fmt: skip
    return SubscriptionRow(id=number, **{**given, **fields})


async def store(sessions: Any, *rows: Any) -> None:
    """Insert in the given order."""
    async with UnitOfWork(sessions) as uow:
        for row in rows:
            uow.session.add(row)
            await uow.session.flush()


def intent(name: str | None = None, **fields: Any) -> Intent:
    made = Intent(
        exchange_id=ExchangeId(name or f"x{next(_numbers):020}"), attempt=1, user_id=UserId(1),
        key_id=KeyId(1),
        group_id=GroupId(1), account_id=AccountId(1), dialect="anthropic_messages", endpoint="/v1/messages",
        client_model="claude-sonnet-4-5", upstream_model="claude-sonnet-4-5", is_stream=True,
        charge_multiplier=10_000, cost_multiplier=10_000, input_estimate=100, started_at_ms=NOW_MS,
    )  # fmt: skip
    return replace(made, **fields)


def settlement(of: Intent, *, charge: int = 800, account_cost: int = 500, **fields: Any) -> Settlement:
    cost = CostLines(
        input=300, output=400, cache_read=100, cache_write=0, list_cost=800, charge=charge,
        account_cost=account_cost, price_version="v1", is_default=False,
    )  # fmt: skip
    made = Settlement(
        intent=of, outcome="completed", usage=TokenUsage(input=10, output=20, cache_read=5),
        source=UsageSource.REPORTED, cost=cost, fault=None, upstream_request_id="req_1", served_model=None,
        upstream_endpoint="/v1/messages", service_tier=None, reasoning_effort=None, duration_ms=1200,
        first_byte_ms=300, user_agent="client/1", client_ip="203.0.113.7", finished_at_ms=NOW_MS, trace=None,
    )  # fmt: skip
    return replace(made, **fields)


async def value(engine: AsyncEngine, query: str) -> Any:
    """The single value of a query; sums come back as int on both backends."""
    async with engine.connect() as connection:
        found = (await connection.execute(text(query))).scalar()
    return int(found) if isinstance(found, (int, float, Decimal)) else found


async def counts(engine: AsyncEngine) -> tuple[int, int, int]:
    """Rows in (intents, usage records, ledger)."""
    tables = ("usage_intents", "usage_records", "ledger_entries")
    intents, records, entries = [await value(engine, f"SELECT COUNT(*) FROM {table}") for table in tables]
    return intents, records, entries
