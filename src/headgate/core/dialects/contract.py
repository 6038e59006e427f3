"""What the relay asks of a dialect: peek at a request, read an answer, render a fault.

Knows: the shapes. Refuses to know: any vendor's field names (each dialect folder) and all I/O.
Invariant: a dialect never mutates the client's bytes; the same inputs give the same answer, so an attempt
can be repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from headgate.core.faults import Fault
from headgate.core.limits.rates import Tightest
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource
from headgate.core.world import Dialect, Provider

DEFAULT_MAX_EVENT_BYTES = 64 * 1024 * 1024


class Operation(StrEnum):
    """The client-facing operation, independent of the dialect."""

    GENERATE = "generate"  # messages, chat completions, responses, (stream)GenerateContent
    COUNT = "count"  # count_tokens, responses/input_tokens, countTokens: never billed
    EMBED = "embed"  # embeddings, embedContent, batchEmbedContents
    IMAGE = "image"  # images/generations
    COMPACT = "compact"  # responses/compact: billed like GENERATE, never streamed
    OBJECT = "object"  # GET/DELETE responses/{id} and other subpaths: relayed, never billed


WRITES = frozenset({Operation.GENERATE, Operation.COMPACT})
"""Operations whose answers are made of output tokens."""


class StreamFraming(StrEnum):
    """How a streamed answer is framed on the wire."""

    NONE = "none"
    SSE = "sse"
    JSON_ARRAY = "json_array"  # Gemini streamGenerateContent without alt=sse


class CacheUse(StrEnum):
    """What the request says about writing its prompt to a cache: the dearest rate its input can have."""

    NONE = "none"
    WRITE_5M = "write_5m"
    WRITE_1H = "write_1h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the path and query say, before the body is read."""

    dialect: Dialect
    operation: Operation
    subpath: str = ""
    """Responses: the part after `/v1/responses` (`/compact`, `/resp_1`); Gemini: the action
    (`generateContent`)."""
    path_model: str | None = None
    """Gemini: the model stands in the path."""
    framing: StreamFraming = StreamFraming.NONE
    """Gemini: decided by the path and `alt`; the others decide by the body's `stream`."""
    api_version: str = "v1"
    """Gemini: `v1` or `v1beta`, kept towards the provider."""


