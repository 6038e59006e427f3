"""Candidates: accounts with the live facts that selection weighs (spec 3.1, 3.4).

Knows: load, fullness, which provider speaks which dialect. Refuses to know: where the counters come from.
Invariant: frozen; the shell builds them from the directory's accounts and one reading of the stores.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from headgate.core.ids import AccountId
from headgate.core.world import Account, Dialect, Provider

SPOKEN_DIALECTS: Mapping[Provider, frozenset[Dialect]] = {
    Provider.ANTHROPIC: frozenset({Dialect.ANTHROPIC_MESSAGES}),
    Provider.OPENAI: frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES}),
    Provider.GEMINI: frozenset({Dialect.GEMINI}),
}
"""Which dialects an account of a provider answers without translation."""


class CooldownInForce(Protocol):
    """What selection reads of a cooldown; `state.protocols.Cooldown` fits."""

    @property
    def model(self) -> str:
        """Client or upstream model that alone is cooling; empty: the whole account."""
        ...

    @property
    def until_ms(self) -> int: ...

    @property
    def reason(self) -> str: ...


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An account with its live facts. Without live facts (a store that is down) the defaults rank by priority
    alone."""

    account: Account
    in_use: int = 0
    waiting: int = 0
    cooldowns: tuple[CooldownInForce, ...] = ()
    last_used_ms: int | None = None
    """None: never used, preferred among equals."""
    error_rate: float = 0.0
    """0 to 1, of late with this model; the scored policy weighs it."""
    ttft_ms: float | None = None
    """Time to the first token of late with this model; None: not known."""
    answer_ms: float | None = None
    """Time that a whole answer took of late with this model; None: not known."""
    shortfall_ppm: int = 0
    """For which part of the time until its provider's quota window begins anew it will have nothing left, at
    the pace so far; parts per million."""
    quota_left_nano: int | None = None
    """What its own quota still covers beside what is held; None: it has none, or nobody has asked yet."""

    @property
    def load_rate(self) -> int:
        """Percent of the load factor that is taken by work in progress and in the queue (spec 3.4)."""
        return (self.in_use + self.waiting) * 100 // self.account.load_base

    @property
    def is_overloaded(self) -> bool:
        """As much as its load factor allows is in progress; others come first, whatever their priority."""
        return self.account.concurrency > 0 and self.load_rate >= 100

    @property
    def is_full(self) -> bool:
        """No slot is free, or somebody waits for the next one."""
        return 0 < self.account.concurrency and (self.in_use >= self.account.concurrency or self.waiting > 0)


class Wanted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the request needs of an account."""

    dialect: Dialect
    provider: Provider
    """Of the caller's group."""
    model: str
    """Client model; empty when the operation names none."""
    routed_to: frozenset[AccountId] = frozenset()
    """Accounts that the group's model routing names for this model; empty: any will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitLimits:
    """How long and in how long a queue a request may wait for an account (spec 3.4)."""

    sticky_timeout_s: float = 120
    sticky_max_waiting: int = 3
    fallback_timeout_s: float = 30
    fallback_max_waiting: int = 100


DEFAULT_WAIT_LIMITS = WaitLimits()
