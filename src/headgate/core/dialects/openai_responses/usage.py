"""Usage reports of the Responses API into buckets.

Knows: `response.usage`. Invariant: `input_tokens` includes what was read from and written to the cache,
`output_tokens` includes reasoning.
Source: OpenAI API reference, "The response object".
"""

import msgspec
from msgspec.structs import replace

from headgate.core.dialects.metering import split_prompt
from headgate.core.usage import TokenUsage


class WriteDetails(msgspec.Struct):
    """Retentions of 30 minutes and 12 hours; the longer one is priced like our hour bucket."""

    ttl_12h_tokens: int | None = None


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: WriteDetails | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageReport(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


def to_usage(report: UsageReport) -> TokenUsage:
    details = report.input_tokens_details or InputDetails()
    write = details.cache_write_tokens or 0
    long = min((details.cache_write_tokens_details or WriteDetails()).ttl_12h_tokens or 0, write)
    split = split_prompt(
        report.input_tokens or 0,
        cache_read=details.cached_tokens or 0,
        cache_write_1h=long,
        cache_write_5m=write - long,
    )
    output = max(report.output_tokens or 0, 0)
    reasoning = max((report.output_tokens_details or OutputDetails()).reasoning_tokens or 0, 0)
    return replace(split, output=output, reasoning=min(reasoning, output))
