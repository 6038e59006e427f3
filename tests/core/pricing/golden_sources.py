"""Where each golden row is from, and what was found of it when it was looked up again (2026-11-29).

No address could be opened: what was read are stored public copies, of the vendor's own page (some translated
around the tables, some put into the tests of programs that read the page) or of somebody who transcribed it
with a date. "Typed" rows were typed on 2026-11-28, naming that page, and not found again.
"""

from dataclasses import dataclass

VENDOR, TRANSCRIPT, TYPED = "vendor's page", "dated transcript", "typed, not found again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A vendor's page, what was seen of it, and for which date that speaks."""

    page: str
    seen: str
    as_of: str


_CLAUDE = "platform.claude.com/docs/en/about-claude/pricing"
_CLAUDE_BATCH = "platform.claude.com/docs/en/build-with-claude/batch-processing"
_CLAUDE_MODEL = "platform.claude.com/docs, the model's own page"
_OPENAI = "developers.openai.com/api/docs/pricing"
_PRIORITY = "openai.com/api-priority-processing"
_GOOGLE = "ai.google.dev/gemini-api/docs/pricing"

CLAUDE = Source(page=_CLAUDE, seen=VENDOR, as_of="undated, with Fable 5.1")
CLAUDE_EARLIER = Source(page=_CLAUDE, seen=VENDOR, as_of="undated, with Opus 4.6")
CLAUDE_BATCH = Source(page=_CLAUDE_BATCH, seen=VENDOR, as_of="undated, with Opus 5; no cache columns")
CLAUDE_FAST = Source(page=_CLAUDE, seen=TRANSCRIPT, as_of="2026-07-26, no cache columns")
CLAUDE_TYPED = Source(page=_CLAUDE, seen=TYPED, as_of="2026-11-28")
CLAUDE_MODEL = Source(page=_CLAUDE_MODEL, seen=VENDOR, as_of="undated, with Opus 5.5")
CLAUDE_OCTOBER = Source(page=_CLAUDE, seen=TRANSCRIPT, as_of="2026-10-24")
OPENAI = Source(page=_OPENAI, seen=VENDOR, as_of="2026-10-03")
OPENAI_TABS = Source(page=_OPENAI, seen=VENDOR, as_of="undated, with GPT-6 Astra")
OPENAI_PRIORITY = Source(page=_PRIORITY, seen=VENDOR, as_of="undated, with GPT-5.5")
OPENAI_TYPED = Source(page=_OPENAI, seen=TYPED, as_of="2026-11-28")
GOOGLE = Source(page=_GOOGLE, seen=VENDOR, as_of="undated, with Gemini 3.1 Pro")
GOOGLE_LATER = Source(page=_GOOGLE, seen=TRANSCRIPT, as_of="undated, with Gemini 3.7 Flash")
GOOGLE_TYPED = Source(page=_GOOGLE, seen=TYPED, as_of="2026-11-28")
DEEPSEEK = Source(page="api-docs.deepseek.com/quick_start/pricing", seen=TRANSCRIPT, as_of="2026-10-27")
XAI = Source(page="docs.x.ai/docs/models", seen=TRANSCRIPT, as_of="2026-07-13, without the cache read")

_ON_CLAUDE_PAGE = frozenset(
    {
        "claude-fable-5-1", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7", "claude-opus-4-6",
        "claude-opus-4-5", "claude-opus-4-1",
    }
)  # fmt: skip
_ON_PRIORITY_PAGE = frozenset(
    {"gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.2", "gpt-5.1", "gpt-5", "gpt-5-mini", "gpt-4.1"}
)
_OTHER_TABLES = frozenset({"gpt-audio", "text-embedding-3-small"})
"""Not in OpenAI's table of standard prices, of which there is a dated copy."""
_RETIRED = frozenset({"gpt-4o-audio-preview"})


def source_of(model: str, tier: str | None, *, is_long: bool) -> Source:
    """Raises LookupError for a model that nobody has said the source of."""
    match model.split("-")[0]:
        case "claude":
            return _claude(model, tier)
        case "gpt" | "o1" | "o3" | "o4" | "text":
            return _openai(model, tier, is_long=is_long)
        case "gemini":
            if tier is not None:
                return GOOGLE_TYPED
            return GOOGLE_LATER if model == "gemini-3.5-flash" else GOOGLE
        case "deepseek":
            return DEEPSEEK
        case "grok":
            return XAI
    raise LookupError(f"say in golden_sources.py where the prices of {model} are from")


def _openai(model: str, tier: str | None, *, is_long: bool) -> Source:
    if model in _RETIRED:
        return OPENAI_TYPED
    if tier is None:
        return OPENAI_TABS if model in _OTHER_TABLES else OPENAI
    is_on_priority_page = tier == "priority" and not is_long and model in _ON_PRIORITY_PAGE
    return OPENAI_PRIORITY if is_on_priority_page else OPENAI_TABS


def _claude(model: str, tier: str | None) -> Source:
    match tier:
        case "batch":
            return CLAUDE_BATCH
        case "fast":
            return CLAUDE_FAST
        case "priority":
            return CLAUDE_TYPED
    if model in ("claude-opus-5-5", "claude-sonnet-5"):
        return CLAUDE_MODEL
    if model in ("claude-sonnet-5-5", "claude-haiku-5-5"):
        return CLAUDE_OCTOBER
    return CLAUDE if model in _ON_CLAUDE_PAGE else CLAUDE_EARLIER
