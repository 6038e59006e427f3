"""Token usage as somebody states it in a body: for the preview of a cost, for the correction of a record."""

from typing import Annotated, Literal

from pydantic import Field

from headgate.control.web.fields import RequestBody
from headgate.core.usage import TokenUsage

Tokens = Annotated[int, Field(ge=0, le=10_000_000_000)]
_Pieces = Annotated[int, Field(ge=0, le=10_000)]


class StatedUsage(RequestBody):
    """What was, or would be, used, in disjoint buckets."""

    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_5m_tokens: Tokens = 0
    cache_write_1h_tokens: Tokens = 0
    audio_input_tokens: Tokens = 0
    audio_output_tokens: Tokens = 0
    image_count: _Pieces = 0
    image_size: Literal["1K", "2K", "4K"] | None = None
    web_search_calls: _Pieces = 0

    def usage(self) -> TokenUsage:
        return TokenUsage(
            input=self.input_tokens,
            output=self.output_tokens,
            cache_read=self.cache_read_tokens,
            cache_write_5m=self.cache_write_5m_tokens,
            cache_write_1h=self.cache_write_1h_tokens,
            audio_input=self.audio_input_tokens,
            audio_output=self.audio_output_tokens,
            images=self.image_count,
            image_size=self.image_size,
            web_search_calls=self.web_search_calls,
        )
