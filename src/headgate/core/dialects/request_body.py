"""Reading the few facts of a request body, whatever the dialect: decoding, faults that name the field,
estimates.

Knows: JSON, byte sizes. Refuses to know: any vendor's field names. Invariants: nothing raises, whatever the
bytes; no message repeats a byte of the body; bulk parts stay raw.
Sources: spec 2.3 (messages); issue 2, "Bad input".
"""

import re
from typing import TypeVar

import msgspec

from headgate.core.faults import Fault, FaultKind

T = TypeVar("T")

ABSENT = msgspec.Raw(b"")
MAX_MODEL_CHARS = 256
MAX_TOKENS = 2**31 - 1
SEED_PART_BYTES = 64 * 1024
"""Of each part of a conversation seed: enough to tell conversations apart, little enough to hash."""

BYTES_PER_TOKEN = 3
"""English prose has 4 to 4.5 bytes per token, source code and JSON 3 to 3.5: three estimates high."""
SAMPLED_FROM_BYTES = 64 * 1024
SAMPLES = 64
_BASE64_WINDOW = re.compile(rb"[A-Za-z0-9+/=_-]{64}")
BASE64_BYTES_PER_TOKEN = 100
"""An image of 1 MB costs 1,600 to 5,000 tokens, a PDF page of 100 KB about 3,000, a minute of audio 2,000."""
BASE64_TOKENS = 1_600

_EXPECTED = re.compile(r"^Expected `([^`]+)`.* - at `\$\.?([^`]*)`$")
_MISSHAPEN = re.compile(r"^Expected `([^`]+)`")
_NAMES = {
    "str": "a string", "bool": "a boolean", "int": "an integer", "float": "a number",
    "array": "an array", "object": "an object",
}  # fmt: skip
_STRING = msgspec.json.Decoder(str)


def invalid(message: str) -> Fault:
    return Fault(kind=FaultKind.REQUEST_INVALID, message=message)


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T | Fault:
    """Decode into a partial struct. Members that the struct does not name are skipped, but must be JSON in
    UTF-8."""
    if not body or body.isspace():
        return invalid("Request body is empty")
    try:
        if not body.isascii():
            body.decode()  # the decoder does not look into strings that it skips
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        return invalid(f"Failed to parse request body: invalid UTF-8 at byte {error.start}")
    except msgspec.ValidationError as error:
        return invalid(_describe(str(error)))
    except msgspec.DecodeError as error:
        return invalid(f"Failed to parse request body: {error}")
    except RecursionError:
        return invalid("Failed to parse request body: nested too deeply")


def _describe(error: str) -> str:
    """Own words for the decoder's: they name the field and the type, never the value."""
    if found := _EXPECTED.match(error):
        names = [_NAMES.get(name, name) for name in found[1].split(" | ") if name != "null"]
        return f"{found[2]} must be {' or '.join(names)}"
    if found := _MISSHAPEN.match(error):
        return "Failed to parse request body: it must be a JSON object"
    return "Failed to parse request body: a value is out of range"


def model_fault(model: str | None) -> Fault | None:
    """What is wrong with a model name; None: nothing."""
    if not model or not model.strip():
        return invalid("model is required")
    if len(model) > MAX_MODEL_CHARS:
        return invalid(f"model must not be longer than {MAX_MODEL_CHARS} characters")
    if not model.isprintable():
        return invalid("model must not contain control characters")
    return None


def text(raw: msgspec.Raw) -> str | None:
    """A string member that is only a hint: other types are as good as absent (the provider judges them)."""
    if raw is ABSENT:
        return None
    try:
        return _STRING.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def part(decoder: "msgspec.json.Decoder[T]", raw: msgspec.Raw) -> T | None:
    """A nested object that is only a hint: None when it is absent or has another shape."""
    if raw is ABSENT:
        return None
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def token_limit(value: int | float | None) -> int | None:
    """A stated maximum of output tokens; negative numbers (some clients mean "no limit") count as
    unstated."""
    if value is None or value < 0:
        return None
    return int(min(value, MAX_TOKENS))


def seed(*parts: msgspec.Raw) -> bytes:
    """The bytes that identify a conversation, parts separated so that they cannot run into each other."""
    return b"\x00".join(bytes(memoryview(raw)[:SEED_PART_BYTES]) for raw in parts if raw is not ABSENT)


def input_tokens_estimate(body: bytes) -> int:
    """Input tokens, estimated high from the size.

    One token per three bytes. Bodies above 64 KB are looked at in 64 evenly spaced windows of 64 bytes: the
    share that is nothing but base64 alphabet counts as media, at 1,600 tokens plus one per 100 bytes, so that
    an inline image or document does not reserve a hundred times its price. Constant time, and the same body
    gives the same answer."""
    size = len(body)
    media = media_bytes(body)
    tokens = (size - media) // BYTES_PER_TOKEN
    return tokens + media // BASE64_BYTES_PER_TOKEN + BASE64_TOKENS if media else tokens


def media_bytes(body: bytes) -> int:
    """How many bytes of a large body are base64, estimated from its windows; 0 for a small one."""
    size = len(body)
    if size < SAMPLED_FROM_BYTES:
        return 0
    step = size // SAMPLES
    hits = sum(
        1 for at in range(step // 2, step // 2 + step * SAMPLES, step) if _BASE64_WINDOW.match(body, at)
    )
    return size * hits // SAMPLES
