"""The bill keeps exact totals and a bounded number of lines."""

from hashlib import sha256

from headgate.simulator.bill import Bill, BillLine
from headgate.simulator.tokens import Tokens


def _line(request_id: str, key: str = "sim-a") -> BillLine:
    return BillLine(
        request_id=request_id,
        key=key,
        dialect="openai_chat",
        endpoint="chat_completions",
        model="m",
        asked_model="m",
        streamed=True,
        started_ms=1,
    )


def _serve(bill: Bill, line: BillLine, *, output: int) -> None:
    bill.open(line)
    line.usage = Tokens(input=10, output=output)
    line.sent(b"abc")
    bill.close(line, "complete", 2)


def test_totals_remember_what_lines_forget() -> None:
    bill = Bill(keep_lines=2)
    for number in range(5):
        _serve(bill, _line(f"req_{number}"), output=number)
    shown = bill.as_json()
    assert [line["request_id"] for line in shown["lines"]] == ["req_3", "req_4"]
    assert shown["totals"]["sim-a"]["requests"] == 5
    assert shown["totals"]["sim-a"]["output"] == 10


def test_a_line_hashes_the_bytes_that_were_sent() -> None:
    bill = Bill()
    _serve(bill, _line("req_1"), output=1)
    (line,) = bill.as_json()["lines"]
    assert (line["sha256"], line["bytes_sent"]) == (sha256(b"abc").hexdigest(), 3)


def test_an_answer_under_way_is_shown_as_open() -> None:
    bill = Bill()
    bill.open(_line("req_1"))
    assert bill.as_json()["open"] == 1


def test_the_bill_of_one_key_leaves_the_others_out() -> None:
    bill = Bill()
    _serve(bill, _line("req_1"), output=1)
    _serve(bill, _line("req_2", "sim-b"), output=1)
    shown = bill.as_json(key="sim-b")
    assert [line["key"] for line in shown["lines"]] == ["sim-b"]
    assert list(shown["totals"]) == ["sim-b"]


def test_requests_that_cost_nothing_are_only_counted() -> None:
    bill = Bill()
    bill.unbilled("sim-a")
    shown = bill.as_json()
    assert (shown["lines"], shown["totals"]["sim-a"]["unbilled"]) == ([], 1)


def test_more_keys_than_the_bound_share_one_total() -> None:
    bill = Bill(max_keys=1)
    _serve(bill, _line("req_1"), output=1)
    _serve(bill, _line("req_2", "sim-b"), output=1)
    assert bill.as_json()["totals"]["(other keys)"]["requests"] == 1


def test_every_call_is_counted_by_key_and_model_until_the_bill_is_reset() -> None:
    bill = Bill(keep_lines=2)
    for key, model in (("sim-a", "m"), ("sim-a", "m"), ("sim-b", "m"), ("sim-c", "m")):
        bill.arrived(key, model)
    counts = [(call["key"], call["count"]) for call in bill.as_json()["calls"]]
    assert counts == [("sim-b", 1), ("sim-c", 1)]
    bill.reset()
    assert bill.as_json()["calls"] == []
