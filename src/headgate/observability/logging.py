"""Structured logs: one JSON object per line (or colours on a terminal), written in batches, off the
request's back."""

import logging
import sys
from typing import Any, BinaryIO

import msgspec
import structlog

from headgate.kit.secret import Secret
from headgate.settings import LogSettings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_FLUSH_BYTES = 16 * 1024


class BufferedLines:
    """Collects lines until `flush` (every 100 ms, on warnings, at exit): one write call instead of one per
    request."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []
        self._size = 0

    def line(self, data: bytes, *, is_urgent: bool) -> None:
        self._lines.append(data)
        self._size += len(data)
        if is_urgent or self._size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            data, self._lines, self._size = b"\n".join(self._lines) + b"\n", [], 0
            self._stream.write(data)
            self._stream.flush()


class _Logger:
    """What structlog calls with the rendered line; the method's name is the level."""

    def __init__(self, lines: BufferedLines) -> None:
        self._lines = lines

    def info(self, data: bytes) -> None:
        self._lines.line(data, is_urgent=False)

    debug = info

    def warning(self, data: bytes) -> None:
        self._lines.line(data, is_urgent=True)

    error = critical = exception = warning


def _render_json(_logger: object, _name: str, event: structlog.typing.EventDict) -> bytes:
    return msgspec.json.encode(event, enc_hook=_plain)


def _plain(value: Any) -> str:
    return "***" if isinstance(value, Secret) else type(value).__name__


def _console(lines: BufferedLines) -> list[structlog.typing.Processor]:
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def encoded(logger: Any, name: str, event: structlog.typing.EventDict) -> bytes:
        return str(render(logger, name, event)).encode()

    return [encoded]


def _traceback(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Exception type and frames, never the exception's text: it may quote a request (PAINS S12)."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = type(error).__name__
        event["frames"] = _frames(error)
    return event


def _frames(error: BaseException) -> list[str]:
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(
            f"{code.co_qualname if hasattr(code, 'co_qualname') else code.co_name}:{trace.tb_lineno}"
        )
        trace = trace.tb_next
    return frames[-12:]


def configure_logging(settings: LogSettings) -> BufferedLines:
    """Set up structlog and quiet the libraries. Returns the buffer, to be flushed regularly and at exit."""
    lines = BufferedLines(sys.stderr.buffer)
    renderers: list[Any] = [_render_json] if settings.format == "json" else _console(lines)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _traceback,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=lambda *_: _Logger(lines),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, force=True)
    return lines
