"""The benchmark's models: `sim-fast[-EVENTS[-MILLISECONDS]]` in every dialect, from prebuilt bytes.

A template is the dialect's own rendering of a plan with placeholders for ids and token counts, cut at the
placeholders. Prompt tokens are ceil(body bytes / 4) and nothing is cached, so that the body is never parsed
beyond model and stream. Markers and the model suffix are not looked at; a key with a script takes the normal
way.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from headgate.kit.clock import Clock
from headgate.simulator import prose
from headgate.simulator.bill import Bill, BillLine, Status
from headgate.simulator.dialects.contract import Dialect, Header
from headgate.simulator.identity import Identity, IdentitySource
from headgate.simulator.plan import Plan
from headgate.simulator.prompt import Ask
from headgate.simulator.tokens import Tokens, count_bytes
from headgate.simulator.wire import ClientGone, Receive, Send, has_left, pause

PREFIX = "sim-fast"
DEFAULT_EVENTS = 20
MAX_EVENTS = 100_000
_NAME = re.compile(r"sim-fast(?:-(\d{1,6})(?:-(\d{1,5}))?)?")
_WORD = "0HEADGATEPLACEHOLDER00"
_HEX = "feedfacecafef00dfeedfacecafef00d"
_INPUT = 987_654_321
_MAX_TEMPLATES = 64
_LOOK_EVERY = 64


class _Options(msgspec.Struct):
    include_usage: bool | None = None


class Peek(msgspec.Struct):
    """The few fields of any dialect's body that choose the way."""

    model: str = ""
    stream: bool | None = None
    stream_options: _Options | None = None


_peek = msgspec.json.Decoder(Peek)


def peek(body: bytes) -> Peek | None:
    """None when the body is no such object; the normal way then says what is wrong with it."""
    try:
        return _peek.decode(body)
    except msgspec.DecodeError:
        return None


@dataclass(frozen=True, slots=True)
class _Piece:
    """One event: constant bytes, or segments with marks between them."""

    segments: tuple[bytes | int, ...]
    output: int
    stated: int | None
    """The output count in the last usage that the stream has stated by then."""

    def render(self, word: bytes, digits: bytes, prompt: int) -> bytes:
        first = self.segments[0]
        if len(self.segments) == 1 and isinstance(first, bytes):
            return first
        values = (word, digits, b"%d" % prompt, b"%d" % (prompt + self.output))
        return b"".join([values[part] if isinstance(part, int) else part for part in self.segments])


@dataclass(frozen=True, slots=True)
class _Template:
    pieces: tuple[_Piece, ...]
    output: int
    content_type: bytes
    pace_s: float


