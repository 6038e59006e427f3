"""Usage records as the API shows them (spec 1.25, 7.12, 8.7). USD here, nano-USD inside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.kit import json
from headgate.kit.clock import instant
from headgate.storage.models import UsageRecordRow


class Named(BaseModel):
    id: int
    name: str


class UserRef(BaseModel):
    id: int
    email: str
    username: str


class UsageView(BaseModel):
    """What the user sees of a record."""

    id: int
    user_id: int
    api_key_id: int
    account_id: int
    request_id: str
    model: str
    upstream_model: str | None
    service_tier: str | None
    reasoning_effort: str | None
    inbound_endpoint: str
    upstream_endpoint: str
    group_id: int
    subscription_id: int | None
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int
    cache_creation_5m_tokens: int
    cache_creation_1h_tokens: int
    input_cost: float
    output_cost: float
    cache_creation_cost: float
    cache_read_cost: float
    total_cost: float
    """The list cost; times `rate_multiplier` it is `actual_cost`, the charge. 0 on both where nothing is
    charged."""
    actual_cost: float
    rate_multiplier: float
    billing_type: int
    """0: the balance paid; 1: a subscription."""
    request_type: str
    stream: bool
    openai_ws_mode: bool = False
    duration_ms: int
    first_token_ms: int | None
    image_count: int
    image_size: str | None
    media_type: str | None = None
    user_agent: str
    cache_ttl_overridden: bool = False
    created_at: datetime
    # ours
    attempt: int
    outcome: str
    usage_source: str
    reasoning_tokens: int
    audio_input_tokens: int
    """Beside `input_tokens`, not inside them; the same for output."""
    audio_output_tokens: int
    web_search_calls: int
    other_cost: float
    """Pictures, audio, web searches: with the four costs above it makes `total_cost`."""
    is_price_default: bool
    review: str | None
    """Why somebody should look at it: estimated, default_price or implausible."""
    price_version: str
    api_key: Named | None = None
    group: Named | None = None


class AdminUsageView(UsageView):
    account_rate_multiplier: float
    account_cost: float
    ip_address: str
    served_model: str | None
    fault: str | None
    upstream_request_id: str | None
    reviewed_at: datetime | None
    quarantined: Mapping[str, Any] | None
    """What the provider reported and nobody can believe; the record holds an estimate instead."""
    account: Named | None = None
    user: UserRef | None = None


class UsageDetail(UsageView):
    """A record with the part of its story that is the user's own."""

    trace: Mapping[str, Any]


class UsageExplanation(BaseModel):
    """Everything about one exchange, for admins: all its attempts and the whole trace."""

    request_id: str
    attempts: Sequence[AdminUsageView]
    trace: Mapping[str, Any]


class EndpointStats(BaseModel):
    endpoint: str
    requests: int
    total_tokens: int
    cost: float
    actual_cost: float


class UsageStats(BaseModel):
    total_requests: int
    total_input_tokens: int
    total_output_tokens: int
    total_cache_tokens: int
    total_tokens: int
    total_cost: float
    total_actual_cost: float
    average_duration_ms: float


class AdminUsageStats(UsageStats):
    total_account_cost: float
    endpoints: Sequence[EndpointStats]
    upstream_endpoints: Sequence[EndpointStats]
    endpoint_paths: Sequence[EndpointStats]
    """From the client's to the provider's: `a -> b`."""


class References(BaseModel):
    """Names of what records point to, gathered once per page."""

    users: Mapping[int, UserRef] = {}
    keys: Mapping[int, Named] = {}
    groups: Mapping[int, Named] = {}
    accounts: Mapping[int, Named] = {}


def usage_view(row: UsageRecordRow, names: References) -> UsageView:
    return UsageView(**usage_fields(row, names))


def admin_usage_view(row: UsageRecordRow, names: References) -> AdminUsageView:
    return AdminUsageView(
        **usage_fields(row, names),
        account_rate_multiplier=row.cost_multiplier / MULTIPLIER_ONE,
        account_cost=to_usd(row.account_cost_nano),
        ip_address=row.client_ip,
        served_model=row.served_model,
        fault=row.fault,
        upstream_request_id=row.upstream_request_id,
        reviewed_at=_instant(row.reviewed_at_ms),
        quarantined=_reported(row.quarantined),
        account=names.accounts.get(row.account_id),
        user=names.users.get(row.user_id),
    )


def _reported(stored: str | None) -> dict[str, Any] | None:
    """What cannot be read is shown as empty: the record must not become unreadable with it."""
    try:
        said = None if stored is None else json.loads(stored)
    except json.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else None


def usage_fields(row: UsageRecordRow, names: References) -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "api_key_id": row.key_id,
        "account_id": row.account_id,
        "request_id": row.exchange_id,
        "model": row.client_model,
        "upstream_model": row.upstream_model if row.upstream_model != row.client_model else None,
        "service_tier": row.service_tier,
        "reasoning_effort": row.reasoning_effort,
        "inbound_endpoint": row.inbound_endpoint,
        "upstream_endpoint": row.upstream_endpoint,
        "group_id": row.group_id,
        "subscription_id": row.subscription_id,
        "billing_type": 0 if row.subscription_id is None else 1,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cache_creation_tokens": row.cache_write_5m_tokens + row.cache_write_1h_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_creation_5m_tokens": row.cache_write_5m_tokens,
        "cache_creation_1h_tokens": row.cache_write_1h_tokens,
        "input_cost": to_usd(row.input_cost_nano),
        "output_cost": to_usd(row.output_cost_nano),
        "cache_creation_cost": to_usd(row.cache_write_cost_nano),
        "cache_read_cost": to_usd(row.cache_read_cost_nano),
        "total_cost": to_usd(row.list_cost_nano),
        "actual_cost": to_usd(row.charge_nano),
        "rate_multiplier": row.charge_multiplier / MULTIPLIER_ONE,
        "request_type": "stream" if row.is_stream else "sync",
        "stream": row.is_stream,
        "duration_ms": row.duration_ms,
        "first_token_ms": row.first_byte_ms,
        "image_count": row.image_count,
        "image_size": row.image_size,
        "user_agent": row.user_agent,
        "created_at": _instant(row.created_at_ms),
        "attempt": row.attempt,
        "outcome": row.outcome,
        "usage_source": row.usage_source,
        "reasoning_tokens": row.reasoning_tokens,
        "audio_input_tokens": row.audio_input_tokens,
        "audio_output_tokens": row.audio_output_tokens,
        "web_search_calls": row.web_search_calls,
        "other_cost": to_usd(row.other_cost_nano),
        "review": row.review,
        "is_price_default": row.is_price_default,
        "price_version": row.price_version,
        "api_key": names.keys.get(row.key_id),
        "group": names.groups.get(row.group_id),
    }


def _instant(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else instant(at_ms)
