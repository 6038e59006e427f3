"""Usage queries walk an index: no list or sum reads a table from end to end (PAINS 31)."""

import pytest
from sqlalchemy import Table, event

from headgate.control.usage.period import Span
from headgate.control.usage.repository import UsageFilter, UsageRepository
from headgate.control.web.envelope import Paging
from headgate.storage.engine import create_engine, session_factory
from headgate.storage.models import UsageRecordRow

SPAN = Span(1_000, 2_000)
FILTERS = {
    "everything": UsageFilter(),
    "time": UsageFilter(span=SPAN),
    "user": UsageFilter(user_id=1, hides_failed=True),
    "key": UsageFilter(user_id=1, key_id=1, span=SPAN),
    "account": UsageFilter(account_id=1),
    "model in a span": UsageFilter(model="m", span=SPAN),
}


async def plans(target, act):
    """What SQLite would do for each SELECT of `act`."""
    engine = create_engine(target)
    statements = []
    event.listen(
        engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, parameters, _x, _m: statements.append((statement, parameters)),
    )
    try:
        async with session_factory(engine)() as session:
            await act(UsageRepository(session))
        seen = list(statements)
        async with engine.connect() as connection:
            return [
                [
                    row[-1]
                    for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
                ]
                for statement, parameters in seen
            ]
    finally:
        await engine.dispose()


@pytest.mark.parametrize("name", FILTERS)
async def test_a_page_and_its_count_follow_an_index_in_order(sqlite_target, name):
    counts = FILTERS[name].has_index
    for plan in await plans(sqlite_target, lambda usage: usage.page(FILTERS[name], Paging(), counts=counts)):
        text = "; ".join(plan)
        assert "USING" in text, text
        assert "TEMP B-TREE FOR ORDER BY" not in text, text  # ties may be sorted, everything may not


@pytest.mark.parametrize(
    "name", [name for name in FILTERS if FILTERS[name].span.from_ms or FILTERS[name].has_index]
)
async def test_sums_search_an_index(sqlite_target, name):
    (plan,) = await plans(sqlite_target, lambda usage: usage.sums(FILTERS[name]))
    assert plan[0].startswith("SEARCH usage_records USING INDEX")


async def test_the_story_of_an_exchange_is_found_by_its_id(sqlite_target):
    async def act(usage):
        await usage.of_exchange("e")
        await usage.trace("e")

    for plan in await plans(sqlite_target, act):
        assert plan[0].startswith("SEARCH"), plan


def test_filters_without_an_index_are_known():
    assert UsageFilter(model="m").has_unindexed
    assert not UsageFilter(model="m").has_index
    assert isinstance(UsageRecordRow.__table__, Table)
    assert UsageRecordRow.__table__.indexes
