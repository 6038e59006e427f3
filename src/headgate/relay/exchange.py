"""One exchange: the facts that its steps share, filled in as the story goes (relay/pipeline.py)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headgate.core.dialects.contract import DialectHandler, Peek, Target
from headgate.core.ids import ExchangeId, SessionKey
from headgate.core.world import Caller
from headgate.relay.trace import TraceBuilder


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
    response_id: str | None = None
    """The provider's name of the answer, when it can be continued, fetched or deleted under that name."""
    charge_multiplier: int = 10_000
    attempts: int = 0
    reserved_bounds: tuple[str, ...] = ()
    rate_tokens: int = 0
    """Drawn by estimate from the limits on tokens, and not corrected yet (relay/rate_gate.py)."""
    announced: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Headers of our own for the answer's head, whatever the answer will be; the responder's list."""
    is_committed: bool = False
    """A client-visible byte of an answer is out: no other account may be tried (DESIGN 4, commit point)."""

    is_broken: bool = False
    """The answer broke off after its first byte."""

    @property
    def has_caller(self) -> bool:
        """Authentication succeeded."""
        return hasattr(self, "caller")

    @property
    def endpoint(self) -> str:
        """Canonical inbound endpoint for the record (spec 1.7), e.g. `/v1/messages`."""
        return self.path if self.target.path_model is None else f"/{self.target.api_version}/models"
