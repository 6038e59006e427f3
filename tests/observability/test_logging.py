"""Log lines: one JSON object each, in batches, and never a secret or the text of an exception (PAINS S12)."""

import io
import json
import subprocess
import sys
from typing import Any

from headgate.observability.logging import BufferedLines

PROGRAM = """
import logging, structlog
from headgate.kit.secret import Secret
from headgate.observability.logging import configure_logging
from headgate.settings import LogSettings

lines = configure_logging(LogSettings(level={level!r}, format={format!r}))
log = structlog.get_logger("test")
{body}
lines.flush()
"""


def logged(body: str, *, level: str = "info", format: str = "json") -> str:
    """What a process of its own writes: the set-up is global."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level, format=format, body=body)],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": "src"}, timeout=20,
    )  # fmt: skip
    return done.stderr


def events(body: str, **options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged(body, **options).splitlines()]


def test_an_event_is_one_json_object_with_level_and_time() -> None:
    (event,) = events('log.info("attempt_failed", account_id=7)')
    assert (event["event"], event["level"], event["account_id"]) == ("attempt_failed", "info", 7)
    assert event["timestamp"].endswith("Z")


def test_line_breaks_in_values_do_not_break_lines() -> None:
    (event,) = events('log.info("x", text="a\\nb")')
    assert event["text"] == "a\nb"


def test_a_secret_is_never_written() -> None:
    text = logged('log.warning("x", key=Secret("sk-hidden"), nested=[Secret("sk-hidden")])')
    assert "sk-hidden" not in text
    assert "***" in text


def test_an_unknown_object_is_named_by_its_type_and_not_printed() -> None:
    body = 'class Private:\n    def __repr__(self): return "sk-hidden"\nlog.info("x", it=Private())'
    (event,) = events(body)
    assert event["it"] == "Private"


def test_an_exception_is_logged_without_its_text() -> None:
    body = (
        "def fail(): raise ValueError('the prompt was: sk-hidden')\n"
        "try:\n    fail()\nexcept ValueError as error:\n    log.error('crashed', exc_info=error)"
    )
    (event,) = events(body)
    assert event["exception"] == "ValueError"
    assert any("fail" in frame for frame in event["frames"])
    assert "sk-hidden" not in json.dumps(event)


def test_what_is_below_the_level_is_not_written() -> None:
    assert [e["level"] for e in events('log.info("x"); log.warning("y")', level="warning")] == ["warning"]


def test_debug_shows_everything() -> None:
    assert [e["level"] for e in events('log.debug("x")', level="debug")] == ["debug"]


def test_on_a_console_lines_are_for_people() -> None:
    text = logged('log.info("attempt_failed", account_id=7)', format="console")
    assert "attempt_failed" in text
    assert "account_id=7" in text


def test_chatty_libraries_are_quiet() -> None:
    assert logged('logging.getLogger("asyncio").info("noise")') == ""


def test_lines_wait_for_a_flush() -> None:
    stream = io.BytesIO()
    lines = BufferedLines(stream)
    lines.line(b"one", is_urgent=False)
    lines.line(b"two", is_urgent=False)
    assert stream.getvalue() == b""
    lines.flush()
    assert stream.getvalue() == b"one\ntwo\n"


def test_an_urgent_line_takes_the_waiting_ones_along_in_order() -> None:
    stream = io.BytesIO()
    lines = BufferedLines(stream)
    lines.line(b"one", is_urgent=False)
    lines.line(b"alarm", is_urgent=True)
    assert stream.getvalue() == b"one\nalarm\n"


def test_a_full_buffer_is_written_without_being_asked() -> None:
    stream = io.BytesIO()
    lines = BufferedLines(stream)
    for _ in range(20):
        lines.line(b"x" * 1000, is_urgent=False)
    assert len(stream.getvalue()) >= 16 * 1024


def test_flushing_nothing_writes_nothing() -> None:
    stream = io.BytesIO()
    BufferedLines(stream).flush()
    assert stream.getvalue() == b""
