"""What the vendors' published tables say, typed by hand: USD per million tokens.

What was seen of each, and as of when, is in `golden_sources`.
Sources: Anthropic, platform.claude.com/docs/en/about-claude/pricing (model, long-context, batch and fast-mode
tables). OpenAI, developers.openai.com/api/docs/pricing (standard, flex, batch, audio) and
openai.com/api-priority-processing (priority; "excludes long context"). Google,
ai.google.dev/gemini-api/docs/pricing and .../optimization (flex and batch half, priority 1.8 times).
DeepSeek, api-docs.deepseek.com/quick_start/pricing (peak hours). xAI, docs.x.ai/docs/models.
"""

from dataclasses import dataclass
from decimal import Decimal

from tests.core.pricing.golden_sources import Source, source_of

SHORT, LONG = 10_000, 100_000
"""Tokens in each bucket of the input side: a context of 40,000 or 400,000 tokens and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a vendor's table. A bucket that the vendor does not price costs plain input or output."""

    model: str
    tier: str | None
    tokens: int
    input: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    output: Decimal
    audio_input: Decimal
    audio_output: Decimal

    @property
    def source(self) -> Source:
        return source_of(self.model, self.tier, is_long=self.tokens == LONG)

    def __str__(self) -> str:
        return f"{self.model} {self.tier or 'standard'}{' long' if self.tokens == LONG else ''}"


def row(
    model: str,
    input: str,
    read: str | None,
    output: str,
    *,
    tier: str | None = None,
    long: bool = False,
    writes: tuple[str, str] | None = None,
    audio: tuple[str, str] | None = None,
) -> Row:
    short_write, long_write = writes or (input, input)
    heard, spoken = audio or (input, output)
    return Row(
        model=model, tier=tier, tokens=LONG if long else SHORT, input=Decimal(input),
        cache_read=Decimal(read or input), cache_write_5m=Decimal(short_write),
        cache_write_1h=Decimal(long_write), output=Decimal(output), audio_input=Decimal(heard),
        audio_output=Decimal(spoken),
    )  # fmt: skip


