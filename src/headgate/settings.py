"""Boot configuration: defaults < YAML file < environment; frozen once loaded.

Environment: `HEADGATE_<SECTION>__<KEY>`, and the short forms HEADGATE_DATA_DIR, _DATABASE_URL, _REDIS_URL,
_SECRET_KEY, _ADMIN_EMAIL, _ADMIN_PASSWORD, _RUN_MODE; SIMPLE_MODE_CONFIRM also without the prefix. Only this
module reads the environment. Every limit and timeout of the system has its name, default and reason here
(DESIGN 9.4). A bad value stops the start with one line: key, problem, remedy.
"""

import os
import re
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from headgate.errors import StartupError
from headgate.kit.fail_points import FailPoints
from headgate.kit.secret import Secret


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads a bare `yes` as true, which would pass as the number 1."""
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation in (int, float):
            raise ValueError("should be a number")
        return value


class ServerSettings(_Section):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    workers: int = Field(1, ge=1, le=64)
    """Processes on the port; more than one needs Redis and PostgreSQL."""
    mode: Literal["release", "debug"] = "release"
    """`debug`: a trial on one machine; simple mode then needs no confirmation."""
    public_url: str = ""
    """Base of links we print or mail. Never taken from the Host header (PAINS S4)."""
    metrics_access: Literal["local", "open"] = "local"
    """Who may read /metrics: only unproxied requests from this machine, or everybody who reaches the port."""
    trusted_proxies: tuple[str, ...] = ()
    """CIDRs whose X-Forwarded-For is believed; empty = none (spec 9.3)."""
    header_timeout_s: float = Field(30, gt=0)
    """From connect (or the end of the previous answer plus first byte) to complete headers: slow-loris guard
    (spec 9.2)."""
    header_limit_bytes: int = Field(64 * 1024, ge=1024)
    """All header lines together; nginx allows 32 KiB, node 16 KiB; Codex metadata headers are large."""
    header_limit_count: int = Field(200, ge=10)
    keepalive_s: float = Field(120, gt=0)
    body_timeout_s: float = Field(60, gt=0)
    """Longest silence inside an upload."""
    upload_timeout_s: float = Field(300, gt=0)
    """Longest whole upload: 256 MiB at 1 MB/s."""
    shutdown_grace_s: float = Field(20, ge=0)
    """How long running streams may finish after SIGTERM."""
    max_connections: int = Field(10_000, ge=1)


class DatabaseSettings(_Section):
    url: Secret | None = None
    """`sqlite:///PATH` or `postgresql://user:password@host:port/name`; none = `<data-dir>/headgate.db`."""
    pool_size: int = Field(5, ge=1, le=200)
    statement_timeout_s: float = Field(10, gt=0)
    commit_timeout_s: float = Field(5, gt=0)
    """Longest wait for a group commit before a request is refused or flagged."""
    sqlite_synchronous: Literal["normal", "full"] = "normal"
    """`normal` survives kill -9; `full` also survives power loss, at one fsync per group (ADR on
    settlement)."""

    @field_validator("url", mode="before")
    @classmethod
    def _wrap(cls, value: Any) -> Any:
        return Secret(value) if isinstance(value, str) else value


class RedisSettings(_Section):
    url: Secret | None = None
    """`redis://[:password@]host:port/db`; none = in-process state (one process)."""
    deadline_s: float = Field(0.5, gt=0)

    @field_validator("url", mode="before")
    @classmethod
    def _wrap(cls, value: Any) -> Any:
        return Secret(value) if isinstance(value, str) else value


class UrlAllowlistSettings(_Section):
    """The address guard (DESIGN 1.6, spec 9.3): strict unless told otherwise."""

    allow_private_hosts: bool = False
    allow_insecure_http: bool = False
    upstream_hosts: tuple[str, ...] = ()
    """When not empty, only these hosts (exact or `*.suffix`) may be upstreams."""
    pricing_hosts: tuple[str, ...] = ()
    """The same for the price file and its hash (spec 4.4)."""
    dns_timeout_s: float = Field(5, gt=0)
    dns_ttl_s: float = Field(60, gt=0)


class CorsSettings(_Section):
    """Pages of other origins that may call from a browser (spec 9.3)."""

    allowed_origins: tuple[str, ...] = ()
    """Such as `https://console.example.com`; `*`: every page, without credentials."""
    allow_credentials: bool = True


class SecuritySettings(_Section):
    url_allowlist: UrlAllowlistSettings = UrlAllowlistSettings()


class ScoreWeightSettings(_Section):
    priority: float = Field(1.0, ge=0, allow_inf_nan=False)
    load: float = Field(1.0, ge=0, allow_inf_nan=False)
    queue: float = Field(0.7, ge=0, allow_inf_nan=False)
    error_rate: float = Field(0.8, ge=0, allow_inf_nan=False)
    ttft: float = Field(0.5, ge=0, allow_inf_nan=False)
    """Time to the first token."""

    @model_validator(mode="after")
    def _something_must_count(self) -> Self:
        if not any((self.priority, self.load, self.queue, self.error_rate, self.ttft)):
            raise ValueError("at least one weight must be greater than 0")
        return self


class SchedulingSettings(_Section):
    """Of groups with `scheduling_policy: scored` (docs/operations/scheduling.md), and pacing."""

    lb_top_k: int = Field(7, ge=1)
    """Among how many of the best accounts the draw is made."""
    scheduler_score_weights: ScoreWeightSettings = ScoreWeightSettings()
    background_reserve_percent: int = Field(10, ge=0, le=100)
    """Of a provider's quota window, kept for keys of normal priority: background keys use the window no
    faster than it lasts, less this. 100 = they leave an account alone once a tenth of a window is used."""


class StickinessSettings(_Section):
    """What staying with a conversation's warm cache is weighed against (docs/operations/scheduling.md)."""

    wait_usd_per_hour: float = Field(10, ge=0, le=1_000_000, allow_inf_nan=False)
    """What an hour of somebody's waiting is worth: for queues, slow first tokens and errors. 0 = time costs
    nothing, so that only scarce quota and bad health end a stay."""
    unhealthy_error_rate: float = Field(0.5, gt=0, allow_inf_nan=False)
    """Error rate of late from which no cache keeps a conversation, if another account does better; above 1 =
    never."""
    scarce_requests: int = Field(20, ge=0)
    """An account whose own quota covers fewer requests like this one is spared; 0 = never."""


