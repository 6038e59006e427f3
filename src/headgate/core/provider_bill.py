"""What a provider says we used: lines of a CSV export, read strictly (for `headgate ledger reconcile`).

Knows: our generic columns, and the names that the usage and cost exports of Anthropic and OpenAI give them.
Refuses to know: accounts, databases, files. Invariants: a file is read as a whole or refused with the line
and column that is wrong; nothing is guessed, a missing column is None and never 0.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from headgate.core.money import NANO_PER_USD
from headgate.core.usage import TokenUsage

MAX_COUNT = 10**12
"""Tokens or calls of one line; more is nonsense. The same for USD:"""
MAX_USD = 1_000_000
_FIRST_YEAR, _LAST_YEAR = 2020, 2100

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "day": ("day", "date", "timestamp", "usage_date_utc", "start_time_iso", "start_time"),
    "account": ("account", "account_id", "account_name"),
    "key": ("api_key", "api_key_id", "api_key_name"),
    "model": ("model", "model_version"),
    "request_id": ("request_id",),
    "calls": ("calls", "requests", "num_model_requests"),
    "input": ("input_tokens", "usage_input_tokens_no_cache", "uncached_input_tokens"),
    "cache_read": ("cache_read_tokens", "usage_input_tokens_cache_read", "cache_read_input_tokens"),
    "cached": ("input_cached_tokens",),
    "cache_write": ("cache_write_tokens", "usage_input_tokens_cache_write", "cache_creation_input_tokens"),
    "cache_write_5m": ("cache_write_5m_tokens", "usage_input_tokens_cache_write_5m"),
    "cache_write_1h": ("cache_write_1h_tokens", "usage_input_tokens_cache_write_1h"),
    "output": ("output_tokens", "usage_output_tokens"),
    "audio_input": ("audio_input_tokens",),
    "audio_output": ("audio_output_tokens",),
    "part_audio_input": ("input_audio_tokens",),
    "part_audio_output": ("output_audio_tokens",),
    "web_search_calls": ("web_search_calls", "web_search_count"),
    "cost": ("cost_usd", "amount_value"),
    "currency": ("currency", "amount_currency"),
}
"""What we look for -> column names, the first present counts. `cached` and `part_audio_*` are OpenAI's: parts
of its `input_tokens` and `output_tokens`, which ours are beside."""
_TOKENS = ("input", "cache_read", "cached", "cache_write", "cache_write_5m", "cache_write_1h", "output")


class BillFileInvalid(ValueError):
    """The file cannot be what the provider said; the text names line and column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLine:
    """What the provider bills for a call, or for a day and model."""

    day: date
    """UTC."""
    account: str | None
    """As our `account` column names it."""
    key: str | None
    """As the provider names the API key."""
    model: str
    request_id: str | None
    calls: int | None
    usage: TokenUsage | None
    """None: the file says nothing about tokens."""
    cost_nano: int | None


def read_bill(lines: Iterable[str]) -> Iterator[ProviderLine]:
    """The lines of a CSV file with a header. Raises BillFileInvalid."""
    rows = csv.reader(lines, strict=True)
    try:
        header = next(rows, None)
        if header is None:
            raise BillFileInvalid("the file is empty")
        reader = _Reader(header)
        for cells in rows:
            if cells:
                yield reader.line(cells, rows.line_num)
    except csv.Error as error:
        raise BillFileInvalid(f"line {rows.line_num}: {error}") from None


