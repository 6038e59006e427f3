"""A caller, an exchange and the client's end of a socket, for tests of the relay's parts."""

import asyncio
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from headgate.core.dialects.contract import Operation, Peek, StreamFraming, Target
from headgate.core.ids import ExchangeId, GroupId, KeyId, UserId
from headgate.core.limits.rate_limit import UNLIMITED_RATE, RateLimit
from headgate.core.limits.token_bucket import RateCharge
from headgate.core.world import (
    ApiKey,
    Caller,
    Dialect,
    Group,
    KeyWindow,
    Provider,
    User,
)
from headgate.relay.dialects import HANDLERS
from headgate.relay.exchange import Exchange
from headgate.relay.responder import Responder
from headgate.relay.trace import TraceBuilder
from headgate.state.protocols import SharedState
from headgate.storage.models import AccountGroupRow
from tests.storage.books import NOW

NOW_MS = 1_750_000_000_000
MODEL = "claude-sonnet-4-5"


@dataclass
class Client:
    """The client's end of one connection: notes what it gets and can read slowly or leave."""

    messages: list[MutableMapping[str, Any]] = field(default_factory=list)
    is_gone: bool = False
    is_aborted: bool = False
    reads_slowly: bool = False
    """`write_piece` refuses, as it does while the socket's buffer is full."""
    pieces_now: int = 0
    """Pieces that went the fast way."""
    stuck: asyncio.Event | None = None
    """While not set, `send` does not return: the client does not read at all."""
    _callbacks: list[Callable[[], object]] = field(default_factory=list)

    def on_gone(self, callback: Callable[[], object]) -> None:
        if self.is_gone:
            callback()
        else:
            self._callbacks.append(callback)

    def write_piece(self, data: bytes) -> bool:
        if self.reads_slowly:
            return False
        self.pieces_now += 1
        self.messages.append({"type": "http.response.body", "body": data, "more_body": True})
        return True

    def abort(self) -> None:
        self.is_aborted = True
        self.leave()

    def leave(self) -> None:
        self.is_gone = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)
        if self.stuck is not None:
            await self.stuck.wait()

    @property
    def heads(self) -> list[MutableMapping[str, Any]]:
        return [m for m in self.messages if m["type"] == "http.response.start"]

    @property
    def status(self) -> int:
        (head,) = self.heads
        status: int = head["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        (head,) = self.heads
        return {name.decode(): value.decode() for name, value in head["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.messages if m["type"] == "http.response.body")

    @property
    def is_complete(self) -> bool:
        """The last message ended the answer, and no earlier one did."""
        ends = [not m["more_body"] for m in self.messages if m["type"] == "http.response.body"]
        return ends.count(True) == 1 and ends[-1]


def responder_for(client: Client, dialect: Dialect = Dialect.ANTHROPIC_MESSAGES) -> Responder:
    return Responder(client.send, client, HANDLERS[dialect], request_id="req-1", exchange_id="x1")


def exchange_for(client: Client | None = None, *, name: str = "x1", **changes: Any) -> Exchange:
    """An authenticated Anthropic exchange of key 1, user 1 and group 1."""
    given: dict[str, Any] = {
        "id": ExchangeId(name), "request_id": "req-1", "method": "POST", "path": "/v1/messages", "query": b"",
        "headers": {}, "client_ip": "203.0.113.7",
        "target": Target(dialect=Dialect.ANTHROPIC_MESSAGES, operation=Operation.GENERATE),
        "handler": HANDLERS[Dialect.ANTHROPIC_MESSAGES], "connection": client or Client(),
        "started_at_ms": NOW_MS, "started": 0.0, "trace": TraceBuilder(),
    }  # fmt: skip
    exchange = Exchange(**{**given, **changes})
    exchange.caller = caller()
    exchange.peek = Peek(model=MODEL, framing=StreamFraming.SSE, input_tokens_estimate=1000)
    return exchange


def member(account: int, group: int = 1) -> AccountGroupRow:
    return AccountGroupRow(account_id=account, group_id=group, created_at=NOW)


def caller(
    *,
    concurrency: int = 1,
    quota_nano: int = 0,
    windows: tuple[KeyWindow, ...] = (),
    multiplier: int = 10_000,
    key_rate: RateLimit = UNLIMITED_RATE,
    user_rate: RateLimit = UNLIMITED_RATE,
    group_rate: RateLimit = UNLIMITED_RATE,
) -> Caller:
    key = ApiKey(
        id=KeyId(1), user_id=UserId(1), name="k", group_id=GroupId(1), status="active",
        quota_nano=quota_nano, windows=windows, rate=key_rate,
    )  # fmt: skip
    group = Group(
        id=GroupId(1), name="g", provider=Provider.ANTHROPIC, charge_multiplier=multiplier, rate=group_rate
    )
    return Caller(key=key, user=User(id=UserId(1), concurrency=concurrency, rate=user_rate), group=group)


async def tokens_left(state: SharedState, bucket: str = "key:1:tpm", limit: int = 10_000) -> int:
    """What a bucket still holds; asking draws nothing."""
    answer = await state.rates.draw([RateCharge(bucket=bucket, limit=limit, amount=0)])
    return answer.levels[bucket].remaining
