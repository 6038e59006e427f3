"""Usage reports of Chat Completions, embeddings and images into buckets.

Knows: `usage` of OpenAI and of compatible providers. Invariant: `prompt_tokens` includes cached tokens and
`completion_tokens` includes reasoning (OpenAI); where a provider's total says otherwise (xAI adds reasoning
on top), the total is right.
Sources: OpenAI API reference; DeepSeek (`prompt_cache_hit_tokens`); Kimi (`cached_tokens`); PAINS 5.
"""

import msgspec
from msgspec.structs import replace

from headgate.core.dialects.metering import split_prompt
from headgate.core.usage import TokenUsage


class WriteDetails(msgspec.Struct):
    """OpenAI's retentions: 30 minutes, 12 hours. The longer one is priced like our hour bucket."""

    ttl_12h_tokens: int | None = None


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: WriteDetails | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageReport(msgspec.Struct):
    """As sent. Images say `input_tokens` and `output_tokens`; embeddings have no completion."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    cached_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


def to_usage(report: UsageReport, *, images: int = 0) -> TokenUsage:
    details = report.prompt_tokens_details or PromptDetails()
    prompt = report.prompt_tokens or report.input_tokens or 0
    write = details.cache_write_tokens or 0
    long = min((details.cache_write_tokens_details or WriteDetails()).ttl_12h_tokens or 0, write)
    split = split_prompt(
        prompt,
        cache_read=details.cached_tokens or report.prompt_cache_hit_tokens or report.cached_tokens or 0,
        cache_write_1h=long,
        cache_write_5m=write - long,
    )
    reasoning = max((report.completion_tokens_details or CompletionDetails()).reasoning_tokens or 0, 0)
    output = max(report.completion_tokens or report.output_tokens or 0, 0)
    if reasoning and report.total_tokens == prompt + output + reasoning:
        output += reasoning
    return replace(split, output=output, reasoning=min(reasoning, output), images=images)
