"""People of a run: what they have to pay with. A configuration document does not hold them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from headgate.core.ids import GroupId, KeyId, SubscriptionId, UserId
from headgate.core.money import from_usd, multiplier_from
from headgate.core.world import ApiKey, Group, KeyWindow, Subscription
from headgate.storage.journal import Settlement
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS, WINDOW_MS

UNBOUNDED = 2**62
_FOREVER_MS = 2**52
_KEY_MS = {"quota": _FOREVER_MS, **WINDOW_MS}
Usd = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)]


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of the person's key; 0: no limit."""

    quota_usd: Usd = 0
    limit_5h_usd: Usd = 0
    limit_1d_usd: Usd = 0
    limit_7d_usd: Usd = 0


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    balance_usd: Usd | None = None
    """None: as much as it takes."""
    subscriptions: tuple[str, ...] = ()
    """Groups that are sold as subscriptions, by name."""
    concurrency: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Slots; None: as everybody."""
    multipliers: Mapping[str, Annotated[float, msgspec.Meta(ge=0, le=1_000)]] = {}
    """Personal multipliers by group: the charge is the list cost times this, whatever the group says."""
    key: KeyLimits = KeyLimits()

    @property
    def groups(self) -> frozenset[str]:
        """Those that are named."""
        return frozenset(self.subscriptions) | frozenset(self.multipliers)


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
        """Of a window of a subscription or a key: what was charged, and since when."""
        self._keys: dict[int, Mapping[str, int]] = {}
        """Of keys with limits: nano-USD by the name of the bound."""

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

    def key_of(self, user: UserId, name: str, group: GroupId, person: Person) -> ApiKey:
        """The person's one key, in whatever group it asks. Its windows and quota count all groups
        together."""
        own, limits = person.key, {}
        if own.quota_usd:
            limits["quota"] = from_usd(own.quota_usd)
        windows = {"5h": own.limit_5h_usd, "1d": own.limit_1d_usd, "7d": own.limit_7d_usd}
        limits |= {window: from_usd(usd) for window, usd in windows.items() if usd}
        self._keys[user] = limits
        return ApiKey(
            id=KeyId(user), user_id=user, name=name, group_id=group, status="active",
            quota_nano=limits.get("quota", 0),
            windows=tuple(
                KeyWindow(name=window, length_ms=WINDOW_MS[window], limit_nano=limits[window])
                for window in windows if window in limits
            ),
        )  # fmt: skip

    def multipliers(self, person: Person) -> Mapping[GroupId, int]:
        return {self._groups[name].id: multiplier_from(own) for name, own in person.multipliers.items()}

    def left(self, name: str, now_ms: int) -> int | None:
        """Of a bound as `ReadModel.load_bounds` names it; None: it is none of people's."""
        kind, number, what = name.split(":")
        if kind == "user":
            return self._balances.get(int(number), UNBOUNDED)
        if kind == "key":
            limit, length_ms = self._keys.get(int(number), {}).get(what, 0), _KEY_MS[what]
        elif kind == "sub":
            limit = int(getattr(self._sold[int(number)], f"{what}_limit_nano"))
            length_ms = SUBSCRIPTION_WINDOW_MS[what]
        else:
            return None
        used, since_ms = self._used.get(name, (0, now_ms))
        is_over = now_ms - since_ms >= length_ms
        return UNBOUNDED if limit <= 0 else limit - (0 if is_over else used)

    def pay(self, settlement: Settlement, group: Group, now_ms: int) -> None:
        """Balance, or the windows of the subscription; the key's own limits beside them."""
        user, charge = settlement.intent.user_id, settlement.cost.charge
        counted = settlement.cost.list_cost if group.quota_basis == "list_cost" else charge
        for what in self._keys.get(settlement.intent.key_id, ()):
            self._count(f"key:{settlement.intent.key_id}:{what}", counted, _KEY_MS[what], now_ms)
        if not group.is_subscription:
            if user in self._balances:
                self._balances[user] -= charge
            return
        subscription = self._subscriptions.get((user, group.id))
        if subscription is None or charge == 0:
            return
        for what, length_ms in SUBSCRIPTION_WINDOW_MS.items():
            self._count(f"sub:{subscription.id}:{what}", counted, length_ms, now_ms)

    def _count(self, name: str, amount: int, length_ms: int, now_ms: int) -> None:
        """A window begins with the first charge after the last one is over."""
        used, since_ms = self._used.get(name, (0, now_ms))
        is_over = now_ms - since_ms >= length_ms
        self._used[name] = (amount, now_ms) if is_over else (used + amount, since_ms)
