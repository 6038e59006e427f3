"""From rows to the values of `core.world`: the only place that opens sealed credentials for the data plane.

An account that cannot be read (wrong master key, damaged blob, unknown platform or type) never stops the
others: it is logged and left out, or shown as not schedulable.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote

import structlog

from headgate.core.ids import AccountId, GroupId, KeyId, ProxyId, SubscriptionId, UserId
from headgate.core.limits.account_limits import limits_from
from headgate.core.limits.fair_share import sharing_from
from headgate.core.limits.model_rates import model_rates_from
from headgate.core.limits.rate_limit import UNLIMITED_RATE, RateLimit
from headgate.core.limits.windows import is_over
from headgate.core.pricing.book import Dates
from headgate.core.pricing.catalogue import Dated
from headgate.core.pricing.price import Price, Tariff, rates_of
from headgate.core.routing.account_policy import policy_from
from headgate.core.routing.model_routing import routes_from
from headgate.core.world import (
    Account,
    AccountQuota,
    ApiKey,
    CredentialKind,
    DisconnectPolicy,
    EgressProxy,
    ErrorRule,
    Group,
    KeyWindow,
    OffBecause,
    OverrunPolicy,
    Provider,
    QuotaBasis,
    SchedulingPolicy,
    Subscription,
    UnknownPrice,
    User,
)
from headgate.kit import json
from headgate.kit.crypto import SealBroken, Vault
from headgate.kit.secret import Secret
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS, WINDOW_MS
from headgate.storage.models import (
    AccountRow,
    ApiKeyRow,
    ErrorRuleRow,
    GroupRow,
    PriceOverrideRow,
    ProxyRow,
    SubscriptionRow,
    UserRow,
)

log = structlog.get_logger(__name__)

E = TypeVar("E", bound=StrEnum)

ACCOUNT_CONTEXT = "account.credentials"
PROXY_CONTEXT = "proxy.password"

DEFAULT_BASE_URLS: Mapping[Provider, str] = {
    Provider.ANTHROPIC: "https://api.anthropic.com",
    Provider.OPENAI: "https://api.openai.com",
    Provider.GEMINI: "https://generativelanguage.googleapis.com",
}
"""Where an account without a `base_url` goes (spec 1.4)."""
_SECRET_FIELDS = {CredentialKind.API_KEY: "api_key", CredentialKind.BEARER: "access_token"}


def group_from(row: GroupRow) -> Group | None:
    """None for a platform that this version does not serve."""
    if row.platform not in set(Provider):
        return None
    pictures = {"1K": row.image_price_1k_nano, "2K": row.image_price_2k_nano, "4K": row.image_price_4k_nano}
    return Group(
        id=GroupId(row.id),
        name=row.name,
        provider=Provider(row.platform),
        charge_multiplier=row.charge_multiplier,
        is_active=row.status == "active",
        is_exclusive=row.is_exclusive,
        is_subscription=row.subscription_type == "subscription",
        daily_limit_nano=max(row.daily_limit_nano or 0, 0),
        weekly_limit_nano=max(row.weekly_limit_nano or 0, 0),
        monthly_limit_nano=max(row.monthly_limit_nano or 0, 0),
        disconnect_policy=_known(row.disconnect_policy, DisconnectPolicy.DRAIN),
        overrun_policy=_known(row.overrun_policy, OverrunPolicy.STRICT),
        overdraft_limit_nano=max(row.overdraft_limit_nano, 0),
        unknown_price=_known(row.unknown_price, UnknownPrice.INHERIT),
        quota_basis=_known(row.quota_basis, QuotaBasis.CHARGE),
        rate=rate_from(row),
        image_prices_nano={size: price for size, price in pictures.items() if price is not None},
        scheduling_policy=_known(row.scheduling_policy, SchedulingPolicy.LAYERED),
        is_claude_code_only=row.claude_code_only,
        fallback=_group_id(row.fallback_group_id),
        too_long_fallback=_group_id(row.fallback_group_id_on_invalid_request),
        sharing=sharing_from(row.fair_sharing),
        model_rates=model_rates_from(row.model_limits),
        model_routes=routes_from(row.model_routing) if row.model_routing_enabled else {},
    )


def error_rule_from(row: ErrorRuleRow) -> ErrorRule:
    known = set(Provider)
    return ErrorRule(
        id=row.id,
        codes=frozenset(row.error_codes),
        keywords=tuple(word.lower() for word in row.keywords),
        needs_both=row.match_mode == "all",
        providers=frozenset(Provider(name) for name in row.platforms if name in known),
        status=None if row.passthrough_code else row.response_code,
        message=None if row.passthrough_body else row.custom_message,
        is_unmonitored=row.skip_monitoring,
    )


def account_from(
    row: AccountRow, *, group_ids: Iterable[int], proxy: ProxyRow | None, vault: Vault
) -> Account | None:
    """None for a platform or credential kind that this version does not serve."""
    if row.platform not in set(Provider) or row.type not in set(CredentialKind):
        log.warning("account_not_served", account_id=row.id, platform=row.platform, type=row.type)
        return None
    provider, kind = Provider(row.platform), CredentialKind(row.type)
    secret = _account_secret(row, kind, vault)
    open_part: Mapping[str, Any] = row.credentials_open or {}
    expires_at = row.expires_at if row.auto_pause_on_expired else None
    off = _off_because(row, has_secret=bool(secret))
    return Account(
        id=AccountId(row.id),
        name=row.name,
        provider=provider,
        credential_kind=kind,
        secret=secret,
        base_url=(open_part.get("base_url") or DEFAULT_BASE_URLS[provider]).rstrip("/"),
        proxy=None if proxy is None else proxy_from(proxy, vault),
        priority=row.priority,
        concurrency=row.concurrency,
        load_factor=row.load_factor,
        cost_multiplier=row.cost_multiplier,
        model_mapping=dict(open_part.get("model_mapping") or {}),
        group_ids=frozenset(GroupId(group_id) for group_id in group_ids),
        is_schedulable=off is OffBecause.NOTHING,
        off_because=off,
        expires_at_ms=ms(expires_at),
        cooldown_until_ms=max(ms(row.rate_limit_reset_at) or 0, ms(row.temp_unschedulable_until) or 0),
        overloaded_until_ms=ms(row.overload_until) or 0,
        quota=quota_from(row),
        is_passthrough=kind is CredentialKind.API_KEY
        and (row.extra or {}).get("anthropic_passthrough") is True,
        answers_warm_ups=open_part.get("intercept_warmup_requests") is True,
        policy=policy_from(open_part),
        limits=limits_from(row.extra or {}),
    )


def _off_because(row: AccountRow, *, has_secret: bool) -> OffBecause:
    """An error mark first: it is news, the others somebody has chosen."""
    if row.status == "error":
        return OffBecause.ERROR
    if row.status != "active" or not row.schedulable:
        return OffBecause.SWITCHED_OFF
    return OffBecause.NOTHING if has_secret else OffBecause.NO_CREDENTIAL


def quota_from(row: AccountRow) -> AccountQuota | None:
    """None: the account may cost as much as it likes."""
    limits = (row.quota_limit_nano, row.quota_daily_limit_nano, row.quota_weekly_limit_nano)
    if max(limits) <= 0:
        return None
    return AccountQuota(
        total_nano=max(row.quota_limit_nano, 0),
        daily_nano=max(row.quota_daily_limit_nano, 0),
        weekly_nano=max(row.quota_weekly_limit_nano, 0),
        daily_is_fixed=row.quota_daily_reset_mode == "fixed",
        daily_hour=row.quota_daily_reset_hour,
        weekly_is_fixed=row.quota_weekly_reset_mode == "fixed",
        weekly_day=row.quota_weekly_reset_day,
        weekly_hour=row.quota_weekly_reset_hour,
        timezone=row.quota_reset_timezone,
    )


def rate_from(row: GroupRow | UserRow | ApiKeyRow) -> RateLimit:
    if row.rpm_limit <= 0 and row.tpm_limit <= 0:
        return UNLIMITED_RATE
    return RateLimit(requests=max(row.rpm_limit, 0), tokens=max(row.tpm_limit, 0))


def proxy_from(row: ProxyRow, vault: Vault) -> EgressProxy:
    """Plain socks5 becomes socks5h: names are resolved at the proxy (spec 1.10). An unreadable password
    makes the proxy inactive, which closes the account: it must not go out another way."""
    password, is_readable = _proxy_password(row, vault)
    login = quote(row.username, safe="")
    if password:
        login += ":" + quote(password, safe="")
    scheme = "socks5h" if row.protocol == "socks5" else row.protocol
    host = f"[{row.host}]" if ":" in row.host else row.host
    url = f"{scheme}://{login}@{host}:{row.port}" if login else f"{scheme}://{host}:{row.port}"
    is_active = row.status == "active" and row.deleted_at is None and is_readable
    return EgressProxy(id=ProxyId(row.id), url=Secret(url), is_active=is_active)


def key_from(row: ApiKeyRow, *, secret_until: datetime | None = None) -> ApiKey:
    limits = {"5h": row.limit_5h_nano, "1d": row.limit_1d_nano, "7d": row.limit_7d_nano}
    return ApiKey(
        id=KeyId(row.id),
        user_id=UserId(row.user_id),
        name=row.name,
        group_id=None if row.group_id is None else GroupId(row.group_id),
        status=row.status,
        expires_at_ms=ms(row.expires_at),
        secret_until_ms=ms(secret_until),
        quota_nano=row.quota_nano,
        windows=tuple(
            KeyWindow(name=name, length_ms=WINDOW_MS[name], limit_nano=limit)
            for name, limit in limits.items()
            if limit > 0
        ),
        ip_allow=tuple(row.ip_whitelist or ()),
        ip_deny=tuple(row.ip_blacklist or ()),
        concurrency=max(row.concurrency, 0),
        is_background=row.priority == "background",
        rate=rate_from(row),
        model_rates=model_rates_from(row.model_limits),
    )


def subscription_from(row: SubscriptionRow) -> Subscription:
    return Subscription(
        id=SubscriptionId(row.id),
        group_id=GroupId(row.group_id),
        status=row.status,
        starts_at_ms=ms(row.starts_at) or 0,
        expires_at_ms=ms(row.expires_at) or 0,
    )


def user_from(
    row: UserRow, multipliers: Mapping[int, int], subscriptions: Iterable[SubscriptionRow] = ()
) -> User:
    return User(
        id=UserId(row.id),
        is_active=row.status == "active",
        concurrency=row.concurrency,
        group_multipliers={GroupId(group_id): value for group_id, value in multipliers.items()},
        subscriptions={GroupId(row.group_id): subscription_from(row) for row in subscriptions},
        rate=rate_from(row),
    )


def overrides_from(rows: Iterable[PriceOverrideRow]) -> dict[str, Dates]:
    """The dated prices of each model, ascending by date."""
    found: dict[str, list[Dated]] = {}
    for row in rows:
        dated = Dated(from_ms=ms(row.effective_from) or 0, price=price_from(row))
        found.setdefault(row.model.lower(), []).append(dated)
    return {model: tuple(sorted(dated, key=lambda d: d.from_ms)) for model, dated in found.items()}


def price_from(row: PriceOverrideRow) -> Price:
    """Cache and audio buckets without a price of their own cost what plain input and output cost."""
    rates = rates_of(
        input=row.input_nano,
        output=row.output_nano,
        cache_read=row.cache_read_nano,
        cache_write_5m=row.cache_write_5m_nano,
        cache_write_1h=row.cache_write_1h_nano,
        audio_input=row.audio_input_nano,
        audio_output=row.audio_output_nano,
    )
    return Price(
        standard=Tariff(rates=rates),
        image=row.image_nano,
        image_2k=row.image_2k_nano,
        image_4k=row.image_4k_nano,
        web_search=row.web_search_nano,
    )


def window_used(row: ApiKeyRow, name: str, now_ms: int) -> tuple[int, int | None]:
    """Nano-USD used in a window and its start; (0, None) when the window is over or has not begun."""
    started_ms = ms(getattr(row, f"window_{name}_start"))
    if started_ms is None or is_over(started_ms, WINDOW_MS[name], now_ms):
        return 0, None
    used: int = getattr(row, f"used_{name}_nano")
    return used, started_ms


def subscription_used(row: SubscriptionRow, name: str, now_ms: int) -> tuple[int, int | None]:
    """The same for a subscription's `daily`, `weekly` or `monthly` window."""
    started_ms = ms(getattr(row, f"{name}_window_start"))
    if started_ms is None or is_over(started_ms, SUBSCRIPTION_WINDOW_MS[name], now_ms):
        return 0, None
    used: int = getattr(row, f"{name}_used_nano")
    return used, started_ms


