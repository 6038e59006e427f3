"""How operators write base URLs: with or without an API version at the end (spec 2.8)."""

import re

_VERSION = re.compile(r"/v\d+(?:(?:alpha|beta)\d*)?(?=/|$)")


def without_version(base: str) -> tuple[str, str | None]:
    """Split a trailing version segment off: `https://h/v1` -> (`https://h`, `/v1`)."""
    head, slash, last = base.rpartition("/")
    version = slash + last
    return (head, version) if _VERSION.fullmatch(version) else (base, None)


def has_version(base: str) -> bool:
    """Whether any path segment names a version, as in `https://h/v1beta/openai` or
    `https://h/api/paas/v4`."""
    path = base.partition("://")[2].partition("/")
    return _VERSION.search(path[1] + path[2]) is not None
