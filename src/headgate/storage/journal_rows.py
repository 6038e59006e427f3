"""What the journal writes, as plain tuples in column order: the same rows for both databases.

Texts that come from outside (model names, user agents) are cut to their column and freed from characters that
PostgreSQL cannot store, so that no client can make a group fail. Booleans are 0 or 1: SQLite binds exact
ints fast.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import IntEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headgate.core.ids import AccountId, ExchangeId, GroupId, KeyId, SubscriptionId, UserId
from headgate.core.usage import TokenUsage
from headgate.errors import StartupError
from headgate.kit.clock import instant
from headgate.storage.journal import Intent, OpenIntent, Progress, Settlement

Row = tuple[Any, ...]

INTENT_COLUMNS = (
    "exchange_id", "attempt", "process", "user_id", "key_id", "group_id", "account_id", "dialect", "endpoint",
    "client_model", "upstream_model", "is_stream", "charge_multiplier", "cost_multiplier", "input_estimate",
    "started_at_ms", "subscription_id", "counts_key", "quota_basis",
)  # fmt: skip
KNOWN_COLUMNS = (
    "known_input_tokens", "known_output_tokens", "known_reasoning_tokens", "known_cache_read_tokens",
    "known_cache_write_5m_tokens", "known_cache_write_1h_tokens", "known_image_count",
    "known_audio_input_tokens", "known_audio_output_tokens", "known_web_search_calls", "upstream_request_id",
)  # fmt: skip
"""Columns of an intent that are empty until progress is noted."""
USAGE_COLUMNS = (
    "exchange_id", "attempt", "outcome", "usage_source", "fault", "upstream_request_id", "user_id", "key_id",
    "group_id", "account_id", "dialect", "inbound_endpoint", "upstream_endpoint", "client_model",
    "upstream_model", "served_model", "input_tokens", "output_tokens", "reasoning_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens", "cache_write_1h_tokens", "image_count", "image_size", "audio_input_tokens",
    "audio_output_tokens", "web_search_calls", "input_cost_nano", "output_cost_nano", "cache_read_cost_nano",
    "cache_write_cost_nano", "other_cost_nano", "list_cost_nano", "charge_nano", "account_cost_nano",
    "charge_multiplier", "cost_multiplier", "price_version", "is_price_default", "subscription_id", "review",
    "quarantined", "service_tier", "reasoning_effort", "is_stream", "duration_ms", "first_byte_ms",
    "user_agent", "client_ip", "created_at_ms", "cache_saved_nano", "cache_lost_nano", "moved_because",
)  # fmt: skip
TRACE_COLUMNS = ("exchange_id", "user_id", "trace", "created_at_ms")

HOUR_MS = 3_600_000
WINDOW_MS = {"5h": 5 * HOUR_MS, "1d": 24 * HOUR_MS, "7d": 7 * 24 * HOUR_MS}
"""Length of a key's spending windows from their start (spec 4.5)."""
SUBSCRIPTION_WINDOW_MS = {"daily": 24 * HOUR_MS, "weekly": 7 * 24 * HOUR_MS, "monthly": 30 * 24 * HOUR_MS}
"""Length of a subscription's windows from their start (spec 4.8)."""


class OpKind(IntEnum):
    """What an operation does to the books."""

    INTENT = 1
    SETTLEMENT = 2
    WITHDRAWAL = 3
    """Delete an intent whose caller was told that it is not durable (so it made no upstream call)."""
    TRACE = 4
    MARK = 5
    PROGRESS = 6
    """What the provider has said so far in a long answer, kept on the intent."""


@dataclass(frozen=True, slots=True)
class TraceNote:
    exchange_id: ExchangeId
    user_id: UserId
    trace: bytes
    created_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMark:
    account_id: AccountId
    error: str | None
    rate_limited_until_ms: int | None
    overloaded_until_ms: int | None
    is_recovered: bool = False
    is_limit_over: bool = False
    excluded_until_ms: int | None = None
    exclusion: str = ""
    """Of a temporary exclusion: JSON of what caused it (spec 3.10)."""


def intent_row(intent: Intent, process: str) -> Row:
    return (
        intent.exchange_id, intent.attempt, process, intent.user_id, intent.key_id, intent.group_id,
        intent.account_id, intent.dialect, text(intent.endpoint, 64), text(intent.client_model, 200),
        text(intent.upstream_model, 200), 1 if intent.is_stream else 0, intent.charge_multiplier,
        intent.cost_multiplier, intent.input_estimate, intent.started_at_ms, intent.subscription_id,
        1 if intent.counts_key else 0, intent.quota_basis,
    )  # fmt: skip


