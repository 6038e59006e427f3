"""The values of the world as the data plane sees it: groups, accounts, keys, users. Built by
`storage.read_model`.

Knows: names and shapes. Refuses to know: SQL, secrets in clear for printing (`Secret` cannot be printed).
Invariant: frozen; a change is a new snapshot (GLOSSARY: directory).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

import msgspec

from headgate.core.ids import AccountId, GroupId, KeyId, ProxyId, SubscriptionId, UserId
from headgate.core.limits.account_limits import AccountLimits
from headgate.core.limits.fair_share import FairSharing
from headgate.core.limits.model_rates import NO_MODEL_RATES, ModelRates
from headgate.core.limits.rate_limit import UNLIMITED_RATE, RateLimit
from headgate.core.routing.account_policy import AccountPolicy
from headgate.core.routing.model_mapping import ModelRules, rules_of
from headgate.kit.secret import Secret


class Dialect(StrEnum):
    """A wire protocol."""

    ANTHROPIC_MESSAGES = "anthropic_messages"
    OPENAI_CHAT = "openai_chat"
    OPENAI_RESPONSES = "openai_responses"
    GEMINI = "gemini"


class Provider(StrEnum):
    """The company operating a model API. Wire name: `platform`."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GEMINI = "gemini"


class CredentialKind(StrEnum):
    """What secret an account holds. Wire name: account `type` (`apikey`, `bearer`)."""

    API_KEY = "apikey"
    BEARER = "bearer"


class DisconnectPolicy(StrEnum):
    """What happens upstream when the client goes away mid-answer (DESIGN 4)."""

    DRAIN = "drain"
    CANCEL = "cancel"


class OverrunPolicy(StrEnum):
    """What happens when a running stream cannot be covered any further (DESIGN 5)."""

    STRICT = "strict"
    OVERDRAFT = "overdraft"


class QuotaBasis(StrEnum):
    """What subscription windows and key quotas count; a balance always pays the charge (ADR 15)."""

    CHARGE = "charge"
    LIST_COST = "list_cost"


class SchedulingPolicy(StrEnum):
    """How a group's accounts are chosen when the conversation has none yet."""

    LAYERED = "layered"
    """By priority, then load, then least recent use (spec 3.4)."""
    SCORED = "scored"
    """A draw among the best by priority, load, queue, errors and speed together (spec 3.5)."""


class UnknownPrice(StrEnum):
    """What a group does with a model without a price; INHERIT: as the installation's settings say."""

    INHERIT = "inherit"
    REFUSE = "refuse"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountQuota:
    """Account cost that may be spent in all, a day, a week (spec 1.4): nano-USD, 0 = unlimited."""

    total_nano: int = 0
    daily_nano: int = 0
    weekly_nano: int = 0
    daily_is_fixed: bool = False
    """Ends at `daily_hour` of the zone; else 24 h after it opened."""
    daily_hour: int = 0
    weekly_is_fixed: bool = False
    weekly_day: int = 1
    """0 = Sunday ... 6."""
    weekly_hour: int = 0
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    id: ProxyId
    url: Secret
    """`protocol://[user:pass@]host:port`; secret because it can hold a password."""
    is_active: bool = True


class OffBecause(StrEnum):
    """Why an account is not schedulable."""

    NOTHING = ""
    ERROR = "error"
    SWITCHED_OFF = "switched_off"
    NO_CREDENTIAL = "no_credential"


_LOADS_AT_HAND = 16


