"""One exchange: the facts that its steps share, filled in as the story goes (relay/pipeline.py)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import msgspec

from headgate.core.client_rules.rectifiers import Rectifier
from headgate.core.dialects.contract import DialectHandler, Peek, Target
from headgate.core.faults import Fault
from headgate.core.ids import AccountId, ExchangeId, GroupId, SessionKey
from headgate.core.limits.admission import charge_multiplier
from headgate.core.limits.budget import Budget, Need
from headgate.core.limits.token_bucket import RateCharge
from headgate.core.money import to_usd
from headgate.core.pricing.cost import Quote
from headgate.core.routing.cooldown import AccountEffect
from headgate.core.routing.stickiness import Home
from headgate.core.usage import TokenUsage
from headgate.core.world import Caller, Group
from headgate.relay.trace import TraceBuilder
from headgate.state.protocols import Cooldown, SlotLease


class ClientConnection(Protocol):
    """What the server protocol tells about the client's socket (relay/server_protocol.py)."""

    @property
    def is_gone(self) -> bool: ...

    def on_gone(self, callback: Callable[[], object]) -> None:
        """Call back when the socket closes; at once when it is closed already."""
        ...

    def write_piece(self, data: bytes) -> bool:
        """Send a piece of a streamed answer at once, without `await`; False: use ASGI `send`."""
        ...

    def abort(self) -> None: ...


class Hold(msgspec.Struct, kw_only=True, gc=False):
    """Money held under the exchange's id. Mutable: it grows with the stream."""

    budget: Budget
    list_nano: int
    """List cost that is covered."""
    surprise_nano: int = 0
    """List cost that is held on top, for input that may turn out dearer than what is covered."""
    left_nano: int | None = None
    """The least that was left of any of its bounds after it was taken; None: not asked, or no limit."""


class AccountHold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Held against the quota of the account that serves the current attempt."""

    reservation_id: str
    hold: Hold


class AccountPass(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an attempt has drawn from its account's limits (relay/account_gate.py)."""

    account_id: AccountId
    counter: str
    """Of requests in this minute; empty: not counted."""
    new_session: str
    """Empty: the conversation was counted before, or is not counted."""
    charges: tuple[RateCharge, ...]
    tokens: int
    counts_cost: bool = False
    """The account has a limit on what its five-hour window costs."""


