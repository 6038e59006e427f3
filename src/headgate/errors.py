"""The exception tree.

HeadgateError
├── StartupError        the program cannot start; one line that names the cause and the remedy
└── ApiError            a management-API failure with a fixed status and a stable reason (spec 0.2)

Data-plane failures are values (`core.faults.Fault`), carried by `core.faults.RelayError`.
"""

from collections.abc import Mapping


class HeadgateError(Exception):
    """Base of all exceptions that Headgate raises on purpose."""


class StartupError(HeadgateError):
    """Start-up stops here. The message names the key or resource, what is wrong, and what to do."""


class ApiError(HeadgateError):
    """Rendered as `{"code": status, "message": ..., "reason": ..., "metadata": ...}`."""

    status: int = 400
    reason: str = "INVALID_INPUT"

    def __init__(
        self, message: str, *, reason: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason
        self.metadata = metadata


class BadRequest(ApiError):
    status = 400


class Unauthenticated(ApiError):
    status = 401
    reason = "INVALID_CREDENTIALS"


class Forbidden(ApiError):
    status = 403
    reason = "INSUFFICIENT_PERMISSIONS"


class NotFound(ApiError):
    status = 404
    reason = "NOT_FOUND"


class Conflict(ApiError):
    status = 409
    reason = "CONFLICT"


class TooManyRequests(ApiError):
    status = 429
    reason = "RATE_LIMITED"


class Unavailable(ApiError):
    status = 503
    reason = "SERVICE_UNAVAILABLE"