@lru_cache(maxsize=256)
def _loads(base: int) -> tuple[int, ...]:
    """One for all accounts alike: it stays in the processor's cache."""
    return tuple([min(requests * 100 // base, 100) for requests in range(_LOADS_AT_HAND)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An upstream account as the scheduler and the relay need it."""

    id: AccountId
    name: str
    provider: Provider
    credential_kind: CredentialKind
    secret: Secret
    base_url: str
    """Without trailing slash; the provider's public address when the operator gave none."""
    proxy: EgressProxy | None = None
    priority: int = 50
    """Lower is preferred."""
    concurrency: int = 3
    """Slots; 0 or less = unlimited."""
    load_factor: int | None = None
    cost_multiplier: int = 10_000
    model_mapping: Mapping[str, str] = field(default_factory=dict)
    """Client model (exact or trailing `*`) -> upstream model. Empty: every model, unchanged."""
    group_ids: frozenset[GroupId] = frozenset()
    is_schedulable: bool = True
    """Active, switched on, and without an error mark."""
    off_because: OffBecause = OffBecause.NOTHING
    expires_at_ms: int | None = None
    cooldown_until_ms: int = 0
    """As stored at the last snapshot; live cooldowns come from the cooldown store."""
    overloaded_until_ms: int = 0
    """The same for overload (529): avoided until then, but used when nobody else is left."""
    quota: AccountQuota | None = None
    """None: unlimited."""
    is_passthrough: bool = False
    """The client's headers and body go there as they are, but for the mapped model (spec 2.4)."""
    answers_warm_ups: bool = False
    """What Claude Code asks of itself is answered here, not there."""
    policy: AccountPolicy | None = None
    """Its own rules about failed answers; None: it has none."""
    limits: AccountLimits | None = None
    """What an operator allows it a minute, a window, at a time; None: no such limit."""
    plain_for: Provider | None = field(init=False, compare=False, repr=False)
    """Its provider, when as of this snapshot nothing but its model mapping and live facts can speak
    against the account: selection asks a thousand accounts this one question instead of five."""
    model_rules: ModelRules | None = field(init=False, compare=False, repr=False)
    """`model_mapping`, made ready for many questions; None: it maps nothing."""

    load_base: int = field(init=False, compare=False, repr=False)
    """What counts as a load of 100 %: the load factor, else the slots, else one."""
    loads: tuple[int, ...] = field(init=False, compare=False, repr=False)
    """Percent of it by how many requests are served or wait, at most 100; of the first few."""

    def __post_init__(self) -> None:
        is_plain = (
            self.is_schedulable
            and self.expires_at_ms is None
            and self.cooldown_until_ms <= 0
            and self.overloaded_until_ms <= 0
        )
        factor = self.load_factor if self.load_factor is not None else 0
        object.__setattr__(self, "plain_for", self.provider if is_plain else None)
        base = factor if factor > 0 else max(self.concurrency, 1)
        object.__setattr__(self, "load_base", base)
        object.__setattr__(self, "loads", _loads(base))
        object.__setattr__(self, "model_rules", rules_of(self.model_mapping))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    id: GroupId
    name: str
    provider: Provider
    charge_multiplier: int = 10_000
    is_active: bool = True
    is_exclusive: bool = False
    is_subscription: bool = False
    daily_limit_nano: int = 0
    """Of each subscription to this group; 0 = unlimited. The same for week (7 d) and month (30 d)."""
    weekly_limit_nano: int = 0
    monthly_limit_nano: int = 0
    disconnect_policy: DisconnectPolicy = DisconnectPolicy.DRAIN
    overrun_policy: OverrunPolicy = OverrunPolicy.STRICT
    overdraft_limit_nano: int = 0
    """How far below zero a balance may go under OVERDRAFT."""
    unknown_price: UnknownPrice = UnknownPrice.INHERIT
    quota_basis: QuotaBasis = QuotaBasis.CHARGE
    rate: RateLimit = UNLIMITED_RATE
    image_prices_nano: Mapping[str, int] = field(default_factory=dict)
    """The operator's own prices per picture: 1K, 2K, 4K -> nano-USD (spec 4.2)."""
    scheduling_policy: SchedulingPolicy = SchedulingPolicy.LAYERED
    is_claude_code_only: bool = False
    """Other clients are served by `fallback`, or refused."""
    fallback: GroupId | None = None
    too_long_fallback: GroupId | None = None
    """Group that takes over requests whose prompt is too long for this one's models."""
    sharing: FairSharing | None = None
    """How its slots are shared among its users; None: they are not."""
    model_rates: ModelRates = field(default_factory=lambda: NO_MODEL_RATES)
    """Limits of single models, beside `rate`."""
    model_routes: Mapping[str, frozenset[AccountId]] = field(default_factory=dict)
    """Model name or `prefix*` -> accounts that serve it before all others; empty: routing is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A user's right to a group, as admission needs it; what its windows have used is in the database."""

    id: SubscriptionId
    group_id: GroupId
    status: str
    """active | expired | suspended"""
    starts_at_ms: int
    expires_at_ms: int

    def is_running(self, now_ms: int) -> bool:
        return self.status == "active" and self.starts_at_ms <= now_ms < self.expires_at_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: UserId
    is_active: bool = True
    concurrency: int = 5
    """Slots; 0 or less = unlimited."""
    group_multipliers: Mapping[GroupId, int] = field(default_factory=dict)
    """Personal multipliers (ten-thousandths) that replace the group's."""
    subscriptions: Mapping[GroupId, Subscription] = field(default_factory=dict)
    rate: RateLimit = UNLIMITED_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyWindow:
    """A spending window of a key (5h, 1d, 7d). Amounts in nano-USD."""

    name: str
    length_ms: int
    limit_nano: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A customer key as authentication needs it. The key itself is never here, only its id."""

    id: KeyId
    user_id: UserId
    name: str
    group_id: GroupId | None
    status: str
    """active | inactive | quota_exhausted | expired"""
    expires_at_ms: int | None = None
    quota_nano: int = 0
    """0 = unlimited."""
    windows: tuple[KeyWindow, ...] = ()
    secret_until_ms: int | None = None
    """When the secret that was sent stops working, where a newer one has replaced it."""
    ip_allow: tuple[str, ...] = ()
    ip_deny: tuple[str, ...] = ()
    concurrency: int = 0
    """Slots, within the user's; 0 = no limit of its own."""
    is_background: bool = False
    """Its requests let others go first where slots are shared."""
    rate: RateLimit = UNLIMITED_RATE
    model_rates: ModelRates = field(default_factory=lambda: NO_MODEL_RATES)
    """`together` alone counts: a key has one user."""

    @property
    def is_limited(self) -> bool:
        """It has a quota or windows, which charges raise."""
        return self.quota_nano > 0 or bool(self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """What clients are shown of certain refusals (core/error_rules.py)."""

    id: int
    codes: frozenset[int] = frozenset()
    keywords: tuple[str, ...] = ()
    """Lower case."""
    needs_both: bool = False
    """Where it has codes and keywords: both, or either?"""
    providers: frozenset[Provider] = frozenset()
    """Empty: all."""
    status: int | None = None
    """None: the provider's."""
    message: str | None = None
    """None: the provider's."""
    is_unmonitored: bool = False


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The authenticated (key, user, group) of one exchange."""

    key: ApiKey
    user: User
    group: Group
