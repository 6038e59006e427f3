"""Gemini's usage reports into buckets.

Knows: `usageMetadata`. Invariants: counts are cumulative over a stream, so of several reports each field's
last value holds; `promptTokenCount` includes the cached part, `candidatesTokenCount` does not include
thoughts.
Source: Gemini API reference, "UsageMetadata".
"""

import msgspec
from msgspec.structs import replace

from headgate.core.dialects.metering import split_prompt
from headgate.core.usage import TokenUsage


class UsageReport(msgspec.Struct, rename="camel"):
    """As sent; None: not said."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


def merge(known: UsageReport | None, report: UsageReport) -> UsageReport:
    """What is known after this report."""
    if known is None:
        return report
    return UsageReport(
        _latest(known.prompt_token_count, report.prompt_token_count),
        _latest(known.cached_content_token_count, report.cached_content_token_count),
        _latest(known.candidates_token_count, report.candidates_token_count),
        _latest(known.thoughts_token_count, report.thoughts_token_count),
        _latest(known.tool_use_prompt_token_count, report.tool_use_prompt_token_count),
    )


def _latest(known: int | None, said: int | None) -> int | None:
    return known if said is None else said


def to_usage(report: UsageReport) -> TokenUsage:
    """Tokens of tool results that Google fed back to the model are input, never cached."""
    split = split_prompt(report.prompt_token_count or 0, cache_read=report.cached_content_token_count or 0)
    thoughts = max(report.thoughts_token_count or 0, 0)
    return replace(
        split,
        input=split.input + max(report.tool_use_prompt_token_count or 0, 0),
        output=max(report.candidates_token_count or 0, 0) + thoughts,
        reasoning=thoughts,
    )
