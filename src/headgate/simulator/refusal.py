"""A request that the simulated vendor refuses before it generates anything; such a request costs nothing."""

from collections.abc import Mapping


class Refused(Exception):
    """Carries what the dialect needs to render its own error envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after_s = retry_after_s
        self.headers = headers or {}
        """In place of the vendor's own of the same name."""
