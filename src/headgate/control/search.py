"""Searching with LIKE: what the operator types is text, never a pattern (PAINS S9)."""

from sqlalchemy import ColumnElement, func, or_
from sqlalchemy.orm import InstrumentedAttribute

ESCAPE = "\\"


def contains(text: str, *columns: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Case-insensitive "contains" over any of the columns."""
    escaped = text.lower().replace(ESCAPE, ESCAPE * 2).replace("%", ESCAPE + "%").replace("_", ESCAPE + "_")
    return or_(*(func.lower(column).like(f"%{escaped}%", escape=ESCAPE) for column in columns))
