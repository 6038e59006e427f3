"""Ending a Gemini stream in the middle, as Google ends one at `maxOutputTokens`: a chunk with `finishReason`
`MAX_TOKENS`; in a JSON array also the closing bracket.

Source: Gemini API reference, "GenerateContentResponse", "FinishReason".
"""

import msgspec

from headgate.core.dialects.contract import StreamFraming
from headgate.core.usage import TokenUsage
from headgate.core.wire.sse import frame


def end_content(usage: TokenUsage, *, model: str, framing: StreamFraming) -> bytes:
    prompt = usage.total - usage.output - usage.audio_output
    output = usage.output + usage.audio_output
    candidate = {
        "content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0,
    }  # fmt: skip
    counts = {
        "promptTokenCount": prompt, "candidatesTokenCount": output, "totalTokenCount": prompt + output,
    }  # fmt: skip
    chunk = {"candidates": [candidate], "usageMetadata": counts, "modelVersion": model}
    data = msgspec.json.encode(chunk)
    if framing is StreamFraming.JSON_ARRAY:
        return b",\r\n" + data + b"\r\n]"
    return frame(data)