class _Reader:
    """Finds the columns of a header, then reads line by line."""

    def __init__(self, header: list[str]) -> None:
        names = [name.strip().lower().lstrip("\ufeff").replace(" ", "_") for name in header]
        self._width = len(names)
        self._names: dict[str, str] = {}
        self._at: dict[str, int] = {}
        for what, aliases in COLUMNS.items():
            found = next((alias for alias in aliases if alias in names), None)
            if found is not None:
                self._names[what], self._at[what] = found, names.index(found)
        if "day" not in self._at:
            raise BillFileInvalid(f"no column says the day; name it one of {', '.join(COLUMNS['day'])}")
        self._has_tokens = any(what in self._at for what in _TOKENS)
        if not self._has_tokens and "cost" not in self._at:
            raise BillFileInvalid(
                "no column says tokens or cost; name them input_tokens, output_tokens, cost_usd"
            )

    def line(self, cells: list[str], number: int) -> ProviderLine:
        if len(cells) != self._width:
            raise BillFileInvalid(
                f"line {number} has {len(cells)} columns, the header {self._width}:"
                " the file is cut off or damaged"
            )
        row = _Row(number, {what: cells[at].strip() for what, at in self._at.items()}, self._names)
        return ProviderLine(
            day=row.day(),
            account=row.text("account"),
            key=row.text("key"),
            model=row.text("model") or "",
            request_id=row.text("request_id"),
            calls=row.count("calls") if "calls" in self._at else None,
            usage=row.usage() if self._has_tokens else None,
            cost_nano=row.cost() if "cost" in self._at else None,
        )


class _Row:
    """The cells of one line, by what they mean."""

    def __init__(self, number: int, cells: Mapping[str, str], names: Mapping[str, str]) -> None:
        self._number = number
        self._cells = cells
        self._names = names

    def text(self, what: str) -> str | None:
        return self._cells.get(what) or None

    def count(self, what: str) -> int:
        """A whole number from 0; an empty cell is 0."""
        cell = self._cells.get(what, "")
        if not cell:
            return 0
        value = _number(cell)
        if value is None or value != value.to_integral_value() or not 0 <= value <= MAX_COUNT:
            raise self._bad(what, f"no whole number from 0 to {MAX_COUNT}")
        return int(value)

    def cost(self) -> int:
        """Nano-USD; credits are negative."""
        cell = self._cells["cost"]
        if not cell:
            return 0
        if (currency := self.text("currency")) is not None and currency.lower() != "usd":
            raise self._bad("currency", "not USD")
        value = _number(cell)
        if value is None or abs(value) > MAX_USD:
            raise self._bad("cost", f"no amount of USD up to {MAX_USD:,}")
        return int((value * NANO_PER_USD).to_integral_value())

    def usage(self) -> TokenUsage:
        """Disjoint buckets, whichever way the file counts."""
        cached, heard, spoken = (
            self.count("cached"),
            self.count("part_audio_input"),
            self.count("part_audio_output"),
        )
        return TokenUsage(
            input=self._without("input", cached + heard),
            cache_read=self.count("cache_read") + cached,
            cache_write_5m=self.count("cache_write_5m") + self.count("cache_write"),
            cache_write_1h=self.count("cache_write_1h"),
            output=self._without("output", spoken),
            audio_input=self.count("audio_input") + heard,
            audio_output=self.count("audio_output") + spoken,
            web_search_calls=self.count("web_search_calls"),
        )

    def day(self) -> date:
        cell = self._cells["day"]
        try:
            moment = _moment(cell)
        except (ValueError, OverflowError, OSError):
            raise self._bad("day", "no day; write 2026-01-31") from None
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise self._bad("day", f"not between {_FIRST_YEAR} and {_LAST_YEAR}")
        return moment.date()

    def _without(self, what: str, part: int) -> int:
        """A bucket without the part of it that is a bucket of its own."""
        whole = self.count(what)
        if part > whole:
            raise self._bad(what, f"less than its cached and audio parts together ({part})")
        return whole - part

    def _bad(self, what: str, problem: str) -> BillFileInvalid:
        cell = self._cells.get(what, "")
        shown = cell if len(cell) <= 40 else cell[:40] + "..."
        return BillFileInvalid(f"line {self._number}, column {self._names[what]}: {shown!r} is {problem}")


def _number(cell: str) -> Decimal | None:
    try:
        value = Decimal(cell)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _moment(cell: str) -> datetime:
    """A day or an instant in ISO 8601, or Unix seconds; without a zone it is UTC."""
    if cell.isascii() and cell.isdigit() and len(cell) >= 9:
        return datetime.fromtimestamp(int(cell), UTC)
    moment = datetime.fromisoformat(cell)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
