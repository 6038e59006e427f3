"""What a dialect of the simulator offers; the delivery knows nothing else about it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from headgate.simulator.identity import Identity
from headgate.simulator.plan import Plan
from headgate.simulator.prompt import Ask
from headgate.simulator.refusal import Refused
from headgate.simulator.tokens import Tokens

Header = tuple[bytes, bytes]
Family = Literal["anthropic", "openai", "gemini"]
"""Whose envelopes, keys and model lists a path speaks."""


class Frame(NamedTuple):
    """One event of a stream: its bytes, the output tokens generated once it is sent, and the usage it states
    (if any).
    """

    data: bytes
    output: int
    reported: Tokens | None = None


class Speaker(Protocol):
    """What even a refusal needs: an id and the vendor's error envelope."""

    family: Family

    def request_id(self, identity: Identity) -> str:
        """The id of the response header, which is also the key of the bill."""
        ...

    def error(self, refused: Refused, request_id: str) -> bytes:
        """The vendor's error body."""
        ...

    def headers(self, request_id: str, plan: Plan | None, now_s: int) -> Sequence[Header]:
        """Response headers that the vendor sends beside the content type."""
        ...

    def limit_headers(self, status: int, reset_s: int, now_s: int) -> Sequence[Header]:
        """What the vendor adds when it refuses for rate or load."""
        ...


class Dialect(Speaker, Protocol):
    name: str
    stream_type: bytes
    """Content type of a stream."""
    ping: bytes
    """A keepalive event, empty where the vendor has none."""

    def read(self, body: Mapping[str, Any]) -> Ask:
        """Understand a generating request. Raises `Refused`."""
        ...

    def answer(self, plan: Plan) -> bytes:
        """The whole answer as one JSON body."""
        ...

    def frames(self, plan: Plan) -> Iterator[Frame]:
        """The answer as a stream, terminator included."""
        ...

    def malformed(self) -> bytes:
        """An event with broken JSON in the dialect's framing."""
        ...

    def error_event(self, request_id: str) -> bytes:
        """The vendor's in-band error inside a stream."""
        ...


def running(pieces: Sequence[str], base: int = 0) -> Iterator[tuple[str, int]]:
    """Each piece with the tokens counted up to and including it, on top of `base`; the last equals the whole
    text's count.
    """
    size = 0
    for piece in pieces:
        size += len(piece) if piece.isascii() else len(piece.encode("utf-8", "surrogatepass"))
        yield piece, base + (size + 3) // 4
