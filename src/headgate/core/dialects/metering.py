"""Who said how much: turns a report, or the lack of one, into a reading.

Knows: reports, completeness, sizes. Refuses to know: any vendor's field names. Invariants: a provider's
number is never overwritten; what is guessed, in whole or in part, is flagged ESTIMATED.
Source: DESIGN 4; PAINS 2, 6, 7.
"""

from msgspec.structs import replace

from headgate.core.dialects.request_body import BASE64_BYTES_PER_TOKEN, BASE64_TOKENS, media_bytes
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource

BYTES_PER_OUTPUT_TOKEN = 4
"""Prose, the bulk of what is streamed."""
MAX_COUNT = 10**15
"""Sums of a report's counts stay far inside 64 bits; whether a number can be true is judged elsewhere
(`core.pricing.plausibility`)."""


def judge(
    reported: TokenUsage | None,
    *,
    is_complete: bool,
    output_tokens: int,
    input_tokens: int,
    lacks_input: bool = False,
    lacks_output: bool = False,
) -> tuple[TokenUsage, UsageSource]:
    """REPORTED or PARTIAL by completeness; without a report ESTIMATED from the two estimates, or NONE when
    the answer broke off before any output.

    A report that lacks the number of either side (`lacks_*`: not said, or no number) is completed by that
    estimate and then ESTIMATED as a whole; so is one of a complete answer that is nothing but zeros. What an
    answer that broke off had not said yet is estimated by the relay, from what was passed
    (`Reading.passed_output`)."""
    if reported is not None and reported.is_empty and is_complete:
        reported = None
    if reported is None:
        if is_complete or output_tokens:
            return TokenUsage(input=input_tokens, output=output_tokens), UsageSource.ESTIMATED
        return NO_USAGE, UsageSource.NONE
    if not is_complete:
        return reported, UsageSource.PARTIAL
    if not (lacks_input or lacks_output):
        return reported, UsageSource.REPORTED
    completed = replace(
        reported,
        input=max(reported.input, input_tokens) if lacks_input else reported.input,
        output=max(reported.output, output_tokens) if lacks_output else reported.output,
    )
    return completed, UsageSource.ESTIMATED


def streamed_output_tokens(units_seen: int, bytes_seen: int, *, envelope_bytes: int) -> int:
    """Output of a stream that reported nothing: at least one token per event that carried output, and one per
    four bytes beyond what the envelopes of those events weigh."""
    if not units_seen:
        return 0
    return max(units_seen, (bytes_seen - units_seen * envelope_bytes) // BYTES_PER_OUTPUT_TOKEN)


def whole_output_tokens(body: bytes, *, envelope_bytes: int) -> int:
    """The same for an answer in one piece; what is inlined as base64 counts as the media that it is."""
    media = media_bytes(body)
    written = max(1, (len(body) - media - envelope_bytes) // BYTES_PER_OUTPUT_TOKEN)
    return written + BASE64_TOKENS + media // BASE64_BYTES_PER_TOKEN if media else written


def split_prompt(
    prompt: int, *, cache_read: int, cache_write_1h: int = 0, cache_write_5m: int = 0, audio: int = 0
) -> TokenUsage:
    """Disjoint buckets from a prompt count that includes its cached and its audio tokens; parts never exceed
    the whole. Cached audio counts as cached."""
    rest = max(prompt, 0)
    rest -= (read := min(max(cache_read, 0), rest))
    rest -= (long := min(max(cache_write_1h, 0), rest))
    rest -= (short := min(max(cache_write_5m, 0), rest))
    rest -= (heard := min(max(audio, 0), rest))
    return TokenUsage(
        input=rest, cache_read=read, cache_write_1h=long, cache_write_5m=short, audio_input=heard
    )


def with_output(usage: TokenUsage, output: int, *, reasoning: int = 0, audio: int = 0) -> TokenUsage:
    """The same with an output count that includes its reasoning and its audio tokens."""
    spoken = min(max(audio, 0), output)
    written = output - spoken
    return replace(usage, output=written, audio_output=spoken, reasoning=min(max(reasoning, 0), written))


def count(said: int | None) -> int:
    """A count that was said, never below zero and never more than the books can hold."""
    return min(max(said or 0, 0), MAX_COUNT)


def is_missing(said: int | None) -> bool:
    """Not said, or nonsense: a count below zero says nothing."""
    return said is None or said < 0