ANTHROPIC = [
    row("claude-fable-5-1", "10", "0.25", "50", writes=("12.50", "20")),
    row("claude-opus-5-5", "4", "0.20", "20", writes=("5", "8")),
    row("claude-opus-5", "5", "0.50", "25", writes=("6.25", "10")),
    row("claude-opus-5", "10", "1", "50", writes=("12.50", "20"), tier="fast"),
    row("claude-opus-5", "2.50", "0.25", "12.50", writes=("3.125", "5"), tier="batch"),
    row("claude-opus-4-8", "5", "0.50", "25", writes=("6.25", "10")),
    row("claude-opus-4-7", "5", "0.50", "25", writes=("6.25", "10"), long=True),
    row("claude-opus-4-6", "5", "0.50", "25", writes=("6.25", "10")),
    row("claude-opus-4-6", "5", "0.50", "25", writes=("6.25", "10"), long=True),
    row("claude-opus-4-5", "5", "0.50", "25", writes=("6.25", "10")),
    row("claude-opus-4-5", "2.50", "0.25", "12.50", writes=("3.125", "5"), tier="batch"),
    row("claude-opus-4-1", "15", "1.50", "75", writes=("18.75", "30")),
    row("claude-opus-4-1", "7.50", "0.75", "37.50", writes=("9.375", "15"), tier="batch"),
    row("claude-sonnet-5-5", "2", "0.10", "10", writes=("2.50", "4")),
    row("claude-sonnet-5", "2", "0.20", "10", writes=("2.50", "4")),
    row("claude-sonnet-4-6", "3", "0.30", "15", writes=("3.75", "6"), long=True),
    row("claude-sonnet-4-5", "3", "0.30", "15", writes=("3.75", "6")),
    row("claude-sonnet-4-5", "6", "0.60", "22.50", writes=("7.50", "12"), long=True),
    row("claude-sonnet-4-5", "1.50", "0.15", "7.50", writes=("1.875", "3"), tier="batch"),
    row("claude-sonnet-4-5", "3", "0.30", "15", writes=("3.75", "6"), tier="priority"),
    row("claude-sonnet-4-0", "3", "0.30", "15", writes=("3.75", "6")),
    row("claude-haiku-5-5", "0.10", "0.01", "0.50", writes=("0.125", "0.20")),
    row("claude-haiku-5-5", "0.50", "0.05", "2.50", writes=("0.625", "1"), long=True),
    row("claude-haiku-4-5", "1", "0.10", "5", writes=("1.25", "2")),
    row("claude-haiku-4-5", "0.50", "0.05", "2.50", writes=("0.625", "1"), tier="batch"),
]
OPENAI = [
    row("gpt-6-astra", "10", "1", "50", writes=("12.50", "12.50")),
    row("gpt-6-astra", "20", "2", "75", writes=("25", "25"), long=True),
    row("gpt-6-astra", "5", "0.50", "25", writes=("6.25", "6.25"), tier="flex"),
    row("gpt-6-astra", "10", "1", "37.50", writes=("12.50", "12.50"), tier="flex", long=True),
    row("gpt-6-astra", "20", "2", "100", writes=("25", "25"), tier="priority"),
    row("gpt-6-astra", "40", "4", "150", writes=("50", "50"), tier="priority", long=True),
    row("gpt-6.1-sol", "2", "0.10", "10", writes=("2.50", "2.50")),
    row("gpt-6.1-sol", "4", "0.20", "15", writes=("5", "5"), long=True),
    row("gpt-6-sol", "2", "0.20", "10", writes=("2.50", "2.50")),
    row("gpt-6-sol", "4", "0.40", "15", writes=("5", "5"), long=True),
    row("gpt-6-luna", "0.10", "0.01", "0.50", writes=("0.125", "0.125")),
    row("gpt-6-luna", "0.20", "0.02", "0.75", writes=("0.25", "0.25"), long=True),
    row("gpt-5.6-terra", "2", "0.20", "12", writes=("2.50", "2.50")),
    row("gpt-5.6-terra", "1", "0.10", "6", writes=("1.25", "1.25"), tier="flex"),
    row("gpt-5.6-terra", "8", "0.80", "36", writes=("10", "10"), tier="priority", long=True),
    row("gpt-5.6-luna", "0.20", "0.02", "1.20", writes=("0.25", "0.25")),
    row("gpt-5.5", "5", "0.50", "30"),
    row("gpt-5.5", "10", "1", "45", long=True),
    row("gpt-5.5", "12.50", "1.25", "75", tier="priority"),
    row("gpt-5.5", "10", "1", "45", tier="priority", long=True),  # priority excludes long context
    row("gpt-5.4", "2.50", "0.25", "15"),
    row("gpt-5.4", "5", "0.50", "22.50", long=True),
    row("gpt-5.4", "5", "0.50", "30", tier="priority"),
    row("gpt-5.4", "5", "0.50", "22.50", tier="priority", long=True),
    row("gpt-5.4", "1.25", "0.13", "7.50", tier="flex"),
    row("gpt-5.4", "2.50", "0.25", "11.25", tier="flex", long=True),
    row("gpt-5.4-mini", "0.75", "0.075", "4.50"),
    row("gpt-5.4-mini", "1.50", "0.15", "9", tier="priority"),
    row("gpt-5.4-nano", "0.20", "0.02", "1.25"),
    row("gpt-5.2", "1.75", "0.175", "14"),
    row("gpt-5.2", "3.50", "0.35", "28", tier="priority"),
    row("gpt-5.1", "1.25", "0.125", "10"),
    row("gpt-5.1", "2.50", "0.25", "20", tier="priority"),
    row("gpt-5", "1.25", "0.125", "10"),
    row("gpt-5", "2.50", "0.25", "20", tier="priority"),
    row("gpt-5", "0.625", "0.0625", "5", tier="flex"),
    row("gpt-5-mini", "0.25", "0.025", "2"),
    row("gpt-5-mini", "0.45", "0.045", "3.60", tier="priority"),
    row("gpt-5-mini", "0.125", "0.0125", "1", tier="flex"),
    row("gpt-5-nano", "0.05", "0.005", "0.40"),
    row("gpt-5-nano", "0.025", "0.0025", "0.20", tier="flex"),
    row("gpt-5-pro", "15", None, "120"),
    row("gpt-4.1", "2", "0.50", "8"),
    row("gpt-4.1", "3.50", "0.875", "14", tier="priority"),
    row("gpt-4.1-mini", "0.40", "0.10", "1.60"),
    row("gpt-4o", "2.50", "1.25", "10"),
    row("gpt-4o", "4.25", "2.125", "17", tier="priority"),
    row("gpt-4o-mini", "0.15", "0.075", "0.60"),
    row("o3", "2", "0.50", "8"),
    row("o3", "1", "0.25", "4", tier="flex"),
    row("o3", "3.50", "0.875", "14", tier="priority"),
    row("o4-mini", "1.10", "0.275", "4.40"),
    row("o4-mini", "0.55", "0.138", "2.20", tier="flex"),
    row("o4-mini", "2", "0.50", "8", tier="priority"),
    row("o1", "15", "7.50", "60"),
    row("gpt-audio", "2.50", None, "10", audio=("32", "64")),
    row("gpt-4o-audio-preview", "2.50", None, "10", audio=("40", "80")),
    row("text-embedding-3-small", "0.02", None, "0"),
]
GOOGLE = [
    row("gemini-3.1-pro-preview", "2", "0.20", "12"),
    row("gemini-3.1-pro-preview", "4", "0.40", "18", long=True),
    row("gemini-3.1-pro-preview", "3.60", "0.36", "21.60", tier="priority"),
    row("gemini-3.1-pro-preview", "7.20", "0.72", "32.40", tier="priority", long=True),
    row("gemini-3.1-flash-lite", "0.25", "0.025", "1.50", audio=("0.50", "1.50")),
    row("gemini-3.5-flash", "1.50", "0.15", "9"),
    row("gemini-3-flash-preview", "0.50", "0.05", "3", audio=("1", "3")),
    row("gemini-2.5-pro", "1.25", "0.125", "10"),
    row("gemini-2.5-pro", "2.50", "0.25", "15", long=True),
    row("gemini-2.5-flash", "0.30", "0.03", "2.50", audio=("1", "2.50")),
    row("gemini-2.5-flash-lite", "0.10", "0.01", "0.40", audio=("0.30", "0.40")),
]
OTHERS = [
    row("deepseek-flash", "0.30", "0.006", "1.20"),
    row("deepseek-v4-pro", "1.32", "0.044", "3.96"),
    row("grok-4.5", "2", "0.30", "6"),
]
ROWS = [*ANTHROPIC, *OPENAI, *GOOGLE, *OTHERS]
