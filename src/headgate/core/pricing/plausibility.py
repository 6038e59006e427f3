"""Plausibility: whether a reported usage can be true, and what the record holds when it cannot (PAINS 10).

Knows: bounds from the model's limits and the request's. Refuses to know: any dialect's field names, amounts
of money. Invariants: pure; a usage within its bounds is never touched; what is beyond is kept word for word
beside the estimate that replaces it, side by side (input, output, tools), and never billed.

The bounds are wide on purpose: they catch nonsense (a billion tokens), not disputes. Servers that run tools
inside one request add up the input of every round, several candidates add up their output.
"""

import msgspec
from msgspec.structs import replace

from headgate.core.pricing.price import Price
from headgate.core.usage import TokenUsage, UsageSource

MAX_INPUT = 10_000_000
"""Where the model's window is not known: ten times the largest of today."""
MAX_OUTPUT = 2_000_000
"""The same for output: fifteen times the largest of today."""
_WINDOWS = 10
"""Rounds that a request may add up."""
_SMALLEST_INPUT_BOUND = 2_000_000
"""Windows that a vendor has widened since the price was written down."""
_OUTPUTS = 8
_SMALLEST_OUTPUT_BOUND = 500_000
_ASKED_TIMES, _ASKED_SLACK = 2, 16_384
"""Over the limit that the request stated, where the dialect keeps it."""
MAX_TOOL_CALLS = 1_000
"""Web searches, or pictures, of one request."""

ESTIMATED, DEFAULT_PRICE, IMPLAUSIBLE = "estimated", "default_price", "implausible"
"""Why somebody should look at a record."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The most tokens that one request can have used on either side."""

    input: int
    output: int


class Believed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The usage to bill, and what was said instead of it (JSON), if that is not the same."""

    usage: TokenUsage
    source: UsageSource
    quarantined: bytes | None = None


def bounds_of(price: Price, *, max_output_asked: int | None) -> Bounds:
    """`max_output_asked` is the request's own limit where its dialect guarantees it, else None."""
    input_bound, output_bound = MAX_INPUT, MAX_OUTPUT
    if price.max_input is not None:
        input_bound = max(price.max_input * _WINDOWS, _SMALLEST_INPUT_BOUND)
    if price.max_output is not None:
        output_bound = max(price.max_output * _OUTPUTS, _SMALLEST_OUTPUT_BOUND)
    if max_output_asked is not None:
        output_bound = min(output_bound, max_output_asked * _ASKED_TIMES + _ASKED_SLACK)
    return Bounds(input=input_bound, output=output_bound)


def believe(
    usage: TokenUsage, source: UsageSource, bounds: Bounds, *, input_estimate: int, output_estimate: int
) -> Believed:
    """The usage as it is when it can be true; else the estimate on each side that cannot."""
    input_side = usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    input_side += usage.audio_input
    too_much_input = input_side > bounds.input
    too_much_output = usage.output + usage.audio_output > bounds.output
    too_many_calls = usage.web_search_calls > MAX_TOOL_CALLS or usage.images > MAX_TOOL_CALLS
    if not (too_much_input or too_much_output or too_many_calls):
        return Believed(usage=usage, source=source)
    believed = usage
    if too_much_input:
        believed = replace(
            believed, input=min(input_estimate, bounds.input), cache_read=0, cache_write_5m=0,
            cache_write_1h=0, audio_input=0,
        )  # fmt: skip
    if too_much_output:
        believed = replace(believed, output=min(output_estimate, bounds.output), reasoning=0, audio_output=0)
    if too_many_calls:
        believed = replace(
            believed,
            web_search_calls=min(usage.web_search_calls, MAX_TOOL_CALLS),
            images=min(usage.images, MAX_TOOL_CALLS),
        )
    return Believed(usage=believed, source=UsageSource.ESTIMATED, quarantined=said(usage))


def said(usage: TokenUsage) -> bytes:
    """JSON of what a provider reported, without the buckets that are empty."""
    buckets = msgspec.structs.asdict(usage)
    return msgspec.json.encode({name: value for name, value in buckets.items() if value})


def review_of(believed: Believed, *, is_default: bool) -> str | None:
    """Why somebody should look, the gravest first; None: nothing to see."""
    if believed.quarantined is not None:
        return IMPLAUSIBLE
    if believed.usage.is_empty:
        return None
    if is_default:
        return DEFAULT_PRICE
    return ESTIMATED if believed.source is UsageSource.ESTIMATED else None
