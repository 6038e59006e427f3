"""Answers to strangers: nothing about accounts, people or how the installation is run."""

from collections.abc import Sequence

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
