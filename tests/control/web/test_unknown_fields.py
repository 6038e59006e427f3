"""What a body holds beyond what is read: named in a header, refused for whoever asks for that."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from headgate.control.web.unknown_fields import IGNORED_HEADER, MAX_NAMES, ignored_fields, wants_refusal
from headgate.kit import json

STRICT = {"Prefer": "handling=strict"}


class Leaf(BaseModel):
    size: int = 0


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Tree(BaseModel):
    leaf: Leaf | None = None
    leaves: Sequence[Leaf] = ()
    named: Mapping[str, Leaf] = {}
    either: Annotated[Leaf | Closed | str, Field(description="x")] = ""
    free: dict[str, Any] = {}
    text: str = ""


@pytest.mark.parametrize(
    ("body", "ignored"),
    [
        ({"leaf": {"size": 1}, "leaves": [{"size": 2}], "named": {"a": {"size": 3}}, "text": "x"}, ""),
        ({"b": 1, "a": 2}, "b, a"),
        ({"leaf": {"colour": 1, "size": 1}}, "leaf.colour"),
        ({"leaf": None}, ""),
        ({"leaves": [{"x": 1}, {"x": 2, "y": 3}]}, "leaves.x, leaves.y"),
        ({"named": {"a": {"x": 1}}}, "named.a.x"),
        ({"free": {"whatever": {"is": "there"}}}, ""),
        ({"either": {"size": 1}}, ""),
        ({"either": "text"}, ""),
        ({"a\r\nset-cookie: x=1": 1, "": 2}, "a??set-cookie??x?1, ?"),
        ({"é" * 200: 1}, "?" * 80),
        ([{"a": 1}], ""),
        ("text", ""),
    ],
)
def test_what_no_model_reads_is_named_by_its_path(body, ignored):
    assert ignored_fields(Tree, json.dumps(body)) == ignored


def test_the_list_of_names_is_bounded():
    told = ignored_fields(Tree | None, json.dumps({f"f{number}": 1 for number in range(1000)}))
    assert told.endswith(f", f{MAX_NAMES - 1}, +{1000 - MAX_NAMES}")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_none_is_somebody_else_s_finding(body):
    assert ignored_fields(Tree, body) == ""


@pytest.mark.parametrize(
    ("prefer", "is_strict"),
    [
        ("handling=strict", True),
        ('respond-async, Handling = "strict"; x=1', True),
        ("handling=lenient", False),
        ("strict", False),
        ("", False),
    ],
)
def test_the_preference_is_read_as_rfc_7240_has_it(prefer, is_strict):
    assert wants_refusal(prefer) is is_strict


async def test_ignored_fields_are_told_and_replays_tell_them_again(control):
    body = {"name": "k", "colour": "red", "quota": 0}
    for replayed in (None, "true"):
        answer = await control.anna("POST", "/keys", body, headers={"Idempotency-Key": "one"})
        assert answer.status == 201
        assert answer.headers.get("x-idempotency-replayed") == replayed
        assert answer.headers[IGNORED_HEADER.lower()] == "colour"
    known = await control.anna("POST", "/keys", {"name": "k2"})
    assert IGNORED_HEADER.lower() not in known.headers


async def test_who_asks_for_it_is_refused_and_nothing_is_done(control):
    before = (await control.anna("GET", "/keys")).data["total"]
    for headers in (STRICT, STRICT | {"Idempotency-Key": "two"}):
        answer = await control.anna("POST", "/keys", {"name": "k", "colour": "red"}, headers=headers)
        assert (answer.status, answer.json["reason"]) == (400, "UNKNOWN_FIELD")
        assert answer.json["metadata"] == {"fields": "colour"}
    assert (await control.anna("GET", "/keys")).data["total"] == before
    again = await control.anna("POST", "/keys", {"name": "k"}, headers=STRICT | {"Idempotency-Key": "two"})
    assert again.status == 201


async def test_strangers_learn_nothing_about_fields(control):
    answer = await control.nobody("POST", "/admin/groups", {"colour": 1}, headers=STRICT)
    assert answer.status == 401