def progress_row(progress: Progress) -> Row:
    """Values of `KNOWN_COLUMNS`, then the key of the intent."""
    usage = progress.usage
    return (
        usage.input, usage.output, usage.reasoning, usage.cache_read, usage.cache_write_5m,
        usage.cache_write_1h, usage.images, usage.audio_input, usage.audio_output, usage.web_search_calls,
        optional(progress.upstream_request_id, 128), progress.exchange_id, progress.attempt,
    )  # fmt: skip


def open_intent_from(row: Sequence[Any]) -> OpenIntent:
    """The intent of a row in the order of `INTENT_COLUMNS` and `KNOWN_COLUMNS`."""
    intent = Intent(
        exchange_id=ExchangeId(row[0]), attempt=row[1], user_id=UserId(row[3]), key_id=KeyId(row[4]),
        group_id=GroupId(row[5]), account_id=AccountId(row[6]), dialect=row[7], endpoint=row[8],
        client_model=row[9], upstream_model=row[10], is_stream=bool(row[11]), charge_multiplier=row[12],
        cost_multiplier=row[13], input_estimate=row[14], started_at_ms=row[15],
        subscription_id=None if row[16] is None else SubscriptionId(row[16]), counts_key=bool(row[17]),
        quota_basis=row[18],
    )  # fmt: skip
    known = row[len(INTENT_COLUMNS) :]
    tokens = [number or 0 for number in known[:-1]]
    usage = TokenUsage(
        input=tokens[0], output=tokens[1], reasoning=tokens[2], cache_read=tokens[3],
        cache_write_5m=tokens[4], cache_write_1h=tokens[5], images=tokens[6], audio_input=tokens[7],
        audio_output=tokens[8], web_search_calls=tokens[9],
    )  # fmt: skip
    return OpenIntent(intent=intent, process=row[2], usage=usage, upstream_request_id=known[-1])


def usage_row(settlement: Settlement) -> Row:
    intent, usage, cost = settlement.intent, settlement.usage, settlement.cost
    return (
        intent.exchange_id, intent.attempt, settlement.outcome, settlement.source.value,
        optional(settlement.fault, 40), optional(settlement.upstream_request_id, 128),
        intent.user_id, intent.key_id, intent.group_id, intent.account_id, intent.dialect,
        text(intent.endpoint, 64), text(settlement.upstream_endpoint, 128), text(intent.client_model, 200),
        text(intent.upstream_model, 200), optional(settlement.served_model, 200),
        usage.input, usage.output, usage.reasoning, usage.cache_read, usage.cache_write_5m,
        usage.cache_write_1h, usage.images, optional(usage.image_size, 4), usage.audio_input,
        usage.audio_output, usage.web_search_calls, cost.input, cost.output, cost.cache_read,
        cost.cache_write, cost.other, cost.list_cost, cost.charge, cost.account_cost,
        intent.charge_multiplier, intent.cost_multiplier, cost.price_version, 1 if cost.is_default else 0,
        intent.subscription_id, optional(settlement.review, 20),
        None if settlement.quarantined is None else settlement.quarantined.decode(errors="replace"),
        optional(settlement.service_tier, 32), optional(settlement.reasoning_effort, 32),
        1 if intent.is_stream else 0, settlement.duration_ms, settlement.first_byte_ms,
        text(settlement.user_agent, 512), settlement.client_ip, settlement.finished_at_ms,
        settlement.cache_saved_nano, settlement.cache_lost_nano, optional(settlement.moved_because, 40),
    )  # fmt: skip


def trace_rows(settlements: Iterable[Settlement], notes: Iterable[TraceNote]) -> list[Row]:
    rows: list[Row] = [
        (s.intent.exchange_id, s.intent.user_id, s.trace.decode(errors="replace"), s.finished_at_ms)
        for s in settlements
        if s.trace is not None
    ]
    rows.extend((n.exchange_id, n.user_id, n.trace.decode(errors="replace"), n.created_at_ms) for n in notes)
    return rows