class _Run:
    """One answer being written from its template."""

    def __init__(
        self,
        template: _Template,
        line: BillLine,
        usage: Tokens,
        identity: Identity,
        receive: Receive,
        send: Send,
    ) -> None:
        self._template = template
        self._line = line
        self._usage = usage
        self._word, self._digits = identity.word.encode(), identity.hex.encode()
        self._receive = receive
        self._send = send

    async def write(self, headers: list[Header]) -> None:
        """All of it. Raises `ClientGone`."""
        template, line, send = self._template, self._line, self._send
        pieces, prompt = template.pieces, self._usage.input
        last = len(pieces) - 1
        data = pieces[0].render(self._word, self._digits, prompt)
        if last == 0:
            headers.append((b"content-length", b"%d" % len(data)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for index, piece in enumerate(pieces):
            if template.pace_s or index:
                await self._rest(index)
            data = piece.render(self._word, self._digits, prompt)
            line.sent(data)
            await send({"type": "http.response.body", "body": data, "more_body": index != last})
        self._note(len(pieces))

    async def _rest(self, index: int) -> None:
        """Between two events: the pace, or one turn of the loop, so that each event is a write of its own."""
        if self._template.pace_s:
            self._note(index)
            await pause(self._receive, self._template.pace_s)
            return
        await asyncio.sleep(0)
        if index % _LOOK_EVERY == 0 and has_left(self._receive):
            self._note(index)
            raise ClientGone

    def _note(self, sent: int) -> None:
        """Book what the first `sent` events imply."""
        if sent == 0:
            return
        piece = self._template.pieces[sent - 1]
        self._line.usage = self._usage.with_output(piece.output)
        self._line.reported = None if piece.stated is None else self._usage.with_output(piece.stated)


class FastLane:
    def __init__(self, *, bill: Bill, clock: Clock, identities: IdentitySource) -> None:
        self._bill = bill
        self._clock = clock
        self._identities = identities
        self._templates: OrderedDict[tuple[str, str, bool, bool], _Template] = OrderedDict()
        self._headers: dict[str, tuple[int, list[Header]]] = {}

    async def answer(
        self,
        dialect: Dialect,
        peeked: Peek,
        *,
        key: str,
        endpoint: str,
        body_bytes: int,
        receive: Receive,
        send: Send,
    ) -> None:
        """Serve one request from its template and bill it."""
        is_stream = bool(peeked.stream)
        include_usage = bool(peeked.stream_options and peeked.stream_options.include_usage)
        template = self._template(dialect, peeked.model, is_stream, include_usage)
        identity = self._identities.new()
        prompt = count_bytes(body_bytes)
        usage = Tokens(input=prompt, output=template.output)
        now_ms = self._clock.now_ms()
        line = BillLine(
            request_id=dialect.request_id(identity),
            key=key,
            dialect=dialect.name,
            endpoint=endpoint,
            model=peeked.model,
            asked_model=peeked.model,
            streamed=is_stream,
            started_ms=now_ms,
            usage=usage.with_output(0),
        )
        headers = self._header_list(dialect, line.request_id, now_ms // 1000, template.content_type)
        run = _Run(template, line, usage, identity, receive, send)
        self._bill.open(line)
        ending: Status = "client_gone"
        try:
            await run.write(headers)
            ending = "complete"
        except ClientGone:
            ending = "client_gone"
        finally:
            self._bill.close(line, ending, self._clock.now_ms())

    def _header_list(
        self, dialect: Dialect, request_id: str, now_s: int, content_type: bytes
    ) -> list[Header]:
        """The vendor's headers, rebuilt once a second; the request id is always the first."""
        at, headers = self._headers.get(dialect.family, (0, []))
        if at != now_s:
            headers = list(dialect.headers("-", None, now_s))
            self._headers[dialect.family] = (now_s, headers)
        return [(headers[0][0], request_id.encode()), *headers[1:], (b"content-type", content_type)]

    def _template(self, dialect: Dialect, model: str, is_stream: bool, include_usage: bool) -> _Template:
        where = (type(dialect).__name__, model, is_stream, include_usage)
        found = self._templates.get(where)
        if found is None:
            found = self._templates[where] = _build(
                dialect, model, is_stream=is_stream, include_usage=include_usage
            )
            if len(self._templates) > _MAX_TEMPLATES:
                self._templates.popitem(last=False)
        return found


def _build(dialect: Dialect, model: str, *, is_stream: bool, include_usage: bool) -> _Template:
    events, pace_ms = _numbers(model)
    text = prose.in_pieces(prose.filler(8 * events), events)
    output = 2 * events
    plan = Plan(
        identity=Identity(_WORD, _HEX, 1_767_225_600, 0),
        ask=Ask(model=model, blocks=(), stream=is_stream, include_usage=include_usage),
        model=model,
        thinking=(),
        text=text,
        tool=None,
        picture=None,
        usage=Tokens(input=_INPUT, output=output),
        stop="end",
        tier="standard" if dialect.family == "anthropic" else "default",
        hides_usage=False,
    )
    if not is_stream:
        pieces = [_cut(dialect.answer(plan), output, output)]
        return _Template(tuple(pieces), output, b"application/json", pace_ms / 1000)
    pieces, stated = [], None
    for frame in dialect.frames(plan):
        stated = stated if frame.reported is None else frame.output
        pieces.append(_cut(frame.data, frame.output, stated))
    return _Template(tuple(pieces), output, dialect.stream_type, pace_ms / 1000)


def _cut(data: bytes, generated: int, stated: int | None) -> _Piece:
    total = b"%d" % (_INPUT + generated)
    marks = (_WORD.encode(), _HEX.encode(), b"%d" % _INPUT, total)
    return _Piece(tuple(_segments(data, marks)), generated, stated)


def _segments(data: bytes, marks: Sequence[bytes]) -> Iterator[bytes | int]:
    for part in re.split(b"(" + b"|".join(re.escape(mark) for mark in marks) + b")", data):
        if part in marks:
            yield marks.index(part)
        elif part:
            yield part


def _numbers(model: str) -> tuple[int, int]:
    found = _NAME.match(model)
    if found is None or found[1] is None:
        return DEFAULT_EVENTS, 0
    return max(1, min(int(found[1]), MAX_EVENTS)), int(found[2] or 0)
