"""Faults inside a Chat Completions stream. Everything else is alike in all of OpenAI's protocols:
`openai_errors`."""

from headgate.core.dialects.openai_errors import render_fault
from headgate.core.faults import Fault


def render_fault_event(fault: Fault) -> bytes:
    """`event: error` with the usual envelope (spec 2.3): SDKs raise it; `[DONE]` does not follow a
    failure."""
    return b"event: error\ndata: " + b"".join(render_fault(fault).splitlines()) + b"\n\n"
