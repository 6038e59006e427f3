"""What the management API needs from outside, as protocols; the composition root supplies it (HOUSE_STYLE
8)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.accounts.tester import AccountTester
from headgate.control.auth.passwords import Passwords
from headgate.control.idempotency.counters import IdempotencyCounters
from headgate.control.mail.queue import MailQueue
from headgate.control.oauth.documents import Documents
from headgate.control.statistics.memo import Memo
from headgate.core.limits.budget import CoverRecord
from headgate.core.pricing.book import PriceBook
from headgate.core.routing.degradation import Degradation
from headgate.kit.clock import Clock
from headgate.kit.crypto import Vault
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoints
from headgate.settings import Settings
from headgate.state.protocols import SharedState
from headgate.upstream.web import WebClient


class UnitOfWork(Protocol):
    """One database transaction: commits when its context ends well, rolls back otherwise
    (`storage.engine`)."""

    @property
    def session(self) -> AsyncSession: ...

    def touch_directory(self) -> None:
        """The data plane must reload after this commit."""
        ...


UnitOfWorkFactory = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
BoundsChanged = Callable[[list[str]], Awaitable[None]]
"""Hears, after the commit, which bounds (such as `user:3:balance`) changed behind the reservations."""
BaseUrlCheck = Callable[[str], Awaitable[str | None]]
"""The address guard: None when an account may point there, else one sentence that says why not."""


class LiveLoad(Protocol):
    """How many requests are in flight right now."""

    async def accounts(self, ids: Sequence[int]) -> Mapping[int, int]: ...

    async def users(self, ids: Sequence[int]) -> Mapping[int, int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDeps:
    """What every use case needs, over HTTP or from the command line."""

    settings: Settings
    uow: UnitOfWorkFactory
    vault: Vault
    clock: Clock
    state: SharedState
    on_bounds_changed: BoundsChanged
    check_base_url: BaseUrlCheck
    live: LiveLoad
    command: str = "system"
    """What works without a request: the command line's words, such as `headgate user create`."""
    passwords: Passwords = field(default_factory=Passwords)
    mail: MailQueue = field(default_factory=MailQueue)
    fail_points: FailPoints = NO_FAIL_POINTS
    idempotency_counters: IdempotencyCounters = field(default_factory=IdempotencyCounters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlDeps(WorkDeps):
    """What the running management API needs besides: the data plane behind it."""

    account_tester: AccountTester
    prices: Callable[[], PriceBook]
    """The price book in force, as the data plane uses it."""
    degradations: Callable[[], Awaitable[Sequence[Degradation]]]
    """What does not work as it should right now, as the data plane sees it."""
    web: WebClient
    """To services around people, such as identity providers."""
    read_price_file: Callable[[], Awaitable[bytes]] | None = None
    """The configured price file as its source has it now; raises OSError. None: none is configured."""
    documents: Documents = field(default_factory=Documents)
    memo: Memo = field(default_factory=Memo)
    started_at_ms: int = 0
    """When this process began to serve, Unix milliseconds."""
    proving: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while this process verifies its ledger for somebody."""
    refused_keys: Callable[[], frozenset[int]] = frozenset
    """Keys whose quota could not cover a request in this process, since the last call."""
    covered: CoverRecord = field(default_factory=CoverRecord)
    """What this process's reservations covered, and what they did not."""
