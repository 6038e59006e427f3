"""The values of the world as the data plane sees it: groups, accounts, keys, users. Built by
`storage.read_model`.

Knows: names and shapes. Refuses to know: SQL, secrets in clear for printing (`Secret` cannot be printed).
Invariant: frozen; a change is a new snapshot (GLOSSARY: directory).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from headgate.core.ids import AccountId, GroupId, KeyId, ProxyId, UserId
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    id: ProxyId
    url: Secret
    """`protocol://[user:pass@]host:port`; secret because it can hold a password."""
    is_active: bool = True


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
    expires_at_ms: int | None = None
    cooldown_until_ms: int = 0
    """As stored at the last snapshot; live cooldowns come from the cooldown store."""
    overloaded_until_ms: int = 0
    """The same for overload (529): avoided until then, but used when nobody else is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    id: GroupId
    name: str
    provider: Provider
    charge_multiplier: int = 10_000
    is_active: bool = True
    is_exclusive: bool = False
    is_subscription: bool = False
    disconnect_policy: DisconnectPolicy = DisconnectPolicy.DRAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: UserId
    is_active: bool = True
    concurrency: int = 5
    """Slots; 0 or less = unlimited."""
    group_multipliers: Mapping[GroupId, int] = field(default_factory=dict)
    """Personal multipliers (ten-thousandths) that replace the group's."""


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
    ip_allow: tuple[str, ...] = ()
    ip_deny: tuple[str, ...] = ()


class Caller(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The authenticated (key, user, group) of one exchange."""

    key: ApiKey
    user: User
    group: Group
