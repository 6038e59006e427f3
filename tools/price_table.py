"""Write the table of list prices into `docs/prices.md`: `python -m tools.price_table`.

A test compares the two, so that the page cannot say other prices than are charged.
"""

from collections.abc import Iterator
from pathlib import Path

from headgate.core.pricing.book import PriceBook, PriceUnknown
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import Price, Rates, TierFactor, flat_price

DOCUMENT = Path(__file__).parents[1] / "docs/prices.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
NOW_MS = 1_795_824_000_000
"""2026-11-28: prices change with their dates, the page with a release."""
TIERS = ("priority", "fast", "flex", "batch")
MODELS = (
    "claude-fable-5-1", "claude-opus-5-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7",
    "claude-opus-4-6", "claude-opus-4-5", "claude-opus-4-1", "claude-sonnet-5-5", "claude-sonnet-5",
    "claude-sonnet-4-6", "claude-sonnet-4-5", "claude-sonnet-4-0", "claude-haiku-5-5", "claude-haiku-4-5",
    "gpt-6-astra", "gpt-6.1-sol", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-terra", "gpt-5.6-luna", "gpt-5.5",
    "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.2", "gpt-5.1", "gpt-5", "gpt-5-mini",
    "gpt-5-nano", "gpt-5-pro", "gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "o3", "o4-mini", "o1",
    "gpt-audio", "gpt-4o-audio-preview", "gpt-image-1", "gpt-image-1.5", "text-embedding-3-small",
    "gemini-3.1-pro-preview", "gemini-3.1-flash-lite", "gemini-3.5-flash", "gemini-3-flash-preview",
    "gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-flash-image",
    "gemini-3-pro-image-preview", "deepseek-flash", "deepseek-v4-pro", "grok-4.5",
)  # fmt: skip
HEAD = (
    "| Model | Tier | Context above | Input | Cache read | Cache write 5m | 1h | Output | Audio in | out"
    " | Picture tokens |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def table(book: PriceBook) -> str:
    """The lines between the two marks."""
    return HEAD + "".join(line for model in MODELS for line in _lines(model, _price(book, model)))


def section(document: str) -> str:
    return document.partition(BEGIN)[2].partition(END)[0]


def _price(book: PriceBook, model: str) -> Price:
    quote = book.quote(model, at_ms=NOW_MS)
    if isinstance(quote, PriceUnknown):
        raise LookupError(f"the catalogue does not know {model}")
    return quote.price


def _lines(model: str, price: Price) -> Iterator[str]:
    thresholds = (0, *(step.above_tokens for step in price.standard.long_context))
    shown: set[tuple[Rates, TierFactor | None, int]] = set()
    for tier in (None, *TIERS):
        for threshold in thresholds:
            rates, factor = price.rates_for(tier, threshold + 1)
            key = (rates, factor, threshold)
            if key not in shown:  # a tier that costs what another one costs has no line of its own
                shown.add(key)
                yield _line(model, tier, threshold, rates, factor)


def _line(model: str, tier: str | None, threshold: int, rates: Rates, factor: TierFactor | None) -> str:
    def usd(nano: int) -> str:
        exact = nano * (factor.times if factor else 1) / (factor.over if factor else 1) / 10**9
        return f"{exact:.6f}".rstrip("0").rstrip(".")

    audio = (
        usd(rates.audio_input) if rates.audio_input != rates.input else "",
        usd(rates.audio_output) if rates.audio_output != rates.output else "",
    )
    pictures = "" if rates.output_with_images is None else usd(rates.output_with_images)
    cells = (
        f"`{model}`", tier or "standard", f"{threshold:,}" if threshold else "", usd(rates.input),
        usd(rates.cache_read), usd(rates.cache_write_5m), usd(rates.cache_write_1h), usd(rates.output),
        *audio, pictures,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    default = flat_price(input_usd_per_mtok=1, output_usd_per_mtok=1)
    made = table(PriceBook(catalogue=bundled_catalogue(), default=default, refuse_unknown=True))
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    DOCUMENT.write_text(head + BEGIN + made + END + rest.partition(END)[2], encoding="utf-8")
    print(f"wrote {DOCUMENT.name}")