class GatewaySettings(_Section):
    max_body_size: int = Field(256 * 1024 * 1024, ge=1024)
    """Request body on gateway routes (spec 9.2)."""
    body_memory_budget: int = Field(1024 * 1024 * 1024, ge=1024)
    """All request bodies held at once; beyond it new uploads are refused with 503."""
    upstream_response_read_max_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """Non-streamed answers are held until they are booked; images in base64 need more than the reference's 8
    MiB."""
    upstream_error_body_max_bytes: int = Field(64 * 1024, ge=1024)
    max_line_size: int = Field(64 * 1024 * 1024, ge=1024 * 1024)
    """Longest SSE event that is metered; inline images make long lines."""
    connect_timeout_s: float = Field(10, gt=0)
    response_header_timeout_s: float = Field(600, gt=0)
    """Non-streamed answers of reasoning models take minutes before the first byte (spec 9.2)."""
    stream_idle_timeout_s: float = Field(180, gt=0)
    stream_total_timeout_s: float = Field(3600, gt=0)
    stream_keepalive_interval_s: float = Field(10, ge=0)
    """Silence after which a ping of the dialect is sent; 0 = never."""
    client_write_timeout_s: float = Field(60, gt=0)
    """A client that does not read for this long is treated as gone."""
    drain_timeout_s: float = Field(120, ge=0)
    """After the client left, how long upstream is read on to learn the true usage."""
    finish_grace_s: float = Field(2, ge=0)
    """After the terminal event, how long the connection may take to close before the answer is booked and
    ended."""
    max_account_switches: int = Field(10, ge=0)
    max_account_switches_gemini: int = Field(3, ge=0)
    max_same_account_retries: int = Field(1, ge=0)
    unavailable_pause_s: float = Field(2.0, ge=0)
    """When all accounts have been tried and the last one answered 503: before all may be tried once more, for
    such trouble is mostly over in seconds; 0 = never (spec 3.9)."""
    max_failed_cost_usd: float = Field(5.0, ge=0)
    """What failed attempts of one request may cost before no other account is tried; 0 = no bound. A prompt
    of a million tokens costs a few dollars each time that a provider reads it in vain."""
    failover_on_400: bool = False
    """Whether a 400 that speaks of beta features, thinking, signatures or tools is tried on another
    account."""
    user_wait_timeout_s: float = Field(30, gt=0)
    user_max_waiting: int = Field(20, ge=0)
    account_wait_timeout_s: float = Field(30, gt=0)
    account_max_waiting: int = Field(100, ge=0)
    sticky_wait_timeout_s: float = Field(120, gt=0)
    sticky_max_waiting: int = Field(3, ge=0)
    sticky_ttl_s: int = Field(3600, ge=1)
    scheduling: SchedulingSettings = SchedulingSettings()
    stickiness: StickinessSettings = StickinessSettings()
    rate_limit_default_cooldown_s: int = Field(300, ge=1)
    """429 without any reset information (spec 3.10)."""
    overload_cooldown_s: int = Field(600, ge=0)
    unreachable_cooldown_s: int = Field(10, ge=0)
    failing_cooldown_s: int = Field(60, ge=0)
    """How long an account is avoided after three conversations in a row broke on it (5xx, timeouts, cuts,
    nonsense); 0 = never."""


