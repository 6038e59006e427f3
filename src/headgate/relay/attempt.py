"""One attempt: intent, upstream call, answer, settlement. Knows no other attempt; failover is the
pipeline's."""

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from headgate.core.dialects.contract import Operation, PreparedBody, Reading, ResponseStream
from headgate.core.dialects.upstream_answers import without_credential
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.ids import SubscriptionId
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource
from headgate.core.world import Caller, Dialect, DisconnectPolicy
from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.relay.account_health import AccountHealth
from headgate.relay.billing_gate import BillingGate
from headgate.relay.body import BodyReader
from headgate.relay.client_rules import ClientRules
from headgate.relay.exchange import Exchange
from headgate.relay.headers import accepted_codings, for_client, for_upstream
from headgate.relay.message_pacing import end_turn
from headgate.relay.picker import Picked
from headgate.relay.probes import NO_TRIAL
from headgate.relay.pump import OUR_OWN_ENDS, StreamEnd, StreamPump
from headgate.relay.responder import Responder
from headgate.relay.settlement import COMPLETED, FAILED, NOTHING_READ, PARTIAL, AttemptEnd, Settler
from headgate.relay.stream_cover import CoverFactory, StreamCover, most_tokens
from headgate.relay.track_records import TrackRecords
from headgate.relay.watchdog import Watchdog
from headgate.settings import GatewaySettings
from headgate.storage.journal import Intent, Journal, Progress
from headgate.upstream.call import UpstreamAnswer, open_call
from headgate.upstream.clients import ClientPool
from headgate.upstream.decode import decoder_for
from headgate.upstream.request import UpstreamRequest, build_request

_BROKEN = frozenset({FaultKind.UPSTREAM_CUT, FaultKind.UPSTREAM_MALFORMED, FaultKind.UPSTREAM_TIMEOUT})
"""Accepted, but no usable answer came of it."""

UNMETERED = frozenset({Operation.COUNT, Operation.OBJECT})
"""Operations that are relayed but never booked: they cost nothing upstream (spec 2.5)."""

_TOLD = frozenset({UsageSource.REPORTED, UsageSource.PARTIAL})


class AttemptRunner:
    def __init__(
        self,
        clients: ClientPool,
        billing: BillingGate,
        journal: Journal,
        settler: Settler,
        health: AccountHealth,
        clock: Clock,
        bodies: BodyReader,
        settings: GatewaySettings,
        covers: CoverFactory,
        records: TrackRecords,
        client_rules: ClientRules,
        fail_points: FailPoints = NO_FAIL_POINTS,
    ) -> None:
        self.client_rules = client_rules
        self.clients = clients
        self.billing = billing
        self.covers = covers
        self.records = records
        self.journal = journal
        self.settler = settler
        self.health = health
        self.clock = clock
        self.bodies = bodies
        self.settings = settings
        self.fail_points = fail_points

    async def run(self, exchange: Exchange, picked: Picked, responder: Responder, watchdog: Watchdog) -> None:
        """The client has its answer when this returns. Raises `RelayError` when it has none (or a broken one:
        `responder.head_sent`). Booked either way."""
        attempt = _Attempt(self, exchange, picked, responder, watchdog)
        try:
            await attempt.run()
        except RelayError as error:
            attempt.fault = error.fault
            await self._learn(exchange, picked, attempt)
            raise
        await self._learn(exchange, picked, attempt)

    async def _learn(self, exchange: Exchange, picked: Picked, attempt: "_Attempt") -> None:
        if picked.trial is not NO_TRIAL:
            await self.health.conclude(picked, exchange, attempt.fault)
        if attempt.is_silent:
            await self.health.silent(exchange, picked)
        if exchange.target.operation not in UNMETERED:
            self.records.note(
                picked.account.id,
                exchange.peek.model,
                fault=attempt.fault,
                ttft_ms=attempt.ttft_ms,
                answer_ms=attempt.took_ms,
            )


