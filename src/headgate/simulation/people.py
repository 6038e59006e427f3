"""People of a run: what they have to pay with. A configuration document does not hold them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from headgate.core.ids import GroupId, SubscriptionId, UserId
from headgate.core.money import from_usd
from headgate.core.world import Group, Subscription
from headgate.storage.journal import Settlement
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS

UNBOUNDED = 2**62
_FOREVER_MS = 2**52
Usd = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)]


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    balance_usd: Usd | None = None
    """None: as much as it takes."""
    subscriptions: tuple[str, ...] = ()
    """Groups that are sold as subscriptions, by name."""
    concurrency: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Slots; None: as everybody."""


class People(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    default: Person = Person()
    """Who is not named."""
    users: Mapping[str, Person] = {}

    def person(self, name: str) -> Person:
        return self.users.get(name, self.default)


class Purses:
    """What everybody has left, as the books would have it."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._groups = groups
        self._balances: dict[int, int] = {}
        self._sold: dict[int, Group] = {}
        self._subscriptions: dict[tuple[int, GroupId], Subscription] = {}
        self._used: dict[str, tuple[int, int]] = {}
        """Of a subscription's window: what was charged, and since when."""

    def open(self, user: UserId, person: Person) -> Mapping[GroupId, Subscription]:
        """The person's subscriptions. Raises `KeyError`: there is no such group."""
        if person.balance_usd is not None:
            self._balances[user] = from_usd(person.balance_usd)
        found = {}
        for name in person.subscriptions:
            group = self._groups[name]
            number = SubscriptionId(len(self._sold) + 1)
            self._sold[number] = group
            found[group.id] = self._subscriptions[user, group.id] = Subscription(
                id=number, group_id=group.id, status="active", starts_at_ms=0, expires_at_ms=_FOREVER_MS
            )
        return found

    def left(self, name: str, now_ms: int) -> int | None:
        """Of a bound as `ReadModel.load_bounds` names it; None: it is none of people's."""
        kind, number, what = name.split(":")
        if kind == "user":
            return self._balances.get(int(number), UNBOUNDED)
        if kind != "sub":
            return None
        limit = int(getattr(self._sold[int(number)], f"{what}_limit_nano"))
        used, since_ms = self._used.get(name, (0, now_ms))
        is_over = now_ms - since_ms >= SUBSCRIPTION_WINDOW_MS[what]
        return UNBOUNDED if limit <= 0 else limit - (0 if is_over else used)

    def pay(self, settlement: Settlement, group: Group, now_ms: int) -> None:
        """Balance, or the windows of the subscription."""
        user, charge = settlement.intent.user_id, settlement.cost.charge
        if not group.is_subscription:
            if user in self._balances:
                self._balances[user] -= charge
            return
        counted = settlement.cost.list_cost if group.quota_basis == "list_cost" else charge
        subscription = self._subscriptions.get((user, group.id))
        if subscription is None or charge == 0:
            return
        for what, length_ms in SUBSCRIPTION_WINDOW_MS.items():
            name = f"sub:{subscription.id}:{what}"
            used, since_ms = self._used.get(name, (0, now_ms))
            is_over = now_ms - since_ms >= length_ms
            self._used[name] = (counted, now_ms) if is_over else (used + counted, since_ms)
