"""Gemini's usage reports into buckets.

Knows: `usageMetadata`. Invariants: counts are cumulative over a stream, so of several reports each field's
last value holds; `promptTokenCount` includes the cached part, `candidatesTokenCount` does not include
thoughts; the details split each count by modality. Fields that are zero may be left out.
Source: Gemini API reference, "UsageMetadata"; Vertex AI, "TrafficType".
"""

import msgspec
from msgspec.structs import astuple

from headgate.core.dialects.metering import count, is_missing, split_prompt, with_output
from headgate.core.usage import TokenUsage

_TIER_OF_TRAFFIC = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned",
}


class Part(msgspec.Struct, rename="camel"):
    """Tokens of one modality: TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT."""

    modality: str | None = None
    token_count: int | None = None


class UsageReport(msgspec.Struct, rename="camel"):
    """As sent; None: not said."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[Part] | None = None
    cache_tokens_details: list[Part] | None = None
    candidates_tokens_details: list[Part] | None = None
    traffic_type: str | None = None
    service_tier: str | None = None

    @property
    def served_tier(self) -> str | None:
        """Under the names that the request uses."""
        if self.traffic_type is not None:
            return _TIER_OF_TRAFFIC.get(self.traffic_type.upper())
        return tier_name(self.service_tier)

    @property
    def lacks_input(self) -> bool:
        return is_missing(self.prompt_token_count)

    @property
    def lacks_output(self) -> bool:
        """Neither text nor thoughts were counted, and the total does not say that there were none."""
        if not (is_missing(self.candidates_token_count) and is_missing(self.thoughts_token_count)):
            return False
        prompt = count(self.prompt_token_count) + count(self.tool_use_prompt_token_count)
        return self.total_token_count != prompt


def tier_name(said: str | None) -> str | None:
    """`SERVICE_TIER_PRIORITY` and `priority` are one tier."""
    return None if said is None else said.lower().removeprefix("service_tier_")


_FIELDS = UsageReport.__struct_fields__


def merge(known: UsageReport | None, report: UsageReport) -> UsageReport:
    """What is known after this report; `known` is used up."""
    if known is None:
        return report
    for name, value in zip(_FIELDS, astuple(report), strict=True):
        if value is not None:
            setattr(known, name, value)
    return known


def to_usage(
    report: UsageReport, *, images: int = 0, image_size: str | None = None, web_search_calls: int = 0
) -> TokenUsage:
    """Tokens of tool results that Google fed back to the model are input, never cached."""
    heard = _of(report.prompt_tokens_details, "AUDIO") - _of(report.cache_tokens_details, "AUDIO")
    split = split_prompt(
        count(report.prompt_token_count),
        cache_read=count(report.cached_content_token_count),
        audio=heard,
    )
    thoughts = count(report.thoughts_token_count)
    usage = with_output(
        split,
        count(report.candidates_token_count) + thoughts,
        reasoning=thoughts,
        audio=_of(report.candidates_tokens_details, "AUDIO"),
    )
    return msgspec.structs.replace(
        usage,
        input=split.input + count(report.tool_use_prompt_token_count),
        images=images,
        image_size=image_size,
        web_search_calls=web_search_calls,
    )


def _of(details: list[Part] | None, modality: str) -> int:
    return sum(count(part.token_count) for part in details or () if part.modality == modality)
