"""Usage reports of Chat Completions, embeddings and images into buckets.

Knows: `usage` of OpenAI and of compatible providers. Invariant: `prompt_tokens` includes cached and audio
tokens, `completion_tokens` includes reasoning and audio (OpenAI); where a provider's total says otherwise
(xAI adds reasoning on top), the total is right.
Sources: OpenAI API reference; DeepSeek (`prompt_cache_hit_tokens`); Kimi (`cached_tokens`); Perplexity
(`num_search_queries`); PAINS 5.
"""

import msgspec
from msgspec.structs import replace

from headgate.core.dialects.metering import count, is_missing, split_prompt, with_output
from headgate.core.usage import TokenUsage


class WriteDetails(msgspec.Struct):
    """OpenAI's retentions: 30 minutes, 12 hours. The longer one is priced like our hour bucket."""

    ttl_12h_tokens: int | None = None


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: WriteDetails | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


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
    num_search_queries: int | None = None

    @property
    def prompt(self) -> int:
        return count(self.prompt_tokens) or count(self.input_tokens)

    @property
    def completion(self) -> int:
        """What was said, or else what the total leaves for it."""
        if is_missing(self.completion_tokens) and is_missing(self.output_tokens):
            return max(count(self.total_tokens) - self.prompt, 0)
        return count(self.completion_tokens) or count(self.output_tokens)

    @property
    def lacks_input(self) -> bool:
        return is_missing(self.prompt_tokens) and is_missing(self.input_tokens)

    @property
    def lacks_output(self) -> bool:
        sides = (self.completion_tokens, self.output_tokens, self.total_tokens)
        return all(is_missing(said) for said in sides)


def latest(known: UsageReport | None, report: UsageReport | None) -> UsageReport | None:
    """Of cumulative reports the last one that says something."""
    if report is None or (known is not None and not (report.prompt or report.completion)):
        return known
    return report


def to_usage(
    report: UsageReport, *, images: int = 0, image_size: str | None = None, web_search_calls: int = 0
) -> TokenUsage:
    details = report.prompt_tokens_details or PromptDetails()
    prompt = report.prompt
    write = count(details.cache_write_tokens)
    long = min(count((details.cache_write_tokens_details or WriteDetails()).ttl_12h_tokens), write)
    split = split_prompt(
        prompt,
        cache_read=count(details.cached_tokens)
        or count(report.prompt_cache_hit_tokens)
        or count(report.cached_tokens),
        cache_write_1h=long,
        cache_write_5m=write - long,
        audio=count(details.audio_tokens),
    )
    of_output = report.completion_tokens_details or CompletionDetails()
    reasoning, output = count(of_output.reasoning_tokens), report.completion
    if reasoning and report.total_tokens == prompt + output + reasoning:
        output += reasoning
    usage = with_output(split, output, reasoning=reasoning, audio=count(of_output.audio_tokens))
    searches = max(web_search_calls, count(report.num_search_queries))
    return replace(usage, images=images, image_size=image_size, web_search_calls=searches)
