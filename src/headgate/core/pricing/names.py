"""Spellings of a model name: how one model is called by vendors, clouds and routers (spec 4.4).

Knows: decorations that do not change the price. Refuses to know: models. Invariant: the most specific
spelling first, so that an entry for exactly this name always wins.
"""

import re

MAX_NAME = 200
"""Longer names are no model names (column width of the usage records)."""

_REGION_AND_VENDOR = re.compile(
    r"^(?:(?:us|us-gov|eu|apac|jp|au|ca|sa|global)\.)?"
    r"(?:(?:anthropic|openai|google|deepseek|mistral|moonshot|moonshotai|minimax|zai|xai|cohere)\.)?"
)
_CLOUD_VERSION = re.compile(r"-v\d+(?::\d+)?$")  # Bedrock: ...-v1:0
_DATE = re.compile(r"-20\d{2}(?:-\d{2}-\d{2}|\d{4})$")
_COMPACT_DATE = re.compile(r"-(20\d{2})(\d{2})(\d{2})$")
_DASHED_VERSION = re.compile(r"-(\d)-(\d)(?=-|$)")


def spellings(model: str) -> tuple[str, ...]:
    """The name and its plainer forms, most specific first, without repetition, lower-case."""
    name = model.lower()
    bare = name.rsplit("/", 1)[-1]  # models/x, publishers/google/models/x, anthropic/x
    bare = _REGION_AND_VENDOR.sub("", bare, count=1)
    steps = [name, bare, _COMPACT_DATE.sub(r"-\1-\2-\3", bare), _CLOUD_VERSION.sub("", bare)]
    steps.append(steps[-1].partition(":")[0].replace("@", "-"))  # :free, :thinking; Vertex: name@date
    steps.append(_DATE.sub("", steps[-1]))
    steps.append(steps[-1].removesuffix("-latest"))
    dotted = [_DASHED_VERSION.sub(r"-\1.\2", step) for step in steps]
    return tuple(dict.fromkeys(step for step in (*steps, *dotted) if step))