def account_quota_used(row: AccountRow, name: str, now_ms: int) -> tuple[int, int | None]:
    """Nano-USD used of an account's `quota`, `daily` or `weekly` limit, and when it begins anew (None: never,
    or no window is running)."""
    if name == "quota":
        return row.quota_used_nano, None
    starts_ms, ends_ms = (ms(getattr(row, f"quota_{name}_{edge}")) for edge in ("start", "end"))
    if ends_ms is None or ends_ms <= now_ms:
        return 0, None
    if starts_ms is not None and starts_ms > now_ms + SUBSCRIPTION_WINDOW_MS[name]:  # see `is_over`
        return 0, None
    used: int = getattr(row, f"quota_{name}_used_nano")
    return used, ends_ms


def ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _group_id(value: int | None) -> GroupId | None:
    return GroupId(value) if value else None


def _known(value: str, default: E) -> E:
    """The member of the default's enum with this value; the default for one that this version does not
    know."""
    kind = type(default)
    return kind(value) if value in set(kind) else default


def _account_secret(row: AccountRow, kind: CredentialKind, vault: Vault) -> Secret:
    try:
        sealed = json.loads(vault.unseal(row.credentials_sealed, context=ACCOUNT_CONTEXT))
    except (SealBroken, json.JSONDecodeError):
        log.error("account_credentials_unreadable", account_id=row.id, remedy="was the secret key changed?")
        return Secret("")
    value = sealed.get(_SECRET_FIELDS[kind]) if isinstance(sealed, dict) else None
    return Secret(value if isinstance(value, str) else "")


def _proxy_password(row: ProxyRow, vault: Vault) -> tuple[str, bool]:
    if row.password_sealed is None:
        return "", True
    try:
        return vault.unseal(row.password_sealed, context=PROXY_CONTEXT).decode(), True
    except (SealBroken, UnicodeDecodeError):
        log.error("proxy_password_unreadable", proxy_id=row.id, remedy="was the secret key changed?")
        return "", False
