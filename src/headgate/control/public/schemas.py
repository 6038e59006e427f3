"""Answers to strangers: nothing about accounts, people or how the installation is run."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from headgate.control.groups.catalogue_schemas import CatalogueModel, GroupModels


class PublicGroup(BaseModel):
    id: int
    name: str
    description: str
    platform: str
    subscription_type: str
    """`subscription`: it is sold for a time instead of by use."""


class PublicGroupModels(BaseModel):
    group: PublicGroup
    rate_multiplier: float
    models: Sequence[CatalogueModel]
    model_count: int


class PublicCatalogue(BaseModel):
    groups: Sequence[PublicGroupModels]


State = Literal["up", "degraded", "down"]


class HourStatus(BaseModel):
    at: datetime
    """When the hour began."""
    answered_share: float | None
    """Of the requests that reached a provider, 0 to 1; null: there were none."""


class GroupStatus(BaseModel):
    id: int
    name: str
    description: str
    platform: str
    state: State
    hours: Sequence[HourStatus]
    """The last 24, oldest first, the running one included."""


class PublicStatus(BaseModel):
    state: State
    """`down`: all groups are; `degraded`: not all are up."""
    groups: Sequence[GroupStatus]
    checked_at: datetime


def public_group(found: GroupModels) -> PublicGroupModels:
    group = found.group
    return PublicGroupModels(
        group=PublicGroup(
            id=group.id,
            name=group.name,
            description=group.description,
            platform=group.platform,
            subscription_type=group.subscription_type,
        ),
        rate_multiplier=found.rate_multiplier,
        models=found.models,
        model_count=found.model_count,
    )
