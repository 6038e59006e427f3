"""Foreign exceptions of the HTTP client, mapped once into faults (HOUSE_STYLE 11).

pyreqwest types and texts go no further: its texts hold URLs and could hold proxy passwords, so messages are
our own words.
"""

import errno
import socket
import ssl

from pyreqwest.exceptions import (
    ClientClosedError,
    DecodeError,
    DetailedPyreqwestError,
    PyreqwestError,
    RequestTimeoutError,
)

from headgate.core.faults import Fault, FaultKind

_CAUSES = (
    ("tunnel", "the egress proxy did not open a tunnel"),
    ("socks", "the egress proxy did not open a connection"),
    ("dns", "name lookup failed"),
    ("certificate", "the TLS certificate is not accepted"),
    ("tls", "the TLS handshake failed"),
    ("refused", "connection refused"),
    ("unreachable", "network unreachable"),
    ("reset", "connection reset"),
)
"""Words of the client's cause chain, most telling first, and what we say instead."""


def is_connect_failure(error: BaseException) -> bool:
    """Whether the connection was never made, so that nothing was sent and another address may be tried."""
    return isinstance(error, DetailedPyreqwestError) and "client error (Connect)" in _causes(error)


def connect_fault(error: OSError) -> Fault:
    """A direct connection that was never made; nothing was sent."""
    return Fault(
        kind=FaultKind.UPSTREAM_UNREACHABLE, message=f"Upstream is not reachable: {_socket_cause(error)}"
    )


def _socket_cause(error: OSError) -> str:
    match error:
        case TimeoutError():
            return "connecting timed out"
        case ssl.SSLCertVerificationError():
            return "the TLS certificate is not accepted"
        case ssl.SSLError():
            return "the TLS handshake failed"
        case socket.gaierror():
            return "name lookup failed"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError():
            return "connection reset"
        case _ if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return "network unreachable"
        case _:
            return "no connection"


def fault_before_answer(error: PyreqwestError | ValueError) -> Fault:
    """A failure up to and including the answer's head."""
    if is_connect_failure(error):
        return _unreachable(error)
    if isinstance(error, RequestTimeoutError):
        return timeout_fault("Upstream did not answer in time")
    if isinstance(error, ClientClosedError):
        return Fault(kind=FaultKind.SHUTTING_DOWN, message="The gateway is shutting down")
    if isinstance(error, DecodeError) and "SendRequest" in _causes(error):
        return Fault(kind=FaultKind.UPSTREAM_MALFORMED, message="Upstream sent something that is not HTTP")
    if not isinstance(error, PyreqwestError):
        return Fault(
            kind=FaultKind.REQUEST_INVALID,
            message="A request header or path has characters that cannot be sent",
        )
    return Fault(kind=FaultKind.UPSTREAM_CUT, message="Upstream closed the connection before it answered")


def fault_in_body(error: PyreqwestError) -> Fault:
    """A failure after the answer's head."""
    if isinstance(error, RequestTimeoutError):
        return timeout_fault("Upstream stopped sending")
    if isinstance(error, ClientClosedError):
        return Fault(kind=FaultKind.SHUTTING_DOWN, message="The gateway is shutting down")
    return Fault(kind=FaultKind.UPSTREAM_CUT, message="Upstream broke off the answer")


def timeout_fault(message: str) -> Fault:
    return Fault(kind=FaultKind.UPSTREAM_TIMEOUT, message=message)


def _unreachable(error: BaseException) -> Fault:
    text = _causes(error).lower()
    if isinstance(error, RequestTimeoutError):
        cause = "connecting timed out"
    else:
        cause = next((words for sign, words in _CAUSES if sign in text), "no connection")
    return Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message=f"Upstream is not reachable: {cause}")


def _causes(error: BaseException) -> str:
    """The cause chain without its first link, which quotes the URL."""
    details = getattr(error, "details", None) or {}
    return "; ".join(str(cause["message"]) for cause in (details.get("causes") or ())[1:])