class Suspended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fault that may be the request's own (core/routing/suspicion.py)."""

    account_id: AccountId
    model: str
    """Upstream model."""
    fault: Fault
    effect: AccountEffect
    """What it means if it is the account's."""
    request: str
    """Name of the request (`Exchange.request_name`)."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Mutable on purpose, owned by one task."""

    id: ExchangeId
    request_id: str
    """Echoed as X-Request-ID: the client's own when it sent a sane one, else the exchange id."""
    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    """Lower-case names; duplicates collapsed (clients/README 4)."""
    client_ip: str
    target: Target
    handler: DialectHandler
    connection: ClientConnection
    started_at_ms: int
    started: float
    """Monotonic seconds."""
    trace: TraceBuilder
    body: bytes = b""
    caller: Caller = field(init=False)
    peek: Peek = field(init=False)
    session: SessionKey | None = None
    home: Home | None = None
    """Where the conversation lived when an account was last looked for."""
    minted_by: tuple[str, AccountId] | None = None
    """What the request carries that one account has made, and that account: `previous_response_id` or
    `opaque_state`."""
    minted: tuple[str, ...] = ()
    """Names of the thinking signatures or encrypted reasoning in the answer that the client got."""
    moved_because: str | None = None
    """Why the conversation is not answered at home; None: it is, or it has none."""
    used: TokenUsage | None = None
    """What the provider reported of the answer that the client got."""
    used_model: str = ""
    """Upstream model of that answer."""
    response_id: str | None = None
    """The provider's name of the answer, when it can be continued, fetched or deleted under that name."""
    charge_multiplier: int = 10_000
    attempts: int = 0
    failed_nano: int = 0
    """Account cost of the attempts that failed."""
    suspended: list[Suspended] = field(default_factory=list)
    """Faults whose meaning for their accounts the rest of the exchange will show."""
    group_lease: SlotLease | None = None
    """A slot of the group, where its users share them."""
    place_in_line: int = 0
    """1-based, while it waits for a slot; 0: it does not wait."""
    end_turn: Callable[[], Awaitable[None]] | None = None
    """Lets the next message to the account go; None: it waits for none of ours."""
    account_pass: AccountPass | None = None
    account_refusals: list[Cooldown] = field(default_factory=list)
    """Limits of accounts that have no room for this exchange."""
    rate_tokens: int = 0
    """Drawn by estimate from the limits on tokens, and not corrected yet (relay/rate_gate.py)."""
    announced: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Headers of our own for the answer's head, whatever the answer will be; the responder's list."""
    quote: Quote | None = None
    """The price by which the request was admitted."""
    need: Need | None = None
    """What was asked of the budget at admission; None before, and where nothing has to be paid."""
    high_input_nano: int = 0
    """List cost of the input as it was estimated high."""
    key_lease: SlotLease | None = None
    """The slot of the key, where the key has a concurrency of its own."""
    hold: Hold | None = None
    """What is reserved for this exchange right now."""
    account_hold: AccountHold | None = None
    budget_left_nano: int | None = None
    """The least that is left of the caller's bounds beside what is reserved; None: no limit, or not known."""
    output_limit: int | None = None
    """The output limit that is sent upstream instead of the client's, because no more can be paid for."""
    is_committed: bool = False
    """A client-visible byte of an answer is out: no other account may be tried (DESIGN 4, commit point)."""

    is_claude_code: bool = False
    """Recognised, by what the client says about itself (core/client_rules/claude_code.py)."""
    is_answered_here: bool = False
    """No provider was asked: it costs nothing."""
    rectifiers: tuple[Rectifier, ...] = ()
    """Edits that the provider's refusals have made necessary, in their order."""
    moved_from: GroupId | None = None
    """Group that the caller's key belongs to, when another one has taken the request over."""
    is_broken: bool = False
    """The answer broke off after its first byte."""

    def limit_output(self, tokens: int) -> None:
        """Send this output limit upstream instead of the client's, unless the provider would refuse it."""
        limit = tokens // self.peek.choices
        if limit >= max(self.peek.min_output_tokens, 1):
            self.output_limit = limit
            self.trace.note("output_limit", limit)

    def announce_budget(self) -> None:
        """Answer headers: the edit that money made to the request, and what is left beside what is
        reserved."""
        if self.output_limit is not None:
            self.announced.append((b"x-headgate-edits", b"max_output_tokens=%d" % self.output_limit))
        if self.budget_left_nano is not None:
            left = b"%.6f" % to_usd(self.budget_left_nano)
            self.announced.append((b"x-headgate-budget-remaining", left))

    def request_name(self) -> str:
        """Names the request of this key: the same bytes have the same name. After the commit point, when the
        body is gone, all requests of the key share one."""
        if self.is_committed:
            return f"key:{self.caller.key.id}"
        return blake2b(self.body, key=b"%d" % self.caller.key.id, digest_size=16).hexdigest()

    def enter_by(self, group: Group, cause: str) -> None:
        """Another group than the key's serves the request from the beginning."""
        caller = self.caller
        self.caller = Caller(key=caller.key, user=caller.user, group=group)
        self.announced.append((b"x-headgate-group-fallback", cause.encode()))
        self.trace.note("group_fallback", {"from": caller.group.id, "to": group.id, "cause": cause})

    def move_to(self, group: Group) -> None:
        """Another group takes the request over: it is admitted anew, and nothing of the first admission
        stands."""
        caller = self.caller
        self.moved_from = caller.group.id
        self.caller = Caller(key=caller.key, user=caller.user, group=group)
        self.charge_multiplier = charge_multiplier(caller.user, group)
        self.quote = self.need = self.budget_left_nano = self.output_limit = None
        names = (b"x-request-id", b"x-headgate-exchange-id")
        kept = [header for header in self.announced if header[0] in names]
        self.announced[:] = [*kept, (b"x-headgate-group-fallback", b"prompt_too_long")]
        self.trace.note(
            "group_fallback", {"from": self.moved_from, "to": group.id, "cause": "prompt_too_long"}
        )

    def announce_degraded(self, what: str | None) -> None:
        """Answer header: the request carries what its account may not understand; None: it does not."""
        others = [header for header in self.announced if header[0] != b"x-headgate-degraded"]
        self.announced[:] = others if what is None else [*others, (b"x-headgate-degraded", what.encode())]

    def announce_failover(self, switches: int) -> None:
        """Answer header: accounts that failed before the one that answers."""
        others = [header for header in self.announced if header[0] != b"x-headgate-failovers"]
        self.announced[:] = [*others, (b"x-headgate-failovers", b"%d" % switches)]

    @property
    def has_caller(self) -> bool:
        """Authentication succeeded."""
        return hasattr(self, "caller")

    @property
    def endpoint(self) -> str:
        """Canonical inbound endpoint for the record (spec 1.7), e.g. `/v1/messages`."""
        return self.path if self.target.path_model is None else f"/{self.target.api_version}/models"
