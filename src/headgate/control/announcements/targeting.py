"""Whom an announcement is for (spec 1.11). Pure: a document and a reader in, yes or no out.

`{"any_of": [{"all_of": [condition, ...]}, ...]}`: OR over the groups, AND inside; nothing means everyone.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, assert_never

from pydantic import BaseModel, Field

from headgate.control.web.fields import MAX_ID, MAX_USD
from headgate.core.money import from_usd

MAX_GROUPS = 50
MAX_CONDITIONS = 50


@dataclass(frozen=True, slots=True)
class Reader:
    balance_nano: int
    group_ids: frozenset[int]
    """Groups to which the user has a running subscription."""


class SubscriptionCondition(BaseModel):
    """The user has a running subscription to one of the groups."""

    type: Literal["subscription"]
    operator: Literal["in"]
    group_ids: Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Field(min_length=1, max_length=1000)]

    def holds(self, reader: Reader) -> bool:
        return not reader.group_ids.isdisjoint(self.group_ids)


class BalanceCondition(BaseModel):
    """The user's balance in USD, compared to the nano-dollar."""

    type: Literal["balance"]
    operator: Literal["gt", "gte", "lt", "lte", "eq"]
    value: Annotated[float, Field(strict=True, ge=-MAX_USD, le=MAX_USD, allow_inf_nan=False)]

    def holds(self, reader: Reader) -> bool:
        balance, value = reader.balance_nano, from_usd(self.value)
        match self.operator:
            case "gt":
                return balance > value
            case "gte":
                return balance >= value
            case "lt":
                return balance < value
            case "lte":
                return balance <= value
            case "eq":
                return balance == value
            case _:
                assert_never(self.operator)


class AllOf(BaseModel):
    all_of: Annotated[
        list[Annotated[SubscriptionCondition | BalanceCondition, Field(discriminator="type")]],
        Field(min_length=1, max_length=MAX_CONDITIONS),
    ]


class Targeting(BaseModel):
    any_of: Annotated[list[AllOf], Field(max_length=MAX_GROUPS)] = Field(default_factory=list)

    def includes(self, reader: Reader) -> bool:
        return not self.any_of or any(
            all(condition.holds(reader) for condition in group.all_of) for group in self.any_of
        )
