"""Stickiness as a cost: is the conversation's warm cache worth what staying with its account costs (PAINS 20;
decision 30)?

Both sides are money. Staying saves the difference between fresh and cached input for the tokens that are
cached there. It costs waiting in a longer queue, the risk of another error, a slower first token, and quota
that is nearly used up, each compared with the account that would be chosen otherwise.

Knows: the terms and their prices. Refuses to know: stores, clocks, who may serve. Invariants: pure; a warmer
cache never turns staying into leaving, a worse home never turns leaving into staying; between equals the
conversation stays.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import FULL_PPM
from headgate.core.money import TOKENS_PER_PRICE_UNIT
from headgate.core.routing.candidates import Candidate
from headgate.core.usage import TokenUsage
from headgate.core.world import Provider

UNKNOWN_ANSWER_MS = 15_000.0
"""How long an answer of an account takes whose past is not known."""
WARM_MS = {Provider.ANTHROPIC: 5 * 60_000, Provider.OPENAI: 10 * 60_000, Provider.GEMINI: 5 * 60_000}
"""How long after its last use a cache is surely warm: Anthropic "Prompt caching" (5 minutes, refreshed by
use), OpenAI "Prompt caching" (5 to 10 minutes of inactivity, up to an hour off-peak); Google promises nothing
for implicit caching."""
WARM_1H_MS = 60 * 60_000
"""Anthropic, `ttl: 1h`."""
SMALLEST_IMPLICIT = 1024
"""OpenAI and Google cache prompts of at least so many tokens by themselves (some Gemini models: 2,048)."""


class Home(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a conversation lives, and how much of it is cached there."""

    account_id: AccountId
    warm_tokens: int | None = None
    """None: not known, because no answer's usage was reported yet."""
    warm_until_ms: int = 0
    model: str = ""
    """Upstream model whose cache it is: every model has its own."""


def home_after(
    before: Home | None, account_id: AccountId, usage: TokenUsage | None, *, provider: Provider, model: str,
    now_ms: int,
) -> Home:  # fmt: skip
    """Where the conversation lives after an answer of the account; `usage` None: none was reported. A small
    request beside the conversation (a title by a small model) does not hide that its cache is warm."""
    known = before if before is not None and before.account_id == account_id else None
    if usage is None:
        return Home(account_id) if known is None else known
    tokens = cached_by(usage, provider)
    if known is not None and known.model != model and now_ms < known.warm_until_ms:
        if (known.warm_tokens or 0) > tokens:
            return known
    kept_ms = WARM_1H_MS if usage.cache_write_1h else WARM_MS[provider]
    until = now_ms + kept_ms
    if known is not None and known.model == model and usage.cache_read:
        until = max(until, known.warm_until_ms)  # an hour's cache that was read and not written again
    return Home(account_id, tokens, until, model)


def cached_by(usage: TokenUsage, provider: Provider) -> int:
    """Tokens that the account has cached after answering: Anthropic caches what it is told to, the others any
    prompt that is long enough."""
    told = usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    if provider is Provider.ANTHROPIC:
        return told
    prompt = told + usage.input
    return prompt if prompt >= SMALLEST_IMPLICIT else told


def cache_value_nano(home: Home, *, fresh_nano: int, cached_nano: int, now_ms: int) -> int | None:
    """What the next request saves by going home; prices per million tokens. None: not known."""
    if home.warm_tokens is None:
        return None
    if now_ms >= home.warm_until_ms:
        return 0
    return home.warm_tokens * max(0, fresh_nano - cached_nano) // TOKENS_PER_PRICE_UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class StickinessPrices:
    second_nano: int = 2_777_778
    """What a second of waiting is worth: 10 USD an hour."""
    minted_s: float = 30.0
    """How long thinking that is sent back is waited for: vendors say that others understand it, and others
    refuse it all the same."""
    retry_s: float = 10.0
    """What an error costs in time, beside the cache that is lost with it."""
    unhealthy_error_rate: float = 0.5
    """From here on no cache keeps a conversation, if another account does better."""
    scarce_requests: int = 20
    """Quota for fewer requests like this one makes each of them dearer, up to twice its price."""


class Stake(NamedTuple):
    """What the request brings into the balance."""

    value_nano: int
    """Of the warm cache at home."""
    request_nano: int
    """What the request will probably cost."""
    prices: StickinessPrices
    has_minted: bool = False
    """The request carries thinking that home has signed."""


class Stickiness(NamedTuple):
    """The balance with its terms, nano-USD. A term is negative where home is the better one."""

    decision: str
    """stay | leave"""
    cause: str
    """Of leaving: unhealthy, or the largest term; empty: staying."""
    value_nano: int
    minted_nano: int
    """What it is worth that home has made the thinking that the request carries."""
    queueing_nano: int
    errors_nano: int
    slowness_nano: int
    scarcity_nano: int
    other: AccountId | None
    """Compared with; None: not even compared with a perfect account the cost comes near the value."""

    @property
    def cost_nano(self) -> int:
        return self.queueing_nano + self.errors_nano + self.slowness_nano + self.scarcity_nano


def weigh(home: Candidate, other: Candidate | None, stake: Stake) -> Stickiness:
    """Stay at home, or leave for the other one; None: a perfect one, so that the terms are upper bounds."""
    prices = stake.prices
    wait_s, error_rate, scarcity = _wait_s(home), home.error_rate, _scarcity_nano(home, stake)
    slower_ms = home.ttft_ms or 0.0
    if other is not None:
        wait_s -= _wait_s(other)
        error_rate -= other.error_rate
        scarcity -= _scarcity_nano(other, stake)
        slower_ms = 0.0 if other.ttft_ms is None or home.ttft_ms is None else slower_ms - other.ttft_ms
    minted = round(prices.minted_s * prices.second_nano) if stake.has_minted else 0
    terms = {
        "queueing": round(wait_s * prices.second_nano),
        "errors": round(
            home.error_rate * stake.value_nano + error_rate * prices.retry_s * prices.second_nano
        ),
        "slowness": round(slower_ms / 1000 * prices.second_nano),
        "scarcity": scarcity,
    }
    cause = ""
    if home.error_rate >= prices.unhealthy_error_rate and error_rate > 0:
        cause = "unhealthy"
    elif sum(terms.values()) > stake.value_nano + minted:
        cause = max(terms, key=terms.__getitem__)
    return Stickiness(
        "leave" if cause else "stay",
        cause,
        stake.value_nano,
        minted,
        terms["queueing"],
        terms["errors"],
        terms["slowness"],
        terms["scarcity"],
        None if other is None else other.account.id,
    )


def _wait_s(candidate: Candidate) -> float:
    """Until a slot is free, if all answers take as long as they did of late."""
    if not candidate.is_full:
        return 0.0
    answer_ms = UNKNOWN_ANSWER_MS if candidate.answer_ms is None else candidate.answer_ms
    return (candidate.waiting + 1) * answer_ms / 1000 / max(candidate.account.concurrency, 1)


def _scarcity_nano(candidate: Candidate, stake: Stake) -> int:
    """What the request uses up of a quota that runs short. Of the account's own: nothing while it covers
    `scarce_requests`, the request's price when it covers none. Of the provider's window: the request's price
    times the part of the remaining time for which nothing will be left. The dearer of both."""
    request, scarce = stake.request_nano, stake.prices.scarce_requests
    if request <= 0 or scarce <= 0:
        return 0
    by_window = request * candidate.shortfall_ppm // FULL_PPM
    left, enough = candidate.quota_left_nano, request * scarce
    if left is None or left >= enough:
        return by_window
    return max(by_window, request * (enough - max(left, 0)) // enough)
