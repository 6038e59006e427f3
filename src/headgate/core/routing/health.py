"""Health of an account, and of single models on it: states, what ends them, what they are shown as (spec
3.10; DESIGN 6).

    healthy -> cooling -> half_open -> healthy    a cooldown ends; one request tries; it is answered
               cooling <- half_open               it fails: longer, where nobody said how long
    healthy -> degraded -> healthy                avoided, used when nobody else is left; an answer ends it
    any     -> down                               marked with an error or switched off: an operator's matter

Knows: causes and instants. Refuses to know: stores, clocks, vendors. Invariants: every state but `down` ends
by itself; nothing stands here without its cause and evidence.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

OVERLOADED = "overloaded"
RATE_LIMITED = "rate_limited"
FAILING = "failing"
PROBING = "probing"
"""Not a state of its own: somebody else's request is the one that tries a half-open account."""
SOFT_CAUSES = frozenset({OVERLOADED, FAILING})
"""Causes that are a preference, not a prohibition: spec 3.10 would leave a group of one account without
service for ten minutes after a single 529."""

MARKED = "marked"
"""An error mark that not every process has read from the directory yet: nobody is sent there meanwhile."""
BRIDGE_MS = 5_000
"""How long that lasts; directories look for changes every second."""

MAX_STRIKES = 6
"""A cooldown of our own choosing doubles with every failed trial: 10 s to 640 s, 5 s to 320 s."""
LONGEST_BACKOFF_MS = 15 * 60_000
MAX_EVENTS = 100
"""Kept of an account's timeline."""


class HealthState(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    COOLING = "cooling"
    HALF_OPEN = "half_open"
    DOWN = "down"


_WORST_FIRST = (HealthState.DOWN, HealthState.COOLING, HealthState.HALF_OPEN, HealthState.DEGRADED)


class Cooling(Protocol):
    """What is read of a cooldown; `state.protocols.Cooldown` fits."""

    @property
    def model(self) -> str: ...
    @property
    def until_ms(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def strikes(self) -> int: ...


class HealthEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One change of state: a line of the account's timeline. Never holds a prompt or a secret."""

    at_ms: int
    state: HealthState
    """The new one."""
    model: str = ""
    """Upstream model that alone is concerned; empty: the whole account."""
    cause: str = ""
    evidence: str = ""
    """Header, body field, rule or test that said so."""
    status: int | None = None
    """HTTP status of the provider's answer."""
    until_ms: int | None = None
    exchange_id: str = ""


def state_of(cooldown: Cooling, now_ms: int) -> HealthState:
    """Of what the cooldown concerns."""
    if cooldown.until_ms <= now_ms:
        return HealthState.HALF_OPEN
    return HealthState.DEGRADED if cooldown.reason in SOFT_CAUSES else HealthState.COOLING


def worst(states: Iterable[HealthState]) -> HealthState:
    """What an account is called as a whole."""
    found = set(states)
    return next((state for state in _WORST_FIRST if state in found), HealthState.HEALTHY)


def strikes_of(known: Sequence[Cooling], model: str) -> int:
    """How many trials have failed before this new cooldown; 0: the first one."""
    return max((cooldown.strikes + 1 for cooldown in known if cooldown.model == model), default=0)


def lengthened(duration_ms: int, strikes: int) -> int:
    """A duration nobody told us, after so many failed trials; never shorter than it was."""
    return max(duration_ms, min(duration_ms << min(strikes, MAX_STRIKES), LONGEST_BACKOFF_MS))
