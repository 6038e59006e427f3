"""A request as the generator sees it: prompt blocks in order, and what the client wants back."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from headgate.kit import json
from headgate.simulator.refusal import Refused
from headgate.simulator.tokens import FRAMING_TOKENS, IMAGE_TOKENS, count_bytes

CacheMark = Literal["5m", "1h"]


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a prompt; `mark` is an explicit cache breakpoint behind it."""

    digest: bytes
    tokens: int
    mark: CacheMark | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one generating request asks for."""

    model: str
    blocks: Sequence[Block]
    last_text: str = ""
    """The user's text, when the user spoke last (not a tool)."""
    stream: bool = False
    tools: Sequence[Tool] = ()
    forced_tool: str | None = None
    """A tool that must be called: its name, or empty for any."""
    thinks: bool = False
    shows_thinking: bool = True
    max_tokens: int | None = None
    include_usage: bool = False
    explicit_cache: bool = False
    """Only marked prefixes are cached (Anthropic); otherwise every repeated prefix is."""
    draws: bool = False
    tier: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the request that the answer repeats."""

    @property
    def prompt_tokens(self) -> int:
        return FRAMING_TOKENS + sum(block.tokens for block in self.blocks)


def text_block(text: str, mark: CacheMark | None = None) -> Block:
    raw = text.encode("utf-8", "surrogatepass")
    return Block(hashlib.blake2b(raw, digest_size=16).digest(), count_bytes(len(raw)), mark)


def value_block(value: object, mark: CacheMark | None = None, *, is_image: bool = False) -> Block:
    """A block that is not plain text: costs its compact JSON, or a flat price for an image."""
    raw = json.dumps(value)
    return Block(
        hashlib.blake2b(raw, digest_size=16).digest(),
        IMAGE_TOKENS if is_image else count_bytes(len(raw)),
        mark,
    )


def parse_object(body: bytes) -> dict[str, Any]:
    """The request body as a JSON object. Raises `Refused` with 400."""
    if not body:
        raise Refused(400, "Request body is empty")
    try:
        value = json.loads(body)
    except json.JSONDecodeError:
        raise Refused(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(value, dict):
        raise Refused(400, "The request body must be a JSON object.")
    return value


def require_text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        raise Refused(400, f"{name}: Field required", param=name, code="missing_required_parameter")
    if not isinstance(value, str) or not value:
        raise Refused(400, f"{name}: Input should be a non-empty string", param=name, code="invalid_type")
    return value


def require_list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    if value is None:
        raise Refused(400, f"{name}: Field required", param=name, code="missing_required_parameter")
    if not isinstance(value, list):
        raise Refused(400, f"{name}: Input should be a valid list", param=name, code="invalid_type")
    if not value:
        raise Refused(400, f"{name}: at least one item is required", param=name, code="empty_array")
    return value


def flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Refused(400, f"{name}: Input should be a valid boolean", param=name, code="invalid_type")
    return value


def optional_count(body: Mapping[str, Any], *names: str) -> int | None:
    """The first of `names` that is set, as a positive number."""
    for name in names:
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Refused(
                400, f"{name}: Input should be a positive integer", param=name, code="invalid_value"
            )
        return value
    return None


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value when it is an object, else an empty one (vendors are as lenient with optional parts)."""
    return value if isinstance(value, dict) else {}


def as_items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
