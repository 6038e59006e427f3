"""What testing an account means to the management API (spec 8.4). The data plane implements it; neither
imports the other."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

EVENT_TYPES = frozenset({"test_start", "content", "image", "status", "test_complete", "error"})
"""Events of the test stream: test_start{model}, content{text}, image{image_url, mime_type}, status{text},
test_complete{success}, error{error, status_code?}."""


class AccountTester(Protocol):
    def run(self, account_id: int, *, model: str, prompt: str) -> AsyncIterator[Mapping[str, object]]:
        """One real call with the account's credential, as a stream of events `{"type": one of EVENT_TYPES,
        ...}`.

        Ends with `test_complete` or `error`; never raises for an upstream failure; never yields a secret.
        """
        ...
