"""What the slot views show."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel


class HolderView(BaseModel):
    """A request under way that holds a slot."""

    exchange_id: str
    since: datetime
    held_s: float
    key_id: int | None
    """None, as the model: the request has not reached a provider yet, or costs nothing there."""
    model: str | None


class AdminHolderView(HolderView):
    user_id: int | None
    account_id: int | None


class SlotsView(BaseModel):
    resource: str
    limit: int
    """0 or less: unlimited."""
    in_use: int
    waiting: int


class OwnSlotsView(SlotsView):
    holders: Sequence[HolderView]


class AdminSlotsView(SlotsView):
    holders: Sequence[AdminHolderView]


class BusyView(SlotsView):
    """A user, account or group with requests under way or waiting. `name` of a user is the e-mail."""

    kind: Literal["user", "account", "group"]
    id: int
    name: str