class Peek(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The few facts of a request body that routing, limits and money need."""

    model: str
    """Client model. Empty only for operations that name none (GET/DELETE of an object)."""
    framing: StreamFraming = StreamFraming.NONE
    max_output_tokens: int | None = None
    input_tokens_estimate: int = 0
    """Estimated high from the body's size; replaced by the reported usage at settlement."""
    wants_usage_chunk: bool = True
    """Chat streams: False when the client did not ask for `include_usage`; the gateway asks for itself and
    hides it."""
    metadata_user_id: str | None = None
    prompt_cache_key: str | None = None
    previous_response_id: str | None = None
    end_user: str | None = None
    """OpenAI `user`."""
    conversation_seed: bytes = b""
    """Bytes that stay the same over all turns of one conversation (system prompt and first message); may be
    empty."""
    cached_seed: bytes = b""
    """The part of the prompt in front of the conversation (tools, system) that the client marked for caching;
    empty: it marked none of it."""
    service_tier: str | None = None
    reasoning_effort: str | None = None
    image_count: int = 0
    image_size: str | None = None
    """1K | 2K | 4K, of the pictures asked for; None: left to the model."""
    cache_use: CacheUse = CacheUse.NONE
    min_output_tokens: int = 0
    """With a smaller output limit the provider refuses the request (Anthropic: the thinking budget)."""
    opaque_state: str | None = None
    """Name of the newest thinking signature or encrypted reasoning that the client sends back; None: none."""
    choices: int = 1
    """Answers asked for at once; the output limit is each one's."""

    @property
    def is_stream(self) -> bool:
        return self.framing is not StreamFraming.NONE


class PreparedBody(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bytes for one attempt, and the names of the edits that were made (empty: untouched)."""

    body: bytes
    edits: tuple[str, ...] = ()


class Reading(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an answer says about itself."""

    usage: TokenUsage = NO_USAGE
    source: UsageSource = UsageSource.NONE
    served_model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    minted: tuple[str, ...] = ()
    """Names of the newest thinking signatures or encrypted reasoning in the answer."""
    output_estimate: int = 0
    """Output tokens by the bytes that were seen, for when the reported ones cannot be true."""
    passed_output: int = 0
    """Of a stream: the output reported so far plus, by the bytes, what was passed after that report: more
    than `usage.output` where an answer breaks off before its report."""


class ResponseStream(Protocol):
    """A pure, synchronous transducer for one streamed answer: upstream bytes in, client bytes out (DESIGN 4).

    Chunk boundaries never matter. Nothing is returned before `committed` turns true: until then a fault may
    still switch accounts, so bytes of the first event are held back until it is complete and known to be no
    error.
    """

    committed: bool
    """A client-visible byte has been returned by `feed` or `close`."""
    finished: bool
    """The dialect's terminal event was seen: the answer is complete although the connection may still be
    open."""
    fault: Fault | None
    """An in-band error event, a malformed event before the commit point, or (after `close`) a cut answer."""

    @property
    def at_boundary(self) -> bool:
        """No event is half passed: a ping may be put in here without breaking one."""
        ...

    fault_shown: bool
    """The fault reached the client as the provider's own event: it must not be rendered a second time."""

    def feed(self, chunk: bytes) -> bytes: ...

    def close(self) -> bytes:
        """Upstream ended. Returns held bytes; sets `fault` (UPSTREAM_CUT) when the terminal event never
        came."""
        ...

    def output_tokens(self, *, bytes_per_token: int) -> int:
        """Output passed so far, estimated from events and bytes: cheap enough to ask often."""
        ...

    def cut_short(self, fault: Fault, usage: TokenUsage) -> bytes:
        """End the answer here, as the dialect ends one at its output limit: the bytes that do it. Nothing
        more is passed."""
        ...

    def reading(self) -> Reading:
        """Usage known so far: REPORTED when the answer was complete, PARTIAL when it broke off after a
        report, ESTIMATED when output was seen but never reported, NONE when nothing was."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownHint:
    """What a failed answer says about how long to leave the account alone."""

    until_ms: int
    reason: str
    """rate_limited | overloaded | unreachable ..."""
    evidence: str
    """Header or body field that said so, e.g. `anthropic-ratelimit-unified-5h-reset`; never a secret."""


class DialectHandler(Protocol):
    """One per dialect, stateless; `core/dialects/<name>/__init__.py` exports it as `HANDLER`."""

    dialect: Dialect
    provider: Provider
    request_headers: frozenset[str]
    """Lower-case client headers that may go to the provider (spec 2.4, 2.8). Auth headers are never among
    them."""
    ping: bytes | None
    """Bytes that keep a waiting or silent stream alive without committing it; None on Gemini (clients
    break)."""

    def peek(self, target: Target, body: bytes) -> Peek | Fault:
        """Read the few facts. Bad JSON, wrong types, a missing model give a Fault that names the field."""
        ...

    def prepare(
        self,
        target: Target,
        peek: Peek,
        body: bytes,
        *,
        upstream_model: str,
        output_limit: int | None = None,
    ) -> PreparedBody:
        """The body for an attempt: untouched, or with named edits (`model`, `include_usage`,
        `max_output_tokens` when the client's limit is more than can be paid for)."""
        ...

    def open_stream(
        self,
        target: Target,
        peek: Peek,
        *,
        client_model: str,
        upstream_model: str,
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
    ) -> ResponseStream:
        """A transducer for a 2xx streamed answer. Renames the model back when the two differ; one event
        longer than the limit ends it with a fault."""
        ...

    def read_answer(
        self, target: Target, peek: Peek, body: bytes, *, client_model: str, upstream_model: str
    ) -> tuple[bytes, Reading] | Fault:
        """A whole 2xx answer (decompressed): bytes for the client (untouched unless the model is renamed
        back) and its reading. UPSTREAM_MALFORMED when it is not JSON."""
        ...

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """Turn a non-2xx answer into a fault; headers are lower-case. Messages as spec 2.3; 400/404/413/422
        keep the body."""
        ...

    def cooldown(
        self, fault: Fault, headers: Mapping[str, str], body: bytes, *, now_ms: int
    ) -> CooldownHint | None:
        """How long the provider wants the account left alone (spec 3.10); None: no cooldown."""
        ...

    def render_fault(self, fault: Fault, *, request_id: str) -> bytes:
        """The JSON error envelope of this dialect (spec 2.3)."""
        ...

    def render_fault_event(self, fault: Fault, *, request_id: str, framing: StreamFraming) -> bytes:
        """The same inside a stream that has already started."""
        ...

    def rate_headers(self, limits: Tightest, *, now_ms: int) -> list[tuple[bytes, bytes]]:
        """How our rate limits stand, in the headers that this dialect's clients read."""
        ...
