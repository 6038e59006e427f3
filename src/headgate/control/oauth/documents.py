"""Documents that providers publish for everybody, kept for minutes: discovery and key sets."""

from collections.abc import Mapping
from typing import Any

MAX_KEPT = 200


class Documents:
    """Of one process, by their full address (PAINS S3)."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, Mapping[str, Any]]] = {}

    def read(self, url: str, *, now_ms: int, max_age_s: int) -> Mapping[str, Any] | None:
        """None when there is none, or only an older one."""
        at_ms, document = self._kept.get(url, (0, None))
        return document if document is not None and now_ms - at_ms < max_age_s * 1000 else None

    def keep(self, url: str, document: Mapping[str, Any], *, now_ms: int) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[url] = (now_ms, document)
