"""Faults inside a Responses stream. Everything else is alike in all of OpenAI's protocols:
`openai_errors`."""

import msgspec

from headgate.core.dialects.openai_errors import error_object
from headgate.core.faults import Fault


def render_fault_event(fault: Fault) -> bytes:
    """The `error` event: flat as OpenAI documents it, with the `error` object that SDKs look for (spec
    2.3)."""
    error = error_object(fault)
    body = {
        "type": "error",
        "code": error["code"],
        "message": error["message"],
        "param": None,
        "error": error,
    }
    return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"
