"""Sums of groups as the API shows them (spec 8.3)."""

from pydantic import BaseModel


class GroupUsage(BaseModel):
    """USD that users were charged."""

    group_id: int
    today_cost: float
    total_cost: float


class GroupCapacity(BaseModel):
    """Over the group's accounts in service; an account of several groups counts in each of them."""

    group_id: int
    concurrency_used: int = 0
    concurrency_max: int = 0
    """Of accounts with a limit of their own."""
    sessions_used: int = 0
    """Of accounts that limit them; the same for requests a minute."""
    sessions_max: int = 0
    rpm_used: int = 0
    rpm_max: int = 0


class GroupStats(BaseModel):
    """`total_` since the beginning, `today_` since midnight."""

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
    """At list prices."""
    total_actual_cost: float
    """What was charged."""
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
