"""What the simulated models say: friendly sentences chosen by seed and prompt, in word pieces."""

import re
import zlib
from collections.abc import Mapping
from typing import Any

GREETING = (
    "Hello! You are talking to Headgate's demo provider: no key, no cost, and every token of this sentence "
    "is metered, priced and booked as if it were real. Ask me anything, or open the console to see what this "
    "answer cost."
)
SENTENCES = (
    "This answer was streamed by the Headgate simulator, one event at a time, as a real provider would.",
    "Every request you send has a line on my bill, and Headgate's ledger should agree with it to the token.",
    "A good gateway is like a good river lock: nothing is lost, nothing is hurried, every boat is counted.",
    "If I were a real model I would say something clever about your prompt; instead I promise to count it.",
    "Try a scripted fault next: write [sim: cut_after=3] with double brackets and watch the gateway.",
)
THOUGHTS = (
    "The user greets a simulator, so a short and honest answer is best. ",
    "I should say what I am, count my tokens, and keep the tone friendly. ",
)
FILLER = "headgate keeps every token counted and every byte in order "
_WORD = re.compile(r"\s*\S+\s*$|\s*\S+")
_GREETINGS = re.compile(r"\s*(hi|hello|hey|hallo|good (morning|evening))\b", re.IGNORECASE)


def reply_to(text: str, *, seed: int) -> str:
    """The sentence that answers `text`; the same for the same text and seed.

    Agents put reminders before what the user typed, so the last line decides whether it is a greeting.
    """
    last_line = text.strip().rpartition("\n")[2]
    if not last_line or (_GREETINGS.match(last_line) and len(last_line) < 40):
        return GREETING
    return SENTENCES[(zlib.crc32(text.encode("utf-8", "surrogatepass")) + seed) % len(SENTENCES)]


def filler(size_bytes: int) -> str:
    """Exactly `size_bytes` of ASCII prose."""
    return (FILLER * (size_bytes // len(FILLER) + 1))[:size_bytes]


def words(text: str) -> list[str]:
    """`text` in word pieces; joined again they are `text`."""
    pieces = _WORD.findall(text)
    return pieces if "".join(pieces) == text else [text]


def in_pieces(text: str, count: int) -> list[str]:
    """`text` in exactly `count` pieces of nearly equal length (fewer when it is shorter)."""
    count = max(1, min(count, len(text) or 1))
    size, longer = divmod(len(text), count)
    pieces, start = [], 0
    for index in range(count):
        end = start + size + (index < longer)
        pieces.append(text[start:end])
        start = end
    return pieces


def sample_value(schema: Mapping[str, Any], *, depth: int = 0) -> Any:
    """A small value that satisfies a JSON schema's type, enum and required properties."""
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    match str(kind).lower():
        case "object":
            return _sample_object(schema, depth)
        case "array":
            return []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "demo"


def _sample_object(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or depth > 4:
        return {}
    required = schema.get("required")
    names = required if isinstance(required, list) else list(properties)
    known = [(name, properties[name]) for name in names if isinstance(properties.get(name), dict)]
    return {name: sample_value(part, depth=depth + 1) for name, part in known}
