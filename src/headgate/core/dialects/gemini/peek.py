"""Reading Gemini requests: generate, stream, count, embed. The model and the framing stand in the path.

Knows: the requests' field names, in camel case and in the snake case that Google accepts as well. Refuses to
know: what routing and money make of the facts.
"""

import msgspec

from headgate.core.dialects.contract import Operation, Peek, PreparedBody, StreamFraming, Target
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


class _Thinking(msgspec.Struct):
    camel_level: msgspec.Raw = msgspec.field(default=ABSENT, name="thinkingLevel")
    snake_level: msgspec.Raw = msgspec.field(default=ABSENT, name="thinking_level")


class _Config(msgspec.Struct):
    camel_limit: int | float | None = msgspec.field(default=None, name="maxOutputTokens")
    snake_limit: int | float | None = msgspec.field(default=None, name="max_output_tokens")
    camel_thinking: msgspec.Raw = msgspec.field(default=ABSENT, name="thinkingConfig")
    snake_thinking: msgspec.Raw = msgspec.field(default=ABSENT, name="thinking_config")


class _Body(msgspec.Struct):
    contents: msgspec.Raw = ABSENT
    camel_system: msgspec.Raw = msgspec.field(default=ABSENT, name="systemInstruction")
    snake_system: msgspec.Raw = msgspec.field(default=ABSENT, name="system_instruction")
    camel_config: _Config | None = msgspec.field(default=None, name="generationConfig")
    snake_config: _Config | None = msgspec.field(default=None, name="generation_config")


_BODY = msgspec.json.Decoder(_Body)
_CONTENTS = msgspec.json.Decoder(list[msgspec.Raw])
_THINKING = msgspec.json.Decoder(_Thinking)


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
        reasoning_effort=_thinking_level(config),
    )


def _thinking_level(config: _Config) -> str | None:
    thinking = part(_THINKING, _either(config.camel_thinking, config.snake_thinking))
    return None if thinking is None else text(_either(thinking.camel_level, thinking.snake_level))


def _first(contents: msgspec.Raw) -> list[msgspec.Raw]:
    """The first content: a list is the rule, a single object is accepted by Google too."""
    items = part(_CONTENTS, contents)
    return [contents] if items is None else items[:1]


def _either(camel: msgspec.Raw, snake: msgspec.Raw) -> msgspec.Raw:
    return snake if camel is ABSENT else camel


def prepare(body: bytes) -> PreparedBody:
    """Nothing to edit: the model is in the path."""
    return PreparedBody(body=body)
