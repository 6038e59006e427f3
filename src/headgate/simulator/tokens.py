"""How the simulator counts. One rule for every dialect: a text costs ceil(UTF-8 bytes / 4) tokens.

A prompt costs the sum over its blocks plus `FRAMING_TOKENS`; an image costs `IMAGE_TOKENS`; blocks that are
neither (tools, tool results) cost their compact JSON.
"""

from dataclasses import dataclass, replace

FRAMING_TOKENS = 3
IMAGE_TOKENS = 258
PICTURE_OUTPUT_TOKENS = 272
"""Output tokens of one generated picture, as gpt-image-1 reports for a low quality square."""


def count_bytes(size_bytes: int) -> int:
    return (size_bytes + 3) // 4


def count_text(text: str) -> int:
    return count_bytes(len(text.encode("utf-8", "surrogatepass")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Disjoint buckets as a vendor bills them; `reasoning` is a part of `output`."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    images: int = 0

    @property
    def cache_write(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """Everything that went in, as OpenAI and Google report it."""
        return self.input + self.cache_read + self.cache_write

    def with_output(self, output: int) -> "Tokens":
        """The same prompt with `output` tokens generated so far."""
        return replace(self, output=output, reasoning=min(self.reasoning, output))


NO_TOKENS = Tokens()
