"""Bodies and answers about user attributes (spec 1.12, 8.2, appendix A)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from headgate.control.attributes.rules import MAX_VALUE_CHARS
from headgate.control.web.fields import MAX_ID, Notes, RequestBody

MAX_OPTIONS = 200
MAX_BATCH = 1000
Key = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.-]+$")]
Label = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S")]
Type = Annotated[str, Field(max_length=20)]
"""text, textarea, number, email, url, date, select or multi_select; else INVALID_ATTRIBUTE_TYPE."""
Length = Annotated[int, Field(strict=True, ge=0, le=MAX_VALUE_CHARS)]
Bound = Annotated[float, Field(allow_inf_nan=False)]
AttributeId = Annotated[int, Field(ge=1, le=MAX_ID)]
Ids = Annotated[list[Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]], Field(max_length=MAX_BATCH)]


class Option(RequestBody):
    value: Label
    label: Label


class Validation(RequestBody):
    """Absent and null alike: no bound."""

    min_length: Length | None = None
    max_length: Length | None = None
    min: Bound | None = None
    max: Bound | None = None
    pattern: Annotated[str, Field(max_length=500)] | None = None
    """In the syntax of Rust's `regex`; anywhere in the value unless anchored."""
    message: Annotated[str, Field(max_length=500)] | None = None
    """Said of a value that does not do."""


Options = Annotated[list[Option], Field(max_length=MAX_OPTIONS)]


class DefinitionCreate(RequestBody):
    key: Key
    name: Label
    description: Notes = ""
    type: Type
    options: Options = Field(default_factory=list)
    required: bool = False
    validation: Validation = Field(default_factory=Validation)
    placeholder: Annotated[str, Field(max_length=255)] = ""
    enabled: bool = True


class DefinitionUpdate(RequestBody):
    """Absent fields stay. Values that were good under the old rules stay as they are."""

    key: Key | None = None
    name: Label | None = None
    description: Notes | None = None
    type: Type | None = None
    options: Options | None = None
    required: bool | None = None
    validation: Validation | None = None
    placeholder: Annotated[str, Field(max_length=255)] | None = None
    enabled: bool | None = None


class ReorderBody(RequestBody):
    ids: Ids
    """First to last; definitions that are not named come after."""


class DefinitionView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    key: str
    name: str
    description: str
    type: str
    options: Sequence[Option]
    required: bool
    validation: Validation
    placeholder: str
    display_order: int
    enabled: bool
    created_at: datetime
    updated_at: datetime


class ValuesBody(RequestBody):
    """Attributes that are not named stay; an empty text takes the value away."""

    values: Annotated[
        dict[AttributeId, Annotated[str, Field(max_length=MAX_VALUE_CHARS)]], Field(max_length=MAX_BATCH)
    ]


class ValuesView(BaseModel):
    values: Mapping[int, str]


class BatchBody(RequestBody):
    user_ids: Ids


class BatchView(BaseModel):
    attributes: Mapping[int, Mapping[int, str]]
    """By user, then by attribute; users without any are absent."""
