"""Sums of groups as the API shows them (spec 8.3)."""

from pydantic import BaseModel

from headgate.control.statistics.schemas import UseTotals


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


class GroupStats(UseTotals):
    """Of the group's keys and of requests through it."""
