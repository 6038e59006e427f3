"""The transducer with a tiny reader of its own: commit point, holding back, edits, ends, limits."""

from collections.abc import Sequence

from headgate.core.dialects.contract import Reading
from headgate.core.faults import Fault, FaultKind
from headgate.core.usage import TokenUsage
from headgate.core.wire.passthrough import Opening, Passthrough
from headgate.core.wire.sse import EventFramer, ServerSentEvent

ERROR = Fault(kind=FaultKind.UPSTREAM_OVERLOADED, message="busy")


class ToyReader:
    """Knows `ping`, `text`, `usage`, `error`, `end`."""

    unit = b"text"
    markers: tuple[bytes, ...] = (b"end", b"error")

    def __init__(self, *, edits: bool = False, completes_at_end: bool = False) -> None:
        self.edit_markers: tuple[bytes, ...] = (b"usage",) if edits else ()
        self.finished = False
        self.fault: Fault | None = None
        self.output_reports = 0
        self._completes_at_end = completes_at_end

    def opening(self, event: ServerSentEvent) -> Opening | Fault:
        if event.data == b"error":
            return ERROR
        return "noise" if event.data == b"ping" else "content"

    def on_event(self, event: ServerSentEvent) -> None:
        self.finished = self.finished or event.data == b"end"
        self.fault = ERROR if event.data == b"error" else self.fault

    def edit(self, raw: bytes, event: ServerSentEvent) -> bytes:
        return b""

    envelope_bytes = 0

    def is_complete_at_end(self) -> bool:
        return self._completes_at_end

    def ending(self, passed: Sequence[ServerSentEvent], usage: TokenUsage) -> bytes:
        return b"data: end after %s\n\n" % passed[-1].data

    def reading(self, *, is_complete: bool, units_seen: int, bytes_seen: int) -> Reading:
        return Reading(usage=TokenUsage(input=bytes_seen, output=units_seen), response_id=str(is_complete))


def stream(*, edits: bool = False, completes_at_end: bool = False, limit: int = 1000) -> Passthrough:
    return Passthrough(
        ToyReader(edits=edits, completes_at_end=completes_at_end), EventFramer(limit), max_held_bytes=limit
    )


def test_pings_and_comments_do_not_commit_and_are_passed_with_the_first_content() -> None:
    passing = stream()
    assert passing.feed(b": hello\n\ndata: ping\n\n") == b""
    assert not passing.committed
    assert passing.feed(b"data: text\n\n") == b": hello\n\ndata: ping\n\ndata: text\n\n"
    assert passing.committed


def test_half_an_event_is_held_until_it_is_whole() -> None:
    passing = stream()
    assert passing.feed(b"data: te") == b""
    assert passing.feed(b"xt\n\ndata: te") == b"data: text\n\n"
    assert passing.feed(b"xt\n\n") == b"data: text\n\n"
    assert passing.at_boundary


def test_error_as_first_event_is_a_fault_before_the_commit_point() -> None:
    passing = stream()
    assert passing.feed(b"data: ping\n\ndata: error\n\ndata: text\n\n") == b""
    assert (passing.fault, passing.fault_shown, passing.committed) == (ERROR, False, False)
    assert passing.feed(b"data: text\n\n") == b""
    assert passing.close() == b""
    assert passing.fault is ERROR


def test_error_after_the_commit_point_reaches_the_client_itself() -> None:
    passing = stream()
    assert (
        passing.feed(b"data: text\n\n") + passing.feed(b"data: error\n\n") == b"data: text\n\ndata: error\n\n"
    )
    assert passing.fault_shown
    passing.feed(b"data: error\n\n")
    passing.close()
    assert passing.fault is ERROR
    assert not passing.finished


def test_end_without_terminal_event_is_a_cut_and_half_an_event_is_dropped() -> None:
    passing = stream()
    passing.feed(b"data: text\n\ndata: tex")
    assert passing.close() == b""
    assert passing.fault is not None
    assert passing.fault.kind is FaultKind.UPSTREAM_CUT
    assert passing.committed


def test_cut_before_any_whole_event_may_still_be_retried() -> None:
    passing = stream()
    passing.feed(b"data: text")
    assert passing.close() == b""
    assert not passing.committed


def test_unterminated_terminal_event_counts_and_is_passed() -> None:
    passing = stream()
    assert passing.feed(b"data: text\n\ndata: end") == b"data: text\n\n"
    assert passing.close() == b"data: end"
    assert (passing.finished, passing.fault) == (True, None)


def test_answer_that_is_one_unterminated_event_is_passed_at_the_end() -> None:
    passing = stream()
    passing.feed(b"data: end")
    assert passing.close() == b"data: end"
    assert passing.committed


def test_reader_may_call_an_answer_complete_without_a_terminal_event() -> None:
    passing = stream(completes_at_end=True)
    passing.feed(b"data: text\n\n")
    assert passing.close() == b""
    assert (passing.finished, passing.fault) == (True, None)


def test_empty_answer_is_a_cut_before_the_commit_point() -> None:
    passing = stream()
    assert passing.close() == b""
    assert not passing.committed
    assert passing.fault is not None


def test_edit_takes_out_exactly_one_event() -> None:
    passing = stream(edits=True)
    out = passing.feed(b"data: text\n\ndata: usage\n\n: c\n\n") + passing.feed(b"data: text\n\n")
    assert out == b"data: text\n\n: c\n\ndata: text\n\n"


def test_event_that_is_edited_away_does_not_commit() -> None:
    passing = stream(edits=True)
    assert passing.feed(b"data: usage\n\n") == b""
    assert not passing.committed
    assert passing.feed(b"data: text\n\n") == b"data: text\n\n"


def test_event_beyond_the_limit_ends_the_stream_as_malformed() -> None:
    passing = stream(limit=20)
    passing.feed(b"data: text\n\n")
    assert passing.feed(b"data: " + b"x" * 30) == b""
    assert passing.fault is not None
    assert passing.fault.kind is FaultKind.UPSTREAM_MALFORMED
    assert passing.feed(b"data: end\n\n") == b""
    assert passing.close() == b""


def test_endless_pings_before_the_commit_point_are_bounded() -> None:
    passing = stream(limit=100)
    for _ in range(20):
        passing.feed(b"data: ping\n\n")
    assert passing.fault is not None
    assert passing.fault.kind is FaultKind.UPSTREAM_MALFORMED


def test_reader_learns_how_much_was_seen() -> None:
    passing = stream()
    passing.feed(b"data: text\n\ndata: text\n\n")
    seen = Reading(usage=TokenUsage(input=24, output=2), response_id="False", passed_output=4)
    assert passing.reading() == seen
    assert "committed=True" in repr(passing)


def test_cut_short_it_ends_properly_and_passes_nothing_more() -> None:
    passing = stream()
    passing.feed(b"data: text\n\n")
    fault = Fault(kind=FaultKind.BUDGET_ENDED, message="m")
    assert passing.cut_short(fault, TokenUsage()) == b"data: end after text\n\n"
    assert (passing.fault, passing.fault_shown, passing.feed(b"data: more\n\n")) == (fault, True, b"")


def test_output_is_at_least_the_events_that_carried_some() -> None:
    passing = stream()
    passing.feed(b"data: text\n\n" * 3)
    assert passing.output_tokens(bytes_per_token=10_000) == 3
    assert passing.output_tokens(bytes_per_token=3) == (3 * len(b"data: text\n\n") - len(b"data: ")) // 3
