"""One request explained, as the API shows it. USD here, nano-USD inside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from headgate.control.usage.schemas import Named, UserRef


class SessionView(BaseModel):
    rule: str | None
    """Which rule recognised the conversation; null: nothing said which one it is."""
    meaning: str
    sticky: bool | None
    """Whether the conversation stayed on its account; null: no account was chosen."""


class CandidateView(BaseModel):
    account_id: int
    account: str | None
    """Its name, as it is today."""
    outcome: str
    """selected, wait or rejected."""
    reason: str | None
    why: str
    evidence: Mapping[str, Any]
    """What the reason rests on, such as `until_ms` of a cooldown and its cause in `detail`."""
    score: Mapping[str, float] | None
    """Every term, where the group's policy scores."""


class SelectionView(BaseModel):
    number: int
    chosen: int | None
    """Account id; null: nobody was left."""
    candidates: Sequence[CandidateView]
    """In a group of more than 50 accounts the first eight of each reason."""
    more: Mapping[str, int]
    """How many others there were, by reason."""


class WaitView(BaseModel):
    waited_for: str | None
    """The slot's name, `account:3` or `user:7`; null in what users see of accounts."""
    waited_ms: int
    first_position: int
    result: str


class TokensView(BaseModel):
    input: int
    output: int
    reasoning: int
    """Inside `output`."""
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    images: int
    audio_input: int
    audio_output: int
    web_search_calls: int


class AttemptView(BaseModel):
    number: int
    upstream_model: str | None
    outcome: str | None
    fault: str | None
    status: int | None
    """The provider's."""
    duration_ms: int | None
    first_token_ms: int | None
    edits: Sequence[str]
    tokens: TokensView | None
    usage_source: str | None
    charge: float | None


class AdminAttemptView(AttemptView):
    account_id: int | None
    account: str | None
    record_id: int | None
    account_cost: float | None
    upstream_request_id: str | None
    facts: Mapping[str, Any]
    """What else the gateway noted, such as a cooldown that followed."""


class TariffLineView(BaseModel):
    name: str
    list_cost: float


class TariffView(BaseModel):
    price_version: str
    is_default_price: bool
    service_tier: str | None
    lines: Sequence[TariffLineView]
    list_cost: float
    rate_multiplier: float
    charge: float


class LedgerLineView(BaseModel):
    id: int
    attempt: int
    kind: str
    from_book: str
    to_book: str
    amount: float
    multiplier: float | None
    tariff: str
    price_version: str
    note: str
    created_at: datetime


class ExplanationView(BaseModel):
    """What a user may know about a request of its own."""

    request_id: str
    model: str | None
    endpoint: str | None
    created_at: datetime
    outcome: str
    """Of the last attempt; `refused` or `answered_here` when no call was made."""
    answered_here: str | None
    """What it asked that needs no provider (docs/operations/client-rules.md)."""
    fault: Mapping[str, Any] | None
    summary: Sequence[str]
    """The story in sentences."""
    has_trace: bool
    """False: older than `trace.retention_days`, or written by a recovery after a crash."""
    session: SessionView
    reserved: Mapping[str, Any] | None
    waits: Sequence[WaitView]
    attempts: Sequence[AttemptView]
    tariff: TariffView | None
    ledger: Sequence[LedgerLineView]


class AdminExplanationView(ExplanationView):
    """All of it."""

    user: UserRef | None
    api_key: Named | None
    group: Named | None
    selections: Sequence[SelectionView]
    failover: Sequence[Mapping[str, Any]]
    attempts: Sequence[AdminAttemptView]
    facts: Mapping[str, Any]
    """What else the trace holds."""
