"""Bodies and answers about configuration documents."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from headgate.control.configuration.differences import Change
from headgate.control.configuration.planning import Planned
from headgate.control.configuration.rendering import plan_lines
from headgate.control.web.fields import RequestBody


class PlanBody(RequestBody):
    document: dict[str, Any]
    secrets: Annotated[dict[str, Annotated[str, Field(max_length=16_384)]], Field(max_length=10_000)] = Field(
        default_factory=dict
    )
    """Values by the references of the document (`env:NAME`, `file:PATH`): the server reads neither its
    environment nor its files for a document."""
    prune: bool = False
    """Delete what is not in the document, in the sections that it has."""


class ApplyBody(PlanBody):
    expect: Annotated[str, Field(max_length=64)] = ""
    """`digest` of the plan that was looked at; another state of things is refused."""
    note: Annotated[str, Field(max_length=500)] = ""


class RollbackBody(RequestBody):
    secrets: Annotated[dict[str, Annotated[str, Field(max_length=16_384)]], Field(max_length=10_000)] = Field(
        default_factory=dict
    )
    note: Annotated[str, Field(max_length=500)] = ""


class FieldChangeView(BaseModel):
    name: str
    before: Any
    after: Any


class ChangeView(BaseModel):
    section: str
    name: str
    action: str
    """add, change, delete, or left: not in the document, and stays."""
    fields: Sequence[FieldChangeView]


class PlanView(BaseModel):
    digest: str
    changes: Sequence[ChangeView]
    text: Sequence[str]
    """The same for people."""


class ExportView(BaseModel):
    digest: str
    document: Mapping[str, Any]


class RevisionView(BaseModel):
    number: int
    created_at: datetime
    actor: str
    via: str
    """apply, rollback, or found: the state before the first apply, or after changes by other ways."""
    note: str
    summary: str


class RevisionDetail(RevisionView):
    document: Mapping[str, Any]
    """The whole state after it."""


class AppliedView(BaseModel):
    revision: int | None
    """null: there was nothing to do."""
    text: Sequence[str]


def plan_view(planned: Planned) -> PlanView:
    return PlanView(
        digest=planned.digest,
        changes=[_change(each) for each in planned.changes],
        text=plan_lines(planned.changes),
    )


def _change(change: Change) -> ChangeView:
    return ChangeView(
        section=change.section,
        name=change.name,
        action=change.action.value,
        fields=[
            FieldChangeView(name=field.name, before=field.before, after=field.after)
            for field in change.fields
        ],
    )
