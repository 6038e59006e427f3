"""Who said how much: turns a report, or the lack of one, into a reading.

Knows: reports, completeness, sizes. Refuses to know: any vendor's field names. Invariants: a provider's
number is never overwritten and never completed by a guess; what is guessed is flagged ESTIMATED.
Source: DESIGN 4; PAINS 2, 6, 7.
"""

from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource

BYTES_PER_OUTPUT_TOKEN = 4
"""Prose, the bulk of what is streamed."""


def judge(
    reported: TokenUsage | None, *, is_complete: bool, output_tokens: int, input_tokens: int
) -> tuple[TokenUsage, UsageSource]:
    """REPORTED or PARTIAL by completeness; without a report ESTIMATED from the two estimates, or NONE when
    the answer broke off before any output."""
    if reported is not None:
        return reported, UsageSource.REPORTED if is_complete else UsageSource.PARTIAL
    if is_complete or output_tokens:
        return TokenUsage(input=input_tokens, output=output_tokens), UsageSource.ESTIMATED
    return NO_USAGE, UsageSource.NONE


def streamed_output_tokens(units_seen: int, bytes_seen: int, *, envelope_bytes: int) -> int:
    """Output of a stream that reported nothing: at least one token per event that carried output, and one per
    four bytes beyond what the envelopes of those events weigh."""
    if not units_seen:
        return 0
    return max(units_seen, (bytes_seen - units_seen * envelope_bytes) // BYTES_PER_OUTPUT_TOKEN)


def whole_output_tokens(body: bytes, *, envelope_bytes: int) -> int:
    """The same for an answer in one piece."""
    return max(1, (len(body) - envelope_bytes) // BYTES_PER_OUTPUT_TOKEN)


def split_prompt(
    prompt: int, *, cache_read: int, cache_write_1h: int = 0, cache_write_5m: int = 0
) -> TokenUsage:
    """Disjoint buckets from a prompt count that includes its cached tokens; parts never exceed the whole."""
    prompt = max(prompt, 0)
    read = min(max(cache_read, 0), prompt)
    long = min(max(cache_write_1h, 0), prompt - read)
    short = min(max(cache_write_5m, 0), prompt - read - long)
    return TokenUsage(
        input=prompt - read - long - short, cache_read=read, cache_write_1h=long, cache_write_5m=short
    )
