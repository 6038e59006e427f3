"""Statistics as the API shows them (spec 7.12, 8.1). USD here, nano-USD inside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from headgate.control.statistics.figures import Figures, Granularity
from headgate.control.web.fields import MAX_ID, RequestBody
from headgate.core.money import to_usd

Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class Sums(BaseModel):
    requests: int
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int
    cache_hit_rate: float
    """Of the input tokens, how many came from a cache: 0 to 1."""
    total_tokens: int
    cost: float
    """At list prices."""
    actual_cost: float
    """What was charged."""


class CacheSums(BaseModel):
    requests: int
    moved_requests: int
    """Answered by another account than the conversation's own."""
    input_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cache_hit_rate: float
    """Of all tokens of prompts, how many came from a cache: 0 to 1."""
    saved: float
    """USD at list prices: what cached input would have cost as plain input."""
    lost: float
    """USD at list prices: for reading again what was cached at the account that the conversation left."""


class CacheByAccount(CacheSums):
    account_id: int
    account_name: str


class CacheByModel(CacheSums):
    model: str
    """Upstream model: each has a cache of its own."""


class CacheByCause(CacheSums):
    cause: str
    """Why conversations moved, in the words of the trace."""


class TrendPoint(Sums):
    date: str


class ModelSums(Sums):
    model: str


class GroupSums(Sums):
    group_id: int
    group_name: str


class KeySums(Sums):
    api_key_id: int
    key_name: str
    """Empty: the key was deleted."""


class UserSums(Sums):
    user_id: int
    email: str


class Ranked(BaseModel):
    user_id: int
    email: str
    actual_cost: float
    requests: int
    tokens: int


class KeyPoint(BaseModel):
    date: str
    api_key_id: int
    key_name: str
    requests: int
    tokens: int


class UserPoint(BaseModel):
    date: str
    user_id: int
    email: str
    username: str
    requests: int
    tokens: int
    cost: float
    actual_cost: float


class InSpan(BaseModel):
    start_date: str
    end_date: str


class CacheReport(InSpan):
    total: CacheSums
    accounts: list[CacheByAccount]
    models: list[CacheByModel]
    causes: list[CacheByCause]


class Trend(InSpan):
    trend: Sequence[TrendPoint]
    granularity: Granularity


class ModelShares(InSpan):
    models: Sequence[ModelSums]


class KeyShares(InSpan):
    keys: Sequence[KeySums]


class GroupShares(InSpan):
    groups: Sequence[GroupSums]


class UserBreakdown(InSpan):
    users: Sequence[UserSums]


class KeysTrend(InSpan):
    trend: Sequence[KeyPoint]
    granularity: Granularity


class UsersTrend(InSpan):
    trend: Sequence[UserPoint]
    granularity: Granularity


class Ranking(InSpan):
    ranking: Sequence[Ranked]
    total_actual_cost: float
    total_requests: int
    total_tokens: int


class UseTotals(BaseModel):
    """`total_` since the beginning, `today_` since midnight. Costs in USD: at list prices, and what was
    charged."""

    total_api_keys: int
    active_api_keys: int
    total_requests: int
    total_input_tokens: int
    total_output_tokens: int
    total_cache_creation_tokens: int
    total_cache_read_tokens: int
    total_cache_hit_rate: float
    total_tokens: int
    total_cost: float
    total_actual_cost: float
    today_requests: int
    today_input_tokens: int
    today_output_tokens: int
    today_cache_creation_tokens: int
    today_cache_read_tokens: int
    today_cache_hit_rate: float
    today_tokens: int
    today_cost: float
    today_actual_cost: float
    average_duration_ms: float


class Totals(UseTotals):
    """Rates are means over the last five minutes."""

    rpm: float
    tpm: float


class AdminTotals(Totals):
    total_users: int
    today_new_users: int
    active_users: int
    """Who made a request today."""
    hourly_active_users: int
    total_accounts: int
    normal_accounts: int
    error_accounts: int
    ratelimit_accounts: int
    overload_accounts: int
    uptime: int
    """Seconds since this process started."""
    stats_updated_at: datetime
    stats_stale: bool


class Snapshot(InSpan):
    """What a dashboard shows, in one answer; parts that were not asked for are null."""

    generated_at: datetime
    granularity: Granularity
    stats: AdminTotals | None = None
    trend: Sequence[TrendPoint] | None = None
    models: Sequence[ModelSums] | None = None
    groups: Sequence[GroupSums] | None = None
    users_trend: Sequence[UserPoint] | None = None


class Spent(BaseModel):
    today_actual_cost: float
    total_actual_cost: float
    """Of the last thirty days."""


class SpentAnswer(BaseModel):
    stats: Mapping[int, Spent]


class UsersBody(RequestBody):
    user_ids: Annotated[list[Id], Field(max_length=1000)]


class KeysBody(RequestBody):
    api_key_ids: Annotated[list[Id], Field(max_length=1000)]


class OwnKeysBody(RequestBody):
    api_key_ids: Annotated[list[Id], Field(max_length=100)]


class Realtime(BaseModel):
    """Measured over the last minute."""

    active_requests: int
    requests_per_minute: int
    tokens_per_minute: int
    average_response_time: float
    """Milliseconds."""
    error_rate: float
    """Of the attempts at accounts: 0 to 1."""


class BackfillBody(RequestBody):
    start: datetime
    end: datetime


class BackfillAnswer(BaseModel):
    status: str = "accepted"
    hours: int
    """How many hours were added up again; it is done when this is answered."""


def sums(figures: Figures) -> dict[str, Any]:
    return {
        "requests": figures.requests,
        "input_tokens": figures.input_tokens,
        "output_tokens": figures.output_tokens,
        "cache_creation_tokens": figures.cache_write_tokens,
        "cache_read_tokens": figures.cache_read_tokens,
        "cache_hit_rate": figures.cache_hit_rate,
        "total_tokens": figures.tokens,
        "cost": to_usd(figures.list_cost),
        "actual_cost": to_usd(figures.charge),
    }


def prefixed(prefix: str, figures: Figures) -> dict[str, Any]:
    """`total_requests`, ..., and `total_tokens` for all kinds of tokens together."""
    named = sums(figures)
    named["tokens"] = named.pop("total_tokens")
    return {f"{prefix}_{name}": value for name, value in named.items()}
