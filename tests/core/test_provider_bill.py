"""A provider's export is read as what it says, or refused with the place that is wrong."""

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.provider_bill import BillFileInvalid, ProviderLine, read_bill
from headgate.core.usage import TokenUsage

GENERIC = (
    "account,day,model,request_id,input_tokens,cache_read_tokens,cache_write_5m_tokens,output_tokens,cost_usd"
)
ANTHROPIC = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens,web_search_count,inference_geo,speed"
)
OPENAI = (
    "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,"
    "batch,service_tier,input_tokens,output_tokens,input_cached_tokens,input_audio_tokens,output_audio_tokens"
)
OPENAI_COSTS = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id"
)


LONG = "9" * 90
COLUMN = "column input_tokens"


def read(*lines: str) -> list[ProviderLine]:
    return list(read_bill(f"{line}\n" for line in lines))


def test_the_generic_columns() -> None:
    (line,) = read(GENERIC, "main,2026-01-31,claude-x,req_1,10,20,30,40,0.000123456")
    assert line == ProviderLine(
        day=date(2026, 1, 31), account="main", key=None, model="claude-x", request_id="req_1", calls=None,
        usage=TokenUsage(input=10, cache_read=20, cache_write_5m=30, output=40), cost_nano=123_456,
    )  # fmt: skip


def test_anthropics_usage_export() -> None:
    (line,) = read(
        ANTHROPIC, "2026-03-22,claude-x,prod,Default,standard,≤ 200k,100,1,2,3,50,4,global,standard"
    )
    assert (line.day, line.key, line.model, line.cost_nano) == (date(2026, 3, 22), "prod", "claude-x", None)
    assert line.usage == TokenUsage(
        input=100, cache_write_5m=1, cache_write_1h=2, cache_read=3, output=50, web_search_calls=4
    )


def test_openais_usage_export_counts_cached_and_audio_tokens_inside_the_others() -> None:
    (line,) = read(
        OPENAI,
        "1759622400,1759708800,2025-10-05T00:00:00+00:00,2025-10-06T00:00:00+00:00,proj,7,,key_1,gpt-x,False,"
        "default,1000,200,600,100,50",
    )
    assert (line.day, line.calls, line.key) == (date(2025, 10, 5), 7, "key_1")
    assert line.usage == TokenUsage(input=300, cache_read=600, output=150, audio_input=100, audio_output=50)


def test_openais_cost_export_says_nothing_about_tokens_and_leaves_quiet_days_empty() -> None:
    first, second = read(
        OPENAI_COSTS,
        "1759622400,1759708800,2025-10-05T00:00:00+00:00,,0.8958740000000000,usd,,",
        "1759968000,1760054400,2025-10-09T00:00:00+00:00,,,,,",
    )
    assert (first.usage, first.cost_nano) == (None, 895_874_000)
    assert (second.day, second.cost_nano) == (date(2025, 10, 9), 0)


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-01-31", date(2026, 1, 31)),
        ("2026-01-31T23:30:00-02:00", date(2026, 2, 1)),
        ("2026-01-31 10:00:00", date(2026, 1, 31)),
        ("1769817600", date(2026, 1, 31)),
    ],
)
def test_a_day_is_utc_however_it_is_written(cell: str, day: date) -> None:
    assert read("day,input_tokens", f"{cell},1")[0].day == day


def test_a_byte_order_mark_capitals_blanks_and_empty_lines_do_not_matter() -> None:
    (line,) = read("\ufeffDay, Input Tokens ,Output_Tokens", "", "2026-01-31, 5 ,")
    assert line.usage == TokenUsage(input=5)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((), "the file is empty"),
        (("input_tokens",), "no column says the day"),
        (("day,model",), "no column says tokens or cost"),
        (("day,input_tokens", "2026-01-31"), "line 2 has 1 columns, the header 2: the file is cut off"),
        (("day,input_tokens", "2026-01-31,1,2"), "line 2 has 3 columns"),
        (("day,input_tokens", '2026-01-31,"1'), "line 2: unexpected end of data"),
        (("day,input_tokens", "2026-01-31,-1"), "line 2, column input_tokens: '-1' is no whole number"),
        (("day,input_tokens", "2026-01-31,NaN"), "'NaN' is no whole number"),
        (("day,input_tokens", "2026-01-31,Infinity"), "'Infinity' is no whole number"),
        (("day,input_tokens", "2026-01-31,1e30"), "'1e30' is no whole number from 0 to 1000000000000"),
        (("day,input_tokens", "2026-01-31,1.5"), "'1.5' is no whole number"),
        (("day,input_tokens", '2026-01-31,"1,000"'), "'1,000' is no whole number"),
        (("day,input_tokens", "2026-01-31,many"), "'many' is no whole number"),
        (("day,cost_usd", "2026-01-31,NaN"), "column cost_usd: 'NaN' is no amount of USD"),
        (("day,cost_usd", "2026-01-31,1e300"), "is no amount of USD up to 1,000,000"),
        (("day,cost_usd,currency", "2026-01-31,1,eur"), "column currency: 'eur' is not USD"),
        (("day,input_tokens", "yesterday,1"), "column day: 'yesterday' is no day"),
        (("day,input_tokens", "2026-02-30,1"), "'2026-02-30' is no day"),
        (("day,input_tokens", "1999-01-01,1"), "is not between 2020 and 2100"),
        (("day,input_tokens", "99999999999999999999,1"), "is no day"),
        (("day,input_tokens,input_cached_tokens", "2026-01-31,5,6"), "less than its cached and audio parts"),
        (("day,input_tokens", "2026-01-31,1", f"2026-01-31,{LONG}"), f"line 3, {COLUMN}: '{LONG[:40]}..."),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place(lines: tuple[str, ...], problem: str) -> None:
    with pytest.raises(BillFileInvalid) as caught:
        read(*lines)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(), st.text())
def test_any_file_is_read_or_refused(header: str, line: str) -> None:
    with contextlib.suppress(BillFileInvalid):
        read(header, line)