class LimitsSettings(_Section):
    reservation_ttl_s: int = Field(120, ge=5)
    """Money that a process held comes back this long after its death; a living one renews what it holds."""
    first_output_slice_tokens: int = Field(1024, ge=1)
    """Output tokens of a stream that are reserved at admission (at most the request's own limit), until the
    key's own answers by the model have taught how many it takes; also the step by which a running stream's
    reservation grows."""
    unstated_output_tokens: int = Field(16_384, ge=1)
    """Output tokens reserved for an answer in one piece whose request states no limit."""
    min_output_tokens: int = Field(128, ge=1)
    """With less output than this (or than the request's own, smaller limit) to be paid for, a request is
    refused."""
    held_money_wait_s: float = Field(10, ge=0)
    """How long a request waits when only what others have reserved keeps it from being covered."""
    slot_lease_s: int = Field(15, ge=3)
    """Slots of a crashed process come back after this long."""
    process_ttl_s: float = Field(30, ge=1)
    """A process that is silent for this long is dead: another one completes its open intents."""
    sweep_interval_s: float = Field(15, gt=0)
    """Between two looks for dead processes and expired reservations."""


class CircuitBreakerSettings(_Section):
    """Refuse at once while money can be neither read nor booked (spec 4.6)."""

    enabled: bool = True
    failure_threshold: int = Field(5, ge=1)
    """Failures in a row of database or shared state, at admission or at the intent, that open it."""
    reset_timeout_s: float = Field(30, gt=0)
    """How long everybody is refused before a few may try."""
    half_open_requests: int = Field(3, ge=1)
    """How many may try; the first success lets everybody in, the first failure refuses everybody again."""


class BillingSettings(_Section):
    circuit_breaker: CircuitBreakerSettings = CircuitBreakerSettings()


