"""Reading Gemini requests: generate, stream, count, embed. The model and the framing stand in the path.

Knows: the requests' field names, in camel case and in the snake case that Google accepts as well. Refuses to
know: what routing and money make of the facts.
"""

import msgspec

from headgate.core.dialects.contract import Operation, Peek, PreparedBody, StreamFraming, Target
from headgate.core.dialects.gemini.usage import tier_name
from headgate.core.dialects.request_body import (
    ABSENT,
    decode,
    input_tokens_estimate,
    model_fault,
    part,
    seed,
    text,
    token_limit,
)
from headgate.core.faults import Fault
from headgate.core.usage import image_size
from headgate.core.wire.json_edit import members, set_members
from headgate.core.wire.opaque_state import THOUGHT_SIGNATURE, newest_in


class _Thinking(msgspec.Struct):
    camel_level: msgspec.Raw = msgspec.field(default=ABSENT, name="thinkingLevel")
    snake_level: msgspec.Raw = msgspec.field(default=ABSENT, name="thinking_level")


class _Image(msgspec.Struct):
    camel_size: msgspec.Raw = msgspec.field(default=ABSENT, name="imageSize")
    snake_size: msgspec.Raw = msgspec.field(default=ABSENT, name="image_size")


class _Config(msgspec.Struct):
    camel_limit: int | float | None = msgspec.field(default=None, name="maxOutputTokens")
    snake_limit: int | float | None = msgspec.field(default=None, name="max_output_tokens")
    camel_thinking: msgspec.Raw = msgspec.field(default=ABSENT, name="thinkingConfig")
    snake_thinking: msgspec.Raw = msgspec.field(default=ABSENT, name="thinking_config")
    camel_image: msgspec.Raw = msgspec.field(default=ABSENT, name="imageConfig")
    snake_image: msgspec.Raw = msgspec.field(default=ABSENT, name="image_config")


class _Body(msgspec.Struct):
    contents: msgspec.Raw = ABSENT
    camel_system: msgspec.Raw = msgspec.field(default=ABSENT, name="systemInstruction")
    snake_system: msgspec.Raw = msgspec.field(default=ABSENT, name="system_instruction")
    camel_config: _Config | None = msgspec.field(default=None, name="generationConfig")
    snake_config: _Config | None = msgspec.field(default=None, name="generation_config")
    camel_tier: msgspec.Raw = msgspec.field(default=ABSENT, name="serviceTier")
    snake_tier: msgspec.Raw = msgspec.field(default=ABSENT, name="service_tier")


_BODY = msgspec.json.Decoder(_Body)
_CONTENTS = msgspec.json.Decoder(list[msgspec.Raw])
_THINKING = msgspec.json.Decoder(_Thinking)
_IMAGE = msgspec.json.Decoder(_Image)


def peek(target: Target, body: bytes) -> Peek | Fault:
    if (fault := model_fault(target.path_model)) is not None:
        return fault
    read = decode(_BODY, body)
    if isinstance(read, Fault):
        return read
    config = read.camel_config or read.snake_config or _Config()
    limit = config.camel_limit if config.camel_limit is not None else config.snake_limit
    return Peek(
        model=target.path_model or "",
        framing=target.framing if target.operation is Operation.GENERATE else StreamFraming.NONE,
        max_output_tokens=token_limit(limit),
        input_tokens_estimate=input_tokens_estimate(body),
        conversation_seed=seed(_either(read.camel_system, read.snake_system), *_first(read.contents)),
        service_tier=tier_name(text(_either(read.camel_tier, read.snake_tier))),
        reasoning_effort=_thinking_level(config),
        image_size=_image_size(config),
        opaque_state=newest_in(body, THOUGHT_SIGNATURE),
    )


def _thinking_level(config: _Config) -> str | None:
    thinking = part(_THINKING, _either(config.camel_thinking, config.snake_thinking))
    return None if thinking is None else text(_either(thinking.camel_level, thinking.snake_level))


def _image_size(config: _Config) -> str | None:
    image = part(_IMAGE, _either(config.camel_image, config.snake_image))
    return None if image is None else image_size(text(_either(image.camel_size, image.snake_size)))


def _first(contents: msgspec.Raw) -> list[msgspec.Raw]:
    """The first content: a list is the rule, a single object is accepted by Google too."""
    items = part(_CONTENTS, contents)
    return [contents] if items is None else items[:1]


def _either(camel: msgspec.Raw, snake: msgspec.Raw) -> msgspec.Raw:
    return snake if camel is ABSENT else camel


def prepare(body: bytes, *, output_limit: int | None = None) -> PreparedBody:
    """The one edit is the output limit that can be paid for: the model is in the path."""
    if output_limit is None:
        return PreparedBody(body=body)
    top = members(body)
    outer = (
        "generation_config"
        if "generation_config" in top and "generationConfig" not in top
        else "generationConfig"
    )
    inner = bytes(top.get(outer, b"null"))
    if inner == b"null":
        inner = b"{}"
    name = "max_output_tokens" if "max_output_tokens" in members(inner) else "maxOutputTokens"
    config = set_members(inner, {name: b"%d" % output_limit})
    return PreparedBody(body=set_members(body, {outer: config}), edits=("max_output_tokens",))
