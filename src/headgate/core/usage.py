"""Token usage in disjoint billable buckets.

Knows: the buckets and how partial reports merge. Refuses to know: any dialect's field names (each dialect
maps into this type) and any price. Invariant: buckets are disjoint and never negative; `reasoning` is a part
of `output`.
"""

import re
from enum import StrEnum

import msgspec


class UsageSource(StrEnum):
    """Where the numbers come from. Estimates are flagged for ever (DESIGN 4)."""

    REPORTED = "reported"  # the provider said so, to the end of the answer
    PARTIAL = "partial"  # the provider said so, but the answer broke off
    ESTIMATED = "estimated"  # the provider said nothing; computed from bytes
    NONE = "none"  # nothing was consumed (the call was refused upstream)


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one attempt consumed, in tokens. Buckets are disjoint; their sum is `total`."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    """Part of `output`, shown but never priced twice."""
    images: int = 0
    """Generated pictures, for providers that price per image."""
    image_size: str | None = None
    """1K | 2K | 4K; None: not told, priced as 1K."""
    audio_input: int = 0
    """Beside `input`, not inside it; the same for output."""
    audio_output: int = 0
    web_search_calls: int = 0

    @property
    def total(self) -> int:
        text = self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.output
        return text + self.audio_input + self.audio_output

    @property
    def is_empty(self) -> bool:
        return self.total == 0 and self.images == 0 and self.web_search_calls == 0


NO_USAGE = TokenUsage()

_NAMED_SIZE = re.compile(r"([124])k", re.IGNORECASE)
_PIXELS = re.compile(r"(\d{1,6})x(\d{1,6})")
_LARGEST_1K, _LARGEST_2K = 1024, 2048


def image_size(said: str | None) -> str | None:
    """1K, 2K or 4K from a vendor's name of a picture's size: `2K` (Google), `1024x1536` (OpenAI: by its
    longer side). None: not told, or left to the model (`auto`)."""
    if said is None:
        return None
    if named := _NAMED_SIZE.fullmatch(said):
        return f"{named[1]}K"
    pixels = _PIXELS.fullmatch(said)
    if pixels is None:
        return None
    longest = max(int(pixels[1]), int(pixels[2]))
    return "1K" if longest <= _LARGEST_1K else "2K" if longest <= _LARGEST_2K else "4K"