class PricingSettings(_Section):
    unknown_model: Literal["refuse", "default"] = "default"
    default_input_usd_per_mtok: float = Field(10.0, ge=0)
    default_output_usd_per_mtok: float = Field(50.0, ge=0)
    """Price of models that nobody knows; such records are flagged (never silently zero, DESIGN 5)."""
    file: Path | None = None
    """A LiteLLM-format price file that overrides the bundled prices; read again when it changed."""
    url: str = ""
    """The same from the network; one of the two."""
    hash_url: str = ""
    """Text that holds the SHA-256 of the file at `url`: then only a file with this hash is used, and it is
    fetched only when the hash changed."""
    refresh_interval_s: float = Field(3600, ge=10)
    """How often one of the processes looks for a newer file (the origin: hash every 10 min, file daily)."""
    max_file_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """LiteLLM's own file has 1.5 MB; what is larger is cut off while it comes."""
    download_timeout_s: float = Field(30, gt=0)
    """For the file and for its hash, from the name lookup to the last byte."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.url and self.file:
            raise ValueError("url and file exclude each other; set one")
        if self.hash_url and not self.url:
            raise ValueError("hash_url needs url")
        return self


class AuthSettings(_Section):
    access_token_s: int = Field(24 * 3600, ge=60, le=366 * 24 * 3600)
    refresh_token_s: int = Field(30 * 24 * 3600, ge=60, le=366 * 24 * 3600)
    """How long a session lasts that nobody refreshes, but never less than its access token."""
    embed_ticket_s: int = Field(300, ge=10, le=24 * 3600)
    """How long an embedded page knows its user by a ticket; it must ask in that time."""
    refresh_grace_s: float = Field(10, ge=0, le=300)
    """A used refresh token that comes again this soon is a client asking twice; later it is a stolen one."""
    refresh_limit_per_minute: int = Field(30, ge=1)
    """Refreshes from one address, and of one user."""
    login_limit_per_minute: int = Field(20, ge=1)
    login_failures_per_account: int = Field(10, ge=1)
    """Failed logins of one account within 15 minutes before it is locked for the rest of them."""
    password_change_limit_per_minute: int = Field(10, ge=1)
    """Attempts from one address; wrong old passwords count as failed logins of the account as well."""
    register_limit_per_minute: int = Field(5, ge=1)
    """From one address, each: registrations, letters asked for, passwords reset."""
    turnstile_url: str = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    """Who judges Turnstile tokens."""
    turnstile_required: bool = False
    """Refuse logins and registrations in release mode while Turnstile is not set up."""
    private_identity_hosts: tuple[str, ...] = ()
    """Hosts of identity providers that may have private addresses and speak plain HTTP; all others must be
    public and speak HTTPS."""
    identity_timeout_s: float = Field(15, gt=0)
    """For one answer of an identity provider or of Turnstile."""
    min_password_chars: int = Field(8, ge=6, le=64)
    """Of new passwords."""
    code_check_limit_per_minute: int = Field(10, ge=1)
    """Checks of promo and invitation codes from one address before anybody has registered."""
    api_key_prefix: str = "sk-"
    default_user_concurrency: int = 5
    default_user_balance_usd: float = Field(0, ge=0)
    default_rate_multiplier: float = Field(1.0, ge=0)


class IdempotencySettings(_Section):
    """Idempotency-Key of management writes (spec 7.15)."""

    observe_only: bool = True
    """Whether a write that takes an Idempotency-Key may come without one."""
    ttl_s: int = Field(24 * 3600, ge=60)
    """How long an answer is repeated."""
    lock_s: int = Field(30, ge=1)
    """A call that is silent for this long has died: another one with its key may run."""
    retry_backoff_s: int = Field(5, ge=0)
    """After a failure the same key is refused for this long."""
    max_answer_bytes: int = Field(64 * 1024, ge=1024)
    """Largest kept answer, compressed; 500 generated codes need about 25 KiB."""
    cleanup_interval_s: float = Field(60, gt=0)
    cleanup_batch_size: int = Field(500, ge=1)


class AuditSettings(_Section):
    """The log of management work (`GET /api/v1/admin/audit-log`)."""

    retention_days: int = Field(365, ge=0, le=36_500)
    """Entries older than this are deleted; 0 keeps all of them."""
    cleanup_interval_s: float = Field(3600, gt=0)
    """A row is a few hundred bytes: an hour late costs nothing."""


class TraceSettings(_Section):
    """The stories of requests (`GET /api/v1/admin/requests/{id}/explain`)."""

    retention_days: int = Field(30, ge=0, le=36_500)
    """Older traces are deleted, records and ledger lines stay; 0 keeps all of them. A trace has 1 to 5 KB: 30
    days of 100,000 requests a day are about 6 GB."""
    cleanup_interval_s: float = Field(3600, gt=0)


class WebhookSettings(_Section):
    """Events told to other programs (`/api/v1/admin/webhooks`)."""

    balance_low_usd: float = Field(1.0, ge=0, le=1_000_000)
    """Whoever's balance falls below this is told of."""
    private_hosts: tuple[str, ...] = ()
    """Receivers that may be on private networks and without TLS."""
    retention_days: int = Field(30, ge=0, le=3_650)
    """Events and deliveries older than this are deleted, and can no longer be sent again; 0 keeps them."""