class _Attempt:
    """The state of one attempt; lives for one `run`."""

    def __init__(
        self,
        runner: AttemptRunner,
        exchange: Exchange,
        picked: Picked,
        responder: Responder,
        watchdog: Watchdog,
    ) -> None:
        self._runner = runner
        self._exchange = exchange
        self._picked = picked
        self._responder = responder
        self._watchdog = watchdog
        self._is_metered = exchange.target.operation not in UNMETERED
        self._number = exchange.attempts
        exchange.attempts += 1
        self._intent = self._make_intent()
        self._note = exchange.trace.attempt(
            n=self._number, account_id=picked.account.id, upstream_model=picked.upstream_model
        )
        self._upstream_request_id: str | None = None
        self._endpoint = ""
        self._is_booked = False
        self._started = asyncio.get_running_loop().time()
        self.fault: Fault | None = None
        """Why there was no answer, or how its stream broke."""
        self.ttft_ms: int | None = None
        """Until the stream's first byte; None: there was none."""
        self._stream_read: ResponseStream | None = None
        self._is_accepted = False
        """The provider answered 2xx: from here on it may bill."""
        self._noted: TokenUsage | None = None
        self._cover: StreamCover | None = None
        self._started_at_ms = self._intent.started_at_ms

    async def run(self) -> None:
        exchange, handler = self._exchange, self._exchange.handler
        ruled = self._runner.client_rules.body(exchange, self._picked.account)
        prepared = handler.prepare(
            exchange.target,
            exchange.peek,
            ruled.body,
            upstream_model=self._picked.upstream_model,
            output_limit=exchange.output_limit,
        )
        headers, filtered = self._headers()
        request = self._build(prepared, headers)
        self._endpoint = request.endpoint
        if edits := ruled.edits + prepared.edits + filtered:
            self._note["edits"] = edits
        if self._is_metered:
            with self._runner.billing.watching(proves_health=True):
                await self._runner.journal.open_intent(self._intent)
            self._runner.fail_points.reach(FailPoint.AFTER_INTENT_COMMITTED)
        try:
            await self._call(request, prepared)
        except RelayError as error:
            self._note["fault"] = error.fault.kind.value
            if not self._is_booked:
                await self._book_failure(error.fault)
            credential = self._picked.account.secret.reveal()
            raise RelayError(without_credential(error.fault, credential)) from None
        except BaseException:
            if not self._is_booked:  # shutdown or a bug: the call is on record all the same
                await self._book_failure(Fault(kind=FaultKind.INTERNAL, message=""))
            raise
        finally:
            self._watchdog.watch(None)

    @property
    def took_ms(self) -> int:
        return round((asyncio.get_running_loop().time() - self._started) * 1000)

    @property
    def is_silent(self) -> bool:
        """A stream that had begun, and then said nothing for too long."""
        fault = self.fault
        return (
            fault is not None
            and fault.kind is FaultKind.UPSTREAM_TIMEOUT
            and self._is_accepted
            and self._exchange.peek.is_stream
        )

    async def _book_failure(self, fault: Fault) -> None:
        """No answer reached the client. The user pays only where the client left an answer that had begun
        (PAINS 1)."""
        outcome = PARTIAL if fault.kind is FaultKind.CLIENT_GONE and self._is_accepted else FAILED
        await self._book(outcome, self._read_of_failure(fault), fault, is_last=False)

    def _read_of_failure(self, fault: Fault) -> Reading:
        """What the provider told before it failed; else, where it had begun to work and will bill the input
        all the same, that by estimate, flagged."""
        if self._stream_read is not None:
            reading = self._stream_read.reading()
            if reading.source in _TOLD:
                return reading
        if fault.kind is FaultKind.CLIENT_GONE or (self._is_accepted and fault.kind in _BROKEN):
            return self._estimate()
        return NOTHING_READ

    def _estimate(self) -> Reading:
        estimate = TokenUsage(input=self._intent.input_estimate)
        return Reading(usage=estimate, source=UsageSource.ESTIMATED)

    def _headers(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Raises `RelayError`: the client asks for a feature that is not allowed here."""
        exchange = self._exchange
        allowed = for_upstream(exchange.headers, exchange.handler.request_headers)
        return self._runner.client_rules.headers(exchange, self._picked.account, allowed)

    def _build(self, prepared: PreparedBody, headers: dict[str, str]) -> UpstreamRequest:
        exchange = self._exchange
        is_untouched = not exchange.peek.is_stream and self._picked.upstream_model == exchange.peek.model
        headers["accept-encoding"] = accepted_codings(exchange.headers) if is_untouched else "identity"
        return build_request(
            self._picked.account,
            exchange.target,
            method=exchange.method,
            upstream_model=self._picked.upstream_model,
            query=exchange.query,
            headers=headers,
            body=prepared.body,
        )

    async def _call(self, request: UpstreamRequest, prepared: PreparedBody) -> None:
        exchange = self._exchange
        try:
            call = open_call(self._runner.clients, request)
            # While the provider thinks: runs at the first wait, when the request is on its way.
            asyncio.get_running_loop().call_soon(exchange.trace.digest)
            self._watch(call)
            async with call as answer:
                self._watchdog.watch(answer)
                self._note["status"] = answer.status
                self._upstream_request_id = _request_id(answer.headers)
                self._runner.fail_points.reach(FailPoint.AFTER_UPSTREAM_HEAD)
                self._is_accepted = answer.status < 300
                await self._hear(answer)
                if not self._is_accepted:
                    raise RelayError(await self._refused(answer))
                if exchange.peek.is_stream and not _is_plain_json(answer.headers, exchange):
                    await self._stream(answer)
                else:
                    await self._whole(answer)
        except RelayError as error:
            if error.fault.upstream_status is None and not self._is_booked:  # network faults, in-band errors
                await self._judge(error.fault, {}, b"")
            raise

    async def _hear(self, answer: UpstreamAnswer) -> None:
        """What the head alone teaches about the account."""
        health = self._runner.health
        if self._is_accepted and self._exchange.end_turn is not None:
            await end_turn(self._exchange)
        if self._is_accepted and self._picked.trial is not NO_TRIAL:
            await health.proved(self._picked, self._exchange, is_whole=False)
        if self._is_accepted and health.is_limited(self._picked.account.id):
            await health.doubted(self._exchange, self._picked, answer.headers)
        news = health.windows.look(self._picked.account, answer.headers)
        if not news:
            return
        await health.windows.note(self._picked.account.id, news)
        if self._is_accepted:  # what a refusal means is judged with its body
            await health.told(self._exchange, self._picked, news, self._note)

    def _watch(self, answer: UpstreamAnswer) -> None:
        self._watchdog.watch(answer, has_head=False)
        if self._exchange.caller.group.disconnect_policy is DisconnectPolicy.CANCEL:
            gone = Fault(kind=FaultKind.CLIENT_GONE, message="The client left")
            self._exchange.connection.on_gone(lambda: answer.abort(gone))

    async def _refused(self, answer: UpstreamAnswer) -> Fault:
        """A non-2xx answer: classify it, and let the account bear the consequence."""
        body = await _decoded_body(answer, self._runner.settings.upstream_error_body_max_bytes)
        fault = self._exchange.handler.classify(answer.status, answer.headers, body)
        await self._judge(fault, answer.headers, body)
        fault = self._runner.client_rules.as_shown(fault, self._picked.account, answer.status, body)
        if fault.shown is not None:
            self._note["error_rule"] = fault.shown.rule_id
        return fault

    async def _judge(self, fault: Fault, headers: Mapping[str, str], body: bytes) -> None:
        await self._runner.health.judge(self._exchange, self._picked, fault, headers, body, self._note)

    async def _stream(self, answer: UpstreamAnswer) -> None:
        exchange, settings = self._exchange, self._runner.settings
        stream = exchange.handler.open_stream(
            exchange.target,
            exchange.peek,
            client_model=exchange.peek.model,
            upstream_model=self._picked.upstream_model,
            max_event_bytes=settings.max_line_size,
        )
        self._stream_read = stream
        self._watchdog.may_ping = lambda: stream.at_boundary
        if self._is_metered:
            self._watchdog.on_progress = lambda: self._note_progress(stream)
        pump = StreamPump(
            answer,
            stream,
            self._responder,
            self._watchdog,
            head=for_client(answer.headers),
            decoder=decoder_for(answer.headers.get("content-encoding")),
            held_limit=settings.max_line_size,
            finish_grace_s=settings.finish_grace_s,
            on_commit=self._commit,
            fail_points=self._runner.fail_points,
            cover=self._cover_of(stream),
        )
        end = await pump.run(self._book_stream)
        if end.first_byte is not None:
            self.ttft_ms = round((end.first_byte - self._started) * 1000)
        if end.fault is not None:
            self.fault = end.fault
            exchange.is_broken = True

    def _cover_of(self, stream: ResponseStream) -> StreamCover | None:
        if self._is_metered:
            self._cover = self._runner.covers.open(self._exchange, stream)
        return self._cover

    def _note_progress(self, stream: ResponseStream) -> None:
        """Should this process die now, the record will know what the provider has said so far."""
        reading = stream.reading()
        usage = reading.usage if reading.source in _TOLD else NO_USAGE
        if usage == self._noted:
            return
        self._noted = usage
        self._runner.journal.note_progress(
            Progress(
                exchange_id=self._intent.exchange_id,
                attempt=self._number,
                usage=usage,
                upstream_request_id=self._upstream_request_id,
            )
        )

    def _commit(self) -> None:
        """The first byte of the answer goes out: no retry from here on, so the request body can be
        forgotten."""
        self._exchange.is_committed = True
        self._runner.bodies.free(self._exchange)

    async def _book_stream(self, end: StreamEnd) -> None:
        outcome, reading = COMPLETED if end.fault is None else PARTIAL, end.reading
        if end.fault is not None:  # before the trace is written
            self._note["fault"] = end.fault.kind.value
            await self._runner.health.broke_off(self._exchange, self._picked, end.fault, self._note)
        if self._cover is not None and self._cover.extensions:
            self._note["reservation_extended"] = self._cover.extensions
        if end.fault is not None:
            reading = self._read_of_broken(reading, end.fault)
        first = None if end.first_byte is None else round((end.first_byte - self._exchange.started) * 1000)
        await self._book(outcome, reading, end.fault, is_last=True, first_byte_ms=first)

    def _read_of_broken(self, reading: Reading, fault: Fault) -> Reading:
        """The answer broke off: what was passed and no report counted is estimated, and keeps to what was
        reserved (ADR 32)."""
        if fault.kind in OUR_OWN_ENDS and self._cover is not None:
            return replace(reading, usage=self._cover.final_usage(), source=UsageSource.ESTIMATED)
        told, limit = reading.usage, most_tokens(self._exchange)
        match reading.source:
            case UsageSource.NONE:  # before a word about usage: the input was read all the same
                usage, told = self._estimate().usage, NO_USAGE
            case UsageSource.ESTIMATED:
                usage, told = told, NO_USAGE
            case _:
                passed = reading.passed_output if limit is None else min(reading.passed_output, limit)
                usage = replace(told, output=max(told.output, passed))
        if usage == told:
            return reading
        if self._cover is not None:
            usage = self._cover.within(usage, told=told)
        return replace(reading, usage=usage, source=UsageSource.ESTIMATED)

    async def _whole(self, answer: UpstreamAnswer) -> None:
        exchange, settings = self._exchange, self._runner.settings
        raw = await answer.read_all(settings.upstream_response_read_max_bytes)
        decoder = decoder_for(answer.headers.get("content-encoding"))
        plain = raw if decoder is None else decoder.feed(raw)
        read = exchange.handler.read_answer(
            exchange.target,
            exchange.peek,
            plain,
            client_model=exchange.peek.model,
            upstream_model=self._picked.upstream_model,
        )
        if isinstance(read, Fault):
            raise RelayError(read)
        body, reading = read
        headers = for_client(answer.headers)
        if decoder is not None and body == plain:
            body = raw
            headers.append((b"content-encoding", answer.headers["content-encoding"].encode("latin-1")))
        await self._book(COMPLETED, reading, None, is_last=True)
        exchange.is_committed = True
        self._runner.fail_points.reach(FailPoint.BEFORE_LAST_BYTE)
        await self._responder.whole(answer.status, headers, body)
        self._runner.fail_points.reach(FailPoint.AFTER_LAST_BYTE)

    async def _book(
        self,
        outcome: str,
        reading: Reading,
        fault: Fault | None,
        *,
        is_last: bool,
        first_byte_ms: int | None = None,
    ) -> None:
        self._is_booked = True
        if self._cover is not None:
            await self._cover.close()
        if self._exchange.target.dialect is Dialect.OPENAI_RESPONSES:
            self._exchange.response_id = reading.response_id
        self._exchange.minted = reading.minted
        self._note["outcome"] = outcome
        self._note["ms"] = self._runner.clock.now_ms() - self._started_at_ms
        if not self._is_metered:
            return
        if reading.source is UsageSource.ESTIMATED:
            self._note["estimated"] = True
            reading = _within_limit(reading, most_tokens(self._exchange))
        await self._runner.settler.book(
            self._exchange,
            AttemptEnd(
                intent=self._intent,
                outcome=outcome,
                reading=reading,
                fault=fault,
                upstream_request_id=self._upstream_request_id,
                upstream_endpoint=self._endpoint,
                first_byte_ms=first_byte_ms,
                is_last=is_last,
                quota=self._picked.account.quota,
            ),
        )

    def _make_intent(self) -> Intent:
        exchange, account = self._exchange, self._picked.account
        caller = exchange.caller
        return Intent(
            exchange_id=exchange.id,
            attempt=self._number,
            user_id=caller.user.id,
            key_id=caller.key.id,
            group_id=caller.group.id,
            account_id=account.id,
            dialect=exchange.target.dialect.value,
            endpoint=exchange.endpoint,
            client_model=exchange.peek.model,
            upstream_model=self._picked.upstream_model,
            is_stream=exchange.peek.is_stream,
            charge_multiplier=exchange.charge_multiplier,
            cost_multiplier=account.cost_multiplier,
            input_estimate=exchange.peek.input_tokens_estimate,
            subscription_id=_subscription_of(caller),
            counts_key=caller.key.is_limited,
            quota_basis=caller.group.quota_basis.value,
            started_at_ms=self._runner.clock.now_ms(),
        )


def _subscription_of(caller: Caller) -> SubscriptionId | None:
    """Whose windows pay; None: the balance does."""
    if not caller.group.is_subscription:
        return None
    subscription = caller.user.subscriptions.get(caller.group.id)
    return None if subscription is None else subscription.id


def _request_id(headers: Mapping[str, str]) -> str | None:
    found = headers.get("request-id") or headers.get("x-request-id")
    return found[:128] if found else None


def _within_limit(reading: Reading, limit: int | None) -> Reading:
    """An estimate counts bytes; the provider keeps to the output limit that it was sent."""
    usage = reading.usage
    if limit is None or usage.output <= limit:
        return reading
    return replace(reading, usage=replace(usage, output=limit, reasoning=min(usage.reasoning, limit)))


def _is_plain_json(headers: Mapping[str, str], exchange: Exchange) -> bool:
    """Some compatible providers ignore `stream` and answer with one JSON document."""
    return exchange.target.path_model is None and headers.get("content-type", "").startswith(
        "application/json"
    )


async def _decoded_body(answer: UpstreamAnswer, limit: int) -> bytes:
    """An error body, decompressed; empty when it cannot be read: the status alone classifies then."""
    try:
        raw = await answer.read_all(limit)
        decoder = decoder_for(answer.headers.get("content-encoding"))
        return raw if decoder is None else decoder.feed(raw)
    except RelayError:
        return b""
