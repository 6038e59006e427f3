"""Usage reports of the Responses API into buckets.

Knows: `response.usage`, `response.tool_usage`, the output items of hosted tools. Invariant: `input_tokens`
includes what was read from and written to the cache, `output_tokens` includes reasoning; what hosted tools
used stands beside both.
Source: OpenAI API reference, "The response object".
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from headgate.core.dialects.metering import count, is_missing, split_prompt, with_output
from headgate.core.usage import TokenUsage, image_size


class WriteDetails(msgspec.Struct):
    """Retentions of 30 minutes and 12 hours; the longer one is priced like our hour bucket."""

    ttl_12h_tokens: int | None = None


class InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens_details: WriteDetails | None = None


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class UsageReport(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None

    @property
    def lacks_input(self) -> bool:
        return is_missing(self.input_tokens)

    @property
    def lacks_output(self) -> bool:
        return is_missing(self.output_tokens)


class Action(msgspec.Struct):
    type: str | None = None


class OutputItem(msgspec.Struct):
    """What was done by a hosted tool; other items are skipped by their type."""

    type: str | None = None
    id: str | None = None
    status: str | None = None
    action: Action | str | None = None
    size: str | None = None

    @property
    def is_search(self) -> bool:
        """Opening a found page and searching in it are free."""
        if self.type != "web_search_call" or self.status == "failed":
            return False
        return not isinstance(self.action, Action) or self.action.type in (None, "search")

    @property
    def is_picture(self) -> bool:
        return self.type == "image_generation_call" and self.status != "failed"


class WebSearchUsage(msgspec.Struct):
    num_requests: int | None = None


class ToolUsage(msgspec.Struct):
    """What OpenAI itself will bill for hosted tools; newer answers only."""

    web_search: WebSearchUsage | None = None


def to_usage(
    report: UsageReport, items: Iterable[OutputItem] = (), tools: ToolUsage | None = None
) -> TokenUsage:
    """`items` are the answer's; where `tools` counts searches, its number is the one that is billed."""
    details = report.input_tokens_details or InputDetails()
    write = count(details.cache_write_tokens)
    long = min(count((details.cache_write_tokens_details or WriteDetails()).ttl_12h_tokens), write)
    split = split_prompt(
        count(report.input_tokens),
        cache_read=count(details.cached_tokens),
        cache_write_1h=long,
        cache_write_5m=write - long,
        audio=count(details.audio_tokens),
    )
    of_output = report.output_tokens_details or OutputDetails()
    usage = with_output(
        split,
        count(report.output_tokens),
        reasoning=count(of_output.reasoning_tokens),
        audio=count(of_output.audio_tokens),
    )
    return _with_tools(usage, items, tools)


def _with_tools(usage: TokenUsage, items: Iterable[OutputItem], tools: ToolUsage | None) -> TokenUsage:
    searches, pictures, size = 0, 0, None
    for item in items:
        searches += item.is_search
        if item.is_picture:
            pictures += 1
            size = image_size(item.size) or size
    counted = tools.web_search.num_requests if tools is not None and tools.web_search is not None else None
    if not is_missing(counted):
        searches = count(counted)
    if not (searches or pictures):
        return usage
    return replace(usage, web_search_calls=searches, images=pictures, image_size=size)