class AlertSettings(_Section):
    """What does not work as it should (`/admin/degradations`), told to webhooks and to administrators."""

    after_s: float = Field(60, ge=0, le=86_400)
    """What ends sooner is not told; a provider that is busy for seconds is no alert."""
    mail: bool = True
    """Letters about what only an operator ends, and about groups that nobody can serve; where a mail server
    is set."""
    recipients: tuple[str, ...] = ()
    """Empty: the active administrators."""


class ProxyProbeSettings(_Section):
    """What is asked through an egress proxy when an administrator tests it, and never otherwise."""

    exit_urls: tuple[str, ...] = (
        "http://ip-api.com/json/?fields=status,message,country,countryCode,regionName,city,query",
        "https://httpbin.org/ip",
    )
    """Who tells the address that the proxy goes out by, the next when one does not answer. Nothing but the
    request goes there; plain HTTP is allowed here."""
    targets: dict[str, str] = Field(
        default_factory=lambda: {
            "openai": "https://api.openai.com/v1/models",
            "anthropic": "https://api.anthropic.com/v1/models",
            "gemini": "https://generativelanguage.googleapis.com/v1beta/models",
        }
    )
    """Asked without a credential by the quality check: a refusal shows that the way is open."""
    timeout_s: float = Field(10, gt=0, le=60)
    """Of each of them; a proxy that takes longer is of no use to a stream."""
    subscription_timeout_s: float = Field(15, gt=0, le=120)
    """Of the download of a list of proxies."""


class EventSettings(_Section):
    """Live event streams of open pages (`GET /api/v1/events`)."""

    max_per_user: int = Field(12, ge=1)
    """Streams of one user on all workers: hidden pages close theirs, so this is a dozen windows in sight."""
    max_per_process: int = Field(1_000, ge=1)
    """A stream costs some 60 KiB and one wake-up per change."""
    interval_s: float = Field(1.0, gt=0)
    """Between two looks at the state while anybody listens; one look serves all streams of a process."""


class MailSettings(_Section):
    """How mail is handed over; server, sender and password are settings of the running gateway."""

    timeout_s: float = Field(20, gt=0)
    """For one letter, from the name lookup to the server's last word; greylisting servers take their time."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the machine's, for a mail server of one's own."""
    max_attempts: int = Field(30, ge=1, le=1000)
    """For one letter; letters with codes or links end when those do, whichever is first."""
    retry_delay_s: float = Field(5, ge=0)
    """Before the second attempt; doubled with every further one, up to 15 minutes."""
    max_waiting: int = Field(500, ge=1)
    """Letters that may wait in the database; beyond it EMAIL_QUEUE_FULL."""
    failed_retention_days: int = Field(7, ge=0)
    """How long letters that could not be sent are listed, without their contents."""