def by_attempt(intents: Iterable[Intent]) -> dict[int, list[str]]:
    """Exchange ids per attempt number: one short DELETE each, found by primary key."""
    found: dict[int, list[str]] = {}
    for intent in intents:
        found.setdefault(intent.attempt, []).append(intent.exchange_id)
    return found


def mark_statements(mark: AccountMark, now_ms: int) -> list[tuple[str, Row]]:
    """Updates (with `?` for parameters) that change a row only where the mark says something new."""
    statements: list[tuple[str, Row]] = []
    if mark.error is not None:
        message = text(mark.error, 2000)
        statements.append((
            "UPDATE accounts SET status = 'error', error_message = ?, updated_at = ?"
            " WHERE id = ? AND NOT (status = 'error' AND error_message = ?)",
            (message, now_ms, mark.account_id, message),
        ))  # fmt: skip
    if (until := mark.rate_limited_until_ms) is not None:
        statements.append((
            "UPDATE accounts SET rate_limited_at = ?, rate_limit_reset_at = ?, updated_at = ?"
            " WHERE id = ? AND COALESCE(rate_limit_reset_at, 0) < ?",
            (now_ms, until, now_ms, mark.account_id, until),
        ))  # fmt: skip
    if (until := mark.overloaded_until_ms) is not None:
        statements.append((
            "UPDATE accounts SET overload_until = ?, updated_at = ?"
            " WHERE id = ? AND COALESCE(overload_until, 0) < ?",
            (until, now_ms, mark.account_id, until),
        ))  # fmt: skip
    if (until := mark.excluded_until_ms) is not None:
        statements.append((
            "UPDATE accounts SET temp_unschedulable_until = ?, temp_unschedulable_reason = ?, updated_at = ?"
            " WHERE id = ? AND COALESCE(temp_unschedulable_until, 0) < ?",
            (until, text(mark.exclusion, 8000), now_ms, mark.account_id, until),
        ))  # fmt: skip
    if mark.is_recovered:
        statements.append((
            "UPDATE accounts SET overload_until = NULL, updated_at = ?"
            " WHERE id = ? AND overload_until IS NOT NULL",
            (now_ms, mark.account_id),
        ))  # fmt: skip
    if mark.is_limit_over:
        statements.append((
            "UPDATE accounts SET rate_limited_at = NULL, rate_limit_reset_at = NULL, updated_at = ?"
            " WHERE id = ? AND rate_limit_reset_at IS NOT NULL",
            (now_ms, mark.account_id),
        ))  # fmt: skip
    return statements


def progress_update() -> str:
    """Notes progress on an intent that is still open; `?` for the values of `progress_row`."""
    known = ", ".join(f"{column} = ?" for column in KNOWN_COLUMNS)
    return f"UPDATE usage_intents SET {known} WHERE exchange_id = ? AND attempt = ?"  # noqa: S608


def time_zone(name: str) -> tzinfo:
    """UTC needs no zone files, which small images lack. Raises `StartupError`."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise StartupError(
            f"configuration timezone: {name!r} is not known here; use an IANA name such as Europe/Berlin"
            " (and install the tzdata package when the system has no zone files), or UTC"
        ) from None


class DayStart:
    """Start of the current day in the operator's time zone, computed once per day.

    A window of 24 hours that begins there holds the present moment: the 25th hour of the day on which clocks
    go back counts as a day of its own, else its windows would be over before they begin."""

    def __init__(self, timezone: str) -> None:
        self._zone = time_zone(timezone)
        self._start_ms = 0
        self._end_ms = 0

    def of(self, now_ms: int) -> int:
        if not self._start_ms <= now_ms < self._end_ms:
            local = instant(now_ms).astimezone(self._zone)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
            day_ms, next_ms = _ms(midnight), _ms((midnight + timedelta(days=1)).replace(hour=0))
            extra_ms = day_ms + 24 * HOUR_MS
            is_extra = now_ms >= extra_ms
            self._start_ms = extra_ms if is_extra else day_ms
            self._end_ms = next_ms if is_extra else min(next_ms, extra_ms)
        return self._start_ms


def _ms(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)


def optional(value: str | None, limit: int) -> str | None:
    return None if value is None else text(value, limit)


def text(value: str, limit: int) -> str:
    """`value` as it can be stored: at most `limit` characters, control characters and lone surrogates
    replaced."""
    if len(value) <= limit and value.isprintable():
        return value
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value[:limit]
    )
