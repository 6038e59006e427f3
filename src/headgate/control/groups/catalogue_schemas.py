"""The model catalogue as users see it. Our own shape: the contract has names only."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from headgate.control.groups.schemas import GroupView
from headgate.control.prices.schemas import RatesView


class LongContextPrice(BaseModel):
    """Of the whole request, once its input side has more tokens than this."""

    above_tokens: int
    list: RatesView
    effective: RatesView


class ModelPrice(BaseModel):
    """Of the standard service tier. `list` before, everything else after the caller's multiplier."""

    list: RatesView
    effective: RatesView
    long_context: Sequence[LongContextPrice]
    picture: Mapping[str, float] | None
    """USD per generated picture by size (`1K`, `2K`, `4K`), for models that draw and have such a price."""
    picture_output: float | None
    """USD per million output tokens of answers with pictures, where they have a rate of their own."""
    web_search: float
    """USD per web search."""
    is_default: bool
    """Nobody knows this model's price: the installation's default is charged."""
    depends_on_account: bool
    """The group's accounts map the name to models of different prices: this is the highest."""


class CatalogueModel(BaseModel):
    model: str
    price: ModelPrice | None
    """Null: no price is known, and the group refuses such models."""


class GroupModels(BaseModel):
    group: GroupView
    rate_multiplier: float
    """The caller's: personal where there is one, else the group's."""
    models: Sequence[CatalogueModel]
    """Known by name; accounts without a mapping serve whatever else their provider does."""
    model_count: int


class Catalogue(BaseModel):
    groups: Sequence[GroupModels]