class LogSettings(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """All of it. Build with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix="HEADGATE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
    )

    data_dir: Path = Path("./data")
    secret_key: Secret | None = None
    """32 bytes as 64 hex digits; none = generated once into `<data-dir>/secret.key` (0600)."""
    admin_email: str = "admin@headgate.local"
    admin_password: Secret | None = None
    timezone: str = "UTC"
    run_mode: Literal["standard", "simple"] = "standard"
    """`simple`: usage is recorded and nobody is charged; no balance, quota or subscription is asked for (spec
    7.9)."""
    simple_mode_confirm: bool = False
    """Must be true to serve in simple mode while `server.mode` is release; SIMPLE_MODE_CONFIRM means the
    same."""
    fail_point: str = ""
    """Only for tests, only from the environment: `name` or `name:hits` of a step at which this process kills
    itself, as a crash would (docs/operations/crash-tests.md)."""
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    security: SecuritySettings = SecuritySettings()
    cors: CorsSettings = CorsSettings()
    gateway: GatewaySettings = GatewaySettings()
    limits: LimitsSettings = LimitsSettings()
    billing: BillingSettings = BillingSettings()
    pricing: PricingSettings = PricingSettings()
    auth: AuthSettings = AuthSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    audit: AuditSettings = AuditSettings()
    trace: TraceSettings = TraceSettings()
    events: EventSettings = EventSettings()
    mail: MailSettings = MailSettings()
    webhooks: WebhookSettings = WebhookSettings()
    alerts: AlertSettings = AlertSettings()
    proxy_probe: ProxyProbeSettings = Field(default_factory=ProxyProbeSettings)
    log: LogSettings = LogSettings()

    @field_validator("secret_key", "admin_password", mode="before")
    @classmethod
    def _wrap(cls, value: Any) -> Any:
        return Secret(value) if isinstance(value, str) else value

    @field_validator("fail_point")
    @classmethod
    def _known_fail_point(cls, value: str) -> str:
        FailPoints.parse(value)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)


INSTALLED_FILE = "headgate.yaml"
"""In the data directory: read when no other configuration file is named."""
_SHORT_FORMS = {"HEADGATE_DATABASE_URL": ("database", "url"), "HEADGATE_REDIS_URL": ("redis", "url")}
_CONFIRMATION = "SIMPLE_MODE_CONFIRM"
"""Understood without our prefix: the name that operators of comparable gateways know (spec 7.9)."""


def load_settings(config_file: Path | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """Read file and environment, then `overrides` (command-line options, highest). Raises `StartupError`."""
    config_file = config_file or _installed_file(overrides or {})
    values = _read_yaml(config_file) if config_file else {}
    if "fail_point" in values:
        raise StartupError(f"config file {config_file}: fail_point is for tests only; remove it")
    for variable, (section, key) in _SHORT_FORMS.items():
        if variable in os.environ:
            part = values.get(section)
            if part is None or isinstance(part, dict):  # else: validation says what is wrong with the section
                values[section] = {**(part or {}), key: os.environ[variable]}
    if _CONFIRMATION in os.environ:
        values[_CONFIRMATION.lower()] = os.environ[_CONFIRMATION]
    try:
        settings = Settings(**values)
        return _override(settings, overrides or {})
    except ValidationError as error:
        raise StartupError(_explain(error)) from None
    except SettingsError as error:
        raise StartupError(_explain_unreadable(str(error))) from None


def _installed_file(overrides: dict[str, Any]) -> Path | None:
    """What `headgate setup` left in the data directory, which only environment and command line name."""
    folder = overrides.get("data_dir") or os.environ.get("HEADGATE_DATA_DIR") or Path("./data")
    path = Path(folder) / INSTALLED_FILE
    return path if path.is_file() else None


def _override(settings: Settings, overrides: dict[str, Any]) -> Settings:
    for name, value in overrides.items():
        if value is None:
            continue
        section, _, key = name.partition(".")
        if not key:
            settings = Settings.model_construct(**{**dict(settings), section: value})
            continue
        part = getattr(settings, section)
        try:
            checked = type(part).model_validate({**dict(part), key: value})
        except ValidationError as error:
            raise StartupError(_explain(error, section=section)) from None
        settings = Settings.model_construct(**{**dict(settings), section: checked})
    return settings


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise StartupError(
            f"config file {path}: {error.strerror}; pass an existing file with --config"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise StartupError(f"config file {path}: not valid YAML{where}; fix the file") from None
    if not isinstance(data, dict):
        raise StartupError(f"config file {path}: the top level must be a mapping of sections")
    return data


def _explain(error: ValidationError, *, section: str = "") -> str:
    """One line: the key, the value's problem, the remedy. Values of secret keys are not shown."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in ((section,) if section else ()) + first["loc"])
    is_secret = any(word in key for word in ("secret", "password", "url"))
    is_whole_section = first["type"].startswith("model_")  # may hold secrets of any key below
    shown = "" if is_secret or is_whole_section else f" (value {first.get('input')!r:.80})"
    variable = "HEADGATE_" + key.replace(".", "__").upper()
    remedy = "remove it: there is no such key" if first["type"] == "extra_forbidden" else "correct it"
    return f"configuration {key}: {first['msg']}{shown}; {remedy} in the config file or in {variable}"


def _explain_unreadable(text: str) -> str:
    """A section or list given as one variable that is not JSON; the value is not shown."""
    section = next(iter(re.findall(r'field "([^"]+)"', text)), "")
    prefix = f"HEADGATE_{section.upper()}"
    given = ", ".join(sorted(name for name in os.environ if name.upper().startswith(prefix)))
    return (
        f'configuration {section}: cannot read {given}; write a list like ["a", "b"] and a single key as'
        f" {prefix}__<KEY>"
    )
