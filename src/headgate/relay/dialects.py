"""The dialects that the gateway speaks, by name."""

from collections.abc import Mapping

from headgate.core.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from headgate.core.dialects.contract import DialectHandler
from headgate.core.world import Dialect

HANDLERS: Mapping[Dialect, DialectHandler] = {
    Dialect.ANTHROPIC_MESSAGES: anthropic_messages.HANDLER,
    Dialect.OPENAI_CHAT: openai_chat.HANDLER,
    Dialect.OPENAI_RESPONSES: openai_responses.HANDLER,
    Dialect.GEMINI: gemini.HANDLER,
}
